"""The examples run as they are, on tiny data, and do what they say."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits

import impasto
from impasto.config.reading import load_config
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling import directions as fitting
from impasto.training.checkpoints import ModelInfo, save_model
from tests.pictures import painting
from tests.small_models import tiny_model
from tests.small_runs import NETWORKS, SMALL

EXAMPLES = Path(__file__).parent.parent / "examples"
TINY = ["image.size=16", "model.base_channels=4"]


def example(name):
    """The names that an example defines, without running it."""
    return runpy.run_path(str(EXAMPLES / name))


def test_examples_are_short_and_all_of_them_are_tested():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    tests = Path(__file__).read_text()
    for name in names:
        # A whole task takes more.
        most = 145 if name == "points.py" else 60
        assert len((EXAMPLES / name).read_text().splitlines()) <= most, name
        assert f'"{name}"' in tests, name


def test_train(shapes, tmp_path, capsys):
    tiny = SMALL | NETWORKS["few-shot"] | {"stop.images": 16, "train.evaluate_every_images": 16}
    settings = [f"{key}={value}" for key, value in tiny.items()]
    example("train.py")["main"](str(shapes), str(tmp_path / "run"), "1", *settings)
    told = capsys.readouterr().out
    assert "16 pictures: KID-lite0" in told
    assert "it stopped because" in told
    assert "recall" in told
    assert json.loads((tmp_path / "run" / "3.json").read_text())["point"]["seed"] == 3


def test_steer(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fitting, "SAMPLES", 32)
    monkeypatch.setattr(fitting, "TRIALS", 4)
    cfg = load_config("r3gan", {"image.size": 16, "model.generator_channels": 8})
    torch.manual_seed(0)
    save_model(tmp_path / "run", build_generator(cfg.model, cfg.image).state_dict(), ModelInfo(cfg, 1))
    example("steer.py")["main"](str(tmp_path / "run"), str(tmp_path / "out"))
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.size == (6 * 18 - 2, 6 * 18 - 2)
        rows = np.asarray(sheet.convert("L"), float)
    darker, brighter = rows[3 * 18 : 4 * 18 - 2].mean(), rows[4 * 18 : 5 * 18 - 2].mean()
    assert brighter > darker
    with Image.open(tmp_path / "out" / "film.webp") as film:
        assert film.n_frames == 24
    assert (tmp_path / "out" / "near.json").is_file()
    assert "brightness" in capsys.readouterr().out


def test_upscale_folder(tmp_path, capsys):
    scans = tmp_path / "scans"
    (scans / "old").mkdir(parents=True)
    Image.fromarray(painting(20, 30)).save(scans / "old" / "a.jpg")
    (scans / "broken.png").write_bytes(b"no picture")
    example("upscale_folder.py")["main"](
        str(scans), str(tmp_path / "out"), str(tiny_model(tmp_path / "tiny"))
    )
    told = capsys.readouterr().out
    assert "broken.png: " in told
    assert "a.png: 120 x 80" in told
    with Image.open(tmp_path / "out" / "old" / "a.png") as made:
        assert made.size == (120, 80)
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == ["a.png"]


def test_custom_loss(shapes, tmp_path, capsys):
    names = example("custom_loss.py")
    names["main"](str(shapes), str(tmp_path / "sheet.png"), "3", *TINY)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (4 * 18 - 2, 4 * 18 - 2)
    assert "step 0: D" in capsys.readouterr().out

    real, fake = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    cross = lambda logits, label: binary_cross_entropy_with_logits(  # noqa: E731
        logits, torch.full_like(logits, label), reduction="none"
    )
    torch.testing.assert_close(names["one_sided"](real, fake), cross(real, 0.9) + cross(fake, 0.0))


def test_custom_network(shapes, tmp_path, capsys):
    names = example("custom_network.py")
    names["main"](str(shapes), str(tmp_path / "sheet.png"), "3", *TINY)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (4 * 18 - 2, 4 * 18 - 2)
        assert np.asarray(sheet).std() > 1
    assert "step 0: D" in capsys.readouterr().out
    network = names["PlaceGenerator"](8, 16, 12)
    assert network(network.sample_latents(2, torch.Generator().manual_seed(0))).shape == (2, 3, 12, 12)


def test_onnx_without_pytorch(tmp_path):
    from impasto.export.files import export
    from impasto.tasks.upscaling.inference.upscalers import load_network

    network, _ = load_network(tiny_model(tmp_path / "tiny"))
    export(network, "onnx", tmp_path / "tiny")
    Image.fromarray(painting(20, 30)).save(tmp_path / "small.png")
    script = str(EXAMPLES / "onnx_without_pytorch.py")
    arguments = [str(tmp_path / name) for name in ("tiny.onnx", "small.png", "large.png")]
    blocked = (
        "import runpy, sys; sys.modules['torch'] = sys.modules['impasto'] = None; "
        f"sys.argv = {[script, *arguments]!r}; runpy.run_path({script!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "30 x 20 -> 120 x 80\n"
    upscaler = impasto.load_upscaler(tmp_path / "tiny", engine="torch")
    upscaler.engine.low = False
    own = np.asarray(upscaler(str(tmp_path / "small.png")), int)
    with Image.open(tmp_path / "large.png") as made:
        assert np.abs(np.asarray(made, int) - own).max() <= 1


def test_onnx_generate(tmp_path):
    pytest.importorskip("onnxscript")
    from impasto.export.files import export_generator

    cfg = load_config("r3gan", {"image.size": 16, "model.generator_channels": 8})
    torch.manual_seed(0)
    save_model(tmp_path / "run", build_generator(cfg.model, cfg.image).state_dict(), ModelInfo(cfg, 1))
    exported, _ = export_generator(impasto.load(tmp_path / "run"), "onnx", tmp_path / "tiny")
    script, row = str(EXAMPLES / "onnx_generate.py"), tmp_path / "row.ppm"
    assert len(Path(script).read_text().splitlines()) <= 30
    blocked = (
        "import runpy, sys; "
        "sys.modules.update(dict.fromkeys(['torch', 'impasto', 'PIL'])); "
        f"sys.argv = {[script, str(exported), str(row)]!r}; runpy.run_path({script!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Image.open(row) as made:
        assert made.size == (8 * 16, 16)
        assert np.asarray(made).std() > 1


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.name)
def test_the_documented_call_names_what_main_takes(path):
    """The command in an example's docstring gives as many words as `main` needs."""
    tree = ast.parse(path.read_text())
    (main,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    (line,) = re.findall(rf"python examples/{path.name} (.*)$", ast.get_docstring(tree), re.M)
    words = [word for word in line.split() if not word.startswith("[")]
    assert len(words) == len(main.args.args) - len(main.args.defaults)


def test_a_task_of_ones_own_trains_and_goes_on_exactly(tmp_path, capsys):
    main = example("points.py")["main"]
    main(str(tmp_path / "twice"), "640")
    main(str(tmp_path / "twice"), "1280")
    main(str(tmp_path / "once"), "1280")
    first, second, third = capsys.readouterr().out.splitlines()
    assert "640 images were asked for; energy distance" in first
    assert second == third != first
    lines = (tmp_path / "once" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert {"started", "snapshot", "checkpointed", "stopped"} <= set(events)
    assert (tmp_path / "once" / "history.webp").is_file()
