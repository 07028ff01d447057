"""What `make release-check` looks for in a wheel, without building one."""

import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest

from release_check import MOST_BYTES, SOURCE, faults_of, import_seconds

ROOT = Path(__file__).parent.parent
INFO = "impasto-0.dist-info"


def metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [f"Requires-Python: {project['requires-python']}", f"License-Expression: {project['license']}"]
    lines += [f"Classifier: {words}" for words in project["classifiers"]]
    lines += [f"Provides-Extra: {name}" for name in project["optional-dependencies"]]
    return "\n".join(lines)


def wheel_of(source, path, *, without=(), more=(), about=None):
    """A wheel as it is built from a package, with something left out or put in."""
    files = {f"impasto/{p.relative_to(source).as_posix()}": p for p in source.rglob("*") if p.is_file()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files.items():
            if "__pycache__" not in name and name not in without:
                archive.write(file, name)
        archive.writestr(f"{INFO}/METADATA", metadata() if about is None else about)
        if "LICENSE" not in without:
            archive.writestr(f"{INFO}/licenses/LICENSE", "...")
        for name in more:
            archive.writestr(name, "")
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy without weights that matter: a whole package takes seconds to pack."""
    folder = tmp_path_factory.mktemp("source") / "impasto"
    for name in ("__init__.py", "py.typed", "zoo"):
        copy = shutil.copytree if (SOURCE / name).is_dir() else shutil.copy
        folder.mkdir(exist_ok=True)
        copy(SOURCE / name, folder / name)
    return folder


def test_a_whole_wheel_has_no_faults(source, tmp_path):
    assert faults_of(wheel_of(source, tmp_path / "a.whl"), source) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"without": ["impasto/py.typed"]}, "impasto/py.typed is not in it"),
        ({"without": ["impasto/__init__.py"]}, "impasto/__init__.py is not in it"),
        ({"without": ["LICENSE"]}, f"{INFO}/licenses/LICENSE is not in it"),
        ({"more": ["tests/test_x.py"]}, "tests/test_x.py does not belong in it"),
        ({"without": ["impasto/zoo/photo-x4/model.safetensors"]}, "photo-x4/model.safetensors are not those"),
        ({"about": "Requires-Python: >=3.11\n"}, "Python 3.13 is not among the classifiers"),
        ({"about": "Requires-Python: >=3.9\n"}, "it requires Python >=3.9"),
        ({"about": "License-Expression: MIT\n"}, "its licence is MIT"),
        ({"about": "Provides-Extra: dev\n"}, "there is no extra 'engines'"),
    ],
)
def test_faults_of_a_wheel(source, tmp_path, changes, fault):
    faults = faults_of(wheel_of(source, tmp_path / "a.whl", **changes), source)
    assert any(fault in words for words in faults), faults


def test_a_wheel_that_is_too_large(source, tmp_path):
    wheel = wheel_of(source, tmp_path / "a.whl")
    with wheel.open("r+b") as file:  # a hole in front: zip files are read from their end
        data = file.read()
        file.seek(MOST_BYTES)
        file.write(data)
    assert any("MB" in words for words in faults_of(wheel, source))


def test_other_weights_are_noticed(source, tmp_path):
    changed = shutil.copytree(source, tmp_path / "impasto")
    (changed / "zoo" / "photo-x2" / "model.safetensors").write_bytes(b"other")
    assert faults_of(wheel_of(changed, tmp_path / "a.whl"), changed) == [
        "the weights photo-x2/model.safetensors are not those of SHA256SUMS"
    ]


def test_the_time_of_an_import_is_read_from_its_report():
    report = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:        12 |         30 |   impasto.errors\n"
        "import time:       400 |     250000 | impasto\n"
    )
    assert import_seconds(report) == 0.25
