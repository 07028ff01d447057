"""The direction of imports (docs/architecture.md) and the public names."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import impasto
from impasto.config.reading import TREES
from impasto.tasks import task_called

SOURCE = Path(impasto.__file__).parent

# Each layer may import those before it.
LAYERS = [
    {
        "errors",
        "files",
        "outputs",
        "interrupts",
        "telemetry",
        "terminal",
        "pages",
        "arithmetic",
        "adaptive_threads",
        "config",
    },
    {"image"},
    {"data", "nn", "metrics"},
    {"training"},
    {"tasks"},
    {"zoo", "export"},
    {"cluster"},
    {"cli", "studio", "__main__"},
]
ALLOWED_WITHIN = {
    ("metrics", "nn.features"),
    ("__main__", "cli"),
    ("cli", "studio"),  # `impasto serve` starts it
}


def layer_of(room):
    return next(i for i, layer in enumerate(LAYERS) if room in layer)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "impasto":
            if node.module == "impasto":
                yield from (alias.name for alias in node.names)
            elif node.module.count(".") == 1:  # `from impasto.training import previews` names a module
                is_package = (SOURCE / node.module.split(".")[1]).is_dir()
                room = node.module.split(".", 1)[1]
                yield from (f"{room}.{alias.name}" if is_package else room for alias in node.names)
            else:
                yield node.module.split(".", 1)[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".", 1)[1] for a in node.names if a.name.startswith("impasto."))


def violations():
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for target in imports_of(path):
            other = target.split(".")[0]
            if other in ("__version__", room):
                continue
            fine = layer_of(other) < layer_of(room) or layer_of(room) == 0
            if not fine and not any(room == a and target.startswith(b) for a, b in ALLOWED_WITHIN):
                yield f"{path.relative_to(SOURCE)} imports {target}"


def test_imports_point_down_only():
    assert list(violations()) == []


def test_no_task_imports_another():
    for path in (SOURCE / "tasks").rglob("*.py"):
        task, *inner = path.relative_to(SOURCE / "tasks").parts
        others = [t for t in imports_of(path) if t.startswith("tasks.") and t.split(".")[1] != task]
        assert not inner or others == [], path


def test_every_task_has_a_folder_a_config_and_a_name():
    folders = {path.parent.name for path in (SOURCE / "tasks").glob("*/task.py")}
    assert folders == TREES.keys(), "TREES of config/reading.py"
    for name, tree in TREES.items():
        assert task_called(name).name == name == tree.model_fields["task"].default


def test_the_import_reader_sees_what_it_must(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        "from impasto.training import previews\nimport impasto.cli.train\nfrom impasto import config\n"
    )
    assert list(imports_of(path)) == ["training.previews", "cli.train", "config"]


def test_public_names():
    assert sorted(impasto.__all__) == [
        "Config",
        "Dataset",
        "ImpastoError",
        "InputError",
        "LayoutTranslator",
        "Model",
        "PictureUpscaler",
        "Run",
        "__version__",
        "evaluate",
        "load",
        "load_config",
        "load_translator",
        "load_upscaler",
        "open_folder",
        "train",
    ]
    for name in impasto.__all__:
        assert getattr(impasto, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        impasto.nothing_like_it  # noqa: B018


@pytest.mark.parametrize("module", ["impasto", "impasto.cli"])
def test_light_imports_load_nothing_heavy(module):
    heavy = "{'torch', 'numpy', 'pyvips', 'PIL', 'timm', 'pydantic'}"
    code = f"import sys, {module}; sys.exit(', '.join(sorted({heavy} & set(sys.modules))) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_in_the_package_unpickles():
    """Files come from strangers: torch.load must say weights_only, and nothing else may unpickle."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
                assert not {"pickle", "dill", "joblib", "shelve", "marshal"} & set(names), path
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("torch.load"):
                assert any(k.arg == "weights_only" and k.value.value is True for k in node.keywords), path


def test_no_test_imports_a_test():
    """What several need lies in a module of its own: a test that is moved or left out breaks no other."""
    found = [
        f"{path}: {line}"
        for path in sorted(Path("tests").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*from tests(\.\w+)*\.test_\w+ import|\s*from tests(\.\w+)* import .*\btest_", line)
    ]
    assert found == []
