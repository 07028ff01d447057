"""`impasto upscale`, `evaluate`, `export` and `inspect --degrade` as a person meets them."""

import io
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from impasto.cli import main
from impasto.tasks.upscaling.inference.upscalers import load_network
from tests.cli.running import impasto
from tests.pictures import painting
from tests.small_models import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "given").mkdir()
    for i in range(3):
        Image.fromarray(painting(64, 72, seed=i)).save(tmp_path / "given" / f"{i}.png")
    return tmp_path / "given"


def test_a_folder(folder, model, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    arguments = ["upscale", folder, "--out", out, "--model", model, "--engine", "torch"]
    code, _, err = impasto(monkeypatch, capsys, *arguments, "--scale", "1.5", "--format", "webp")
    assert code == 0
    assert "tiny (x4) on torch: as asked" in err
    assert "3 pictures in" in err
    for path in out.glob("[!.]*"):
        with Image.open(path) as made:
            assert made.size == (108, 96)
    code, _, err = impasto(monkeypatch, capsys, *arguments, "--format", "webp")
    assert code == 2
    assert "0.webp', " in err
    assert "are there already" in err
    assert "--skip-existing leaves them, --overwrite replaces them" in err
    code, _, err = impasto(monkeypatch, capsys, *arguments, "--format", "webp", "--skip-existing")
    assert code == 0
    assert "0 pictures in" in err
    assert "3 were there already" in err
    code, *_ = impasto(monkeypatch, capsys, *arguments, "--overwrite", "--tile", "40")
    assert code == 0


def test_an_engine_that_there_is_not(folder, model, tmp_path, monkeypatch, capsys):
    """A command of version 0.1 may name the one of eight bits, which is gone."""
    arguments = ["upscale", folder, "--out", tmp_path / "out", "--model", model, "--engine", "openvino-int8"]
    code, _, err = impasto(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "there is no engine 'openvino-int8'" in err
    assert "auto, torch, onnxruntime, openvino, ncnn" in err
    assert not (tmp_path / "out").exists()


def test_one_bad_file_costs_itself(folder, model, tmp_path, monkeypatch, capsys):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    arguments = ["upscale", folder, "--out", tmp_path / "out", "--model", model, "--engine", "torch"]
    code, _, err = impasto(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "1 picture could not be enlarged" in err
    assert "bad.png' is truncated" in err
    assert len(list((tmp_path / "out").glob("[!.]*"))) == 3


def test_standard_input_and_output(model, monkeypatch, capsysbinary):
    buffer, made = io.BytesIO(), io.BytesIO()
    Image.fromarray(painting(6, 8)).save(buffer, "PNG")
    buffer.seek(0)

    class Pipe:
        def __init__(self, stream):
            self.buffer = stream

        def write(self, text):
            return len(text)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdin", Pipe(buffer))
    monkeypatch.setattr(sys, "stdout", Pipe(made))
    arguments = ["impasto", "upscale", "-", "--out", "-", "--model", str(model), "--engine", "torch"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert Image.open(io.BytesIO(made.getvalue())).size == (32, 24)


def test_evaluate(folder, model, monkeypatch, capsys, tmp_path):
    code, out, _ = impasto(
        monkeypatch, capsys, "evaluate", model, "--against", folder, "--json", tmp_path / "f.json"
    )
    assert code == 0
    rows = {row["method"]: row for row in json.loads((tmp_path / "f.json").read_text())}
    assert list(rows) == ["bicubic", "tiny"]
    assert rows["bicubic"]["psnr"] > 15
    assert f"{rows['bicubic']['psnr']:.2f}" in out


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_export(model, tmp_path, monkeypatch, capsys, to):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime" if to == "onnx" else "openvino")
    code, out, _ = impasto(monkeypatch, capsys, "export", model, "--to", to, "--out", tmp_path / "out")
    assert code == 0
    names = [line.rsplit("/", 1)[-1] for line in out.splitlines()]
    assert names == (["tiny.onnx"] if to == "onnx" else ["tiny.xml", "tiny.bin"])
    picture = np.zeros((1, 3, 5, 9), np.float32)
    if to == "onnx":
        session = runtime.InferenceSession(str(tmp_path / "out" / "tiny.onnx"))
        made = session.run(None, {"pictures": picture})[0]
    else:
        monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)  # OpenVINO fails where it allows too little
        made = runtime.Core().compile_model(str(tmp_path / "out" / "tiny.xml"), "CPU")(picture)[0]
    assert made.shape == (1, 3, 20, 36)


def test_export_to_ncnn(model, tmp_path, monkeypatch, capsys):
    pytest.importorskip("ncnn")
    code, out, _ = impasto(monkeypatch, capsys, "export", model, "--to", "ncnn", "--out", tmp_path / "out")
    assert code == 0
    assert [line.rsplit("/", 1)[-1] for line in out.splitlines()] == ["tiny.param", "tiny.bin"]


def test_export_for_tools_that_use_spandrel(model, tmp_path, monkeypatch, capsys):
    spandrel = pytest.importorskip("spandrel")
    code, out, _ = impasto(
        monkeypatch, capsys, "export", model, "--to", "spandrel", "--out", tmp_path / "out"
    )
    assert (code, out.strip().rsplit("/", 1)[-1]) == (0, "tiny.safetensors")
    found = spandrel.ModelLoader(device="cpu").load_from_file(tmp_path / "out" / "tiny.safetensors")
    assert (found.architecture.id, found.scale, found.purpose) == ("Compact", 4, "SR")
    picture = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        right = load_network(model)[0](picture * 2 - 1)
    torch.testing.assert_close(found(picture).clamp(0, 1), (right / 2 + 0.5).clamp(0, 1), atol=1e-4, rtol=0)
    double = tiny_model(tmp_path / "double", scale=2)
    code, _, err = impasto(
        monkeypatch, capsys, "export", double, "--to", "spandrel", "--out", tmp_path / "x2"
    )
    assert code == 2
    assert "only compact upscalers" in err
    assert not (tmp_path / "x2").exists()


@pytest.mark.parametrize(
    ("to", "package"), [("onnx", "onnxscript"), ("ncnn", "ncnn"), ("compact", "spandrel")]
)
def test_a_wrong_export_is_refused(model, tmp_path, monkeypatch, capsys, to, package):
    pytest.importorskip(package)
    from impasto.export import files

    right, whole = load_network(model)[0], getattr(files, f"to_{to}")
    with torch.no_grad():
        right.layers[0].bias.add_(0.5)
    monkeypatch.setattr(files, f"to_{to}", lambda network: whole(right))
    kind = "spandrel" if to == "compact" else to
    code, _, err = impasto(monkeypatch, capsys, "export", model, "--to", kind, "--out", tmp_path / "out")
    assert code == 1
    assert "makes other pictures than PyTorch" in err
    assert not (tmp_path / "out").exists()


def test_the_sheet_of_degradations(tmp_path, monkeypatch, capsys):
    (tmp_path / "given").mkdir()
    for i in range(2):
        Image.fromarray(painting(170, 180, seed=i)).save(tmp_path / "given" / f"{i}.png")
    sheet = tmp_path / "sheet.png"
    code, out, _ = impasto(
        monkeypatch, capsys, "inspect", tmp_path / "given", "--degrade", "photo", "--sheet", sheet
    )
    assert code == 0
    assert str(sheet) in out.replace("\n", "")
    with Image.open(sheet) as picture:
        assert picture.width > 5 * 100


def test_drawings_are_named_once(monkeypatch, capsys, tmp_path):
    """Each by its name, so that one that is a photograph after all can be found."""
    (tmp_path / "in").mkdir()
    for number in range(3):
        picture = Image.new("RGB", (96, 96), "white")
        pen = ImageDraw.Draw(picture)
        pen.ellipse((12, 12, 84, 84), fill=(244, 194, 13), outline="black", width=4)
        pen.ellipse((30, 30 + number, 42, 42 + number), fill="black")
        pen.ellipse((56, 30, 68, 42), fill="black")
        picture.save(tmp_path / "in" / f"{number}.png")
    code, _, err = impasto(
        monkeypatch, capsys, "upscale", tmp_path / "in", "--out", tmp_path / "out", "--engine", "torch"
    )
    assert code == 0
    said = next(line for line in err.splitlines() if "taken for drawings" in line)
    assert said.startswith("impasto: 3 taken for drawings, enlarged by drawing-x4")
    assert all(f"{number}.png" in said for number in range(3))
