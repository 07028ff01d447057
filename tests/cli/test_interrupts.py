"""Ctrl-C and SIGTERM in real processes: they end soon, clean up, and say so, whenever the signal comes."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.config.reading import load_config
from impasto.files import LEFTOVER, sweep
from impasto.tasks.generation.networks import build_generator
from impasto.training.checkpoints import ModelInfo, save_model
from tests.pictures import painting

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
DEADLINE_SECONDS = 120  # for what takes a second or two where nobody else computes


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupts") / "model"
    cfg = load_config("r3gan", {"image.size": 16, "model.generator_channels": 8})
    torch.manual_seed(0)
    save_model(folder, build_generator(cfg.model, cfg.image).state_dict(), ModelInfo(cfg, 1))
    return folder


def start(*words, python=()):
    command = [sys.executable, *python, "-m", "impasto", *map(str, words)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C.
    return subprocess.Popen(command, env=env, preexec_fn=_hear_signals, **pipes)


def _hear_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_until(condition, process):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end(process, *numbers):
    """Send the signals; what the process printed on standard error."""
    for number in numbers:
        process.send_signal(number)
    _, said = process.communicate(timeout=DEADLINE_SECONDS)
    assert "Traceback" not in said
    assert "Fatal Python error" not in said
    assert "Aborted" not in said
    return said


@pytest.mark.parametrize(
    ("module", "number", "code"),
    [
        ("socket", signal.SIGINT, 130),  # before all that is ours
        ("typer", signal.SIGINT, 130),
        ("torch._C", signal.SIGINT, 130),  # in the midst of PyTorch, which may swallow an exception, or abort
        ("impasto.tasks.generation.sampling.model", signal.SIGTERM, 143),
    ],
)
def test_at_any_moment_since_the_start(model, tmp_path, module, number, code):
    process = start("generate", model, "--out", tmp_path / "new", python=("-X", "importtime"))
    with process:
        for line in process.stderr:  # one for each module, when it is imported
            if line.rpartition("|")[2].strip() == module:
                break
        said = end(process, number)
    assert process.returncode == code
    assert "impasto: interrupted" in said


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_what_was_made_is_there_and_counted(model, tmp_path, number, code):
    out = tmp_path / "new"
    with start("generate", model, "--out", out, "--count", "20000") as process:
        wait_until(lambda: len(list(out.glob("*.json"))) > 2, process)
        said = end(process, number)
    assert process.returncode == code
    pictures = sorted(out.glob("*.png"))
    counted = int(said.partition("interrupted: ")[2].partition(" of 20,000 pictures are in ")[0])
    assert abs(counted - len(pictures)) <= 1
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
    assert [path.name for path in out.iterdir() if LEFTOVER.fullmatch(path.name)] == []


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        pytest.param([signal.SIGINT], 130, marks=pytest.mark.slow),
        pytest.param([signal.SIGTERM], 143, marks=pytest.mark.slow),
        pytest.param([signal.SIGINT] * 2, 130, marks=pytest.mark.slow),
    ],
)
def test_a_large_picture_is_left_at_the_next_tile(tmp_path, numbers, code):
    large = np.tile(painting(256, 256), (10, 10, 1))
    Image.fromarray(large).save(tmp_path / "large.png", compress_level=1)
    out = tmp_path / "out"
    words = ("upscale", tmp_path / "large.png", "--out", out, "--model", "photo-x4", "--engine", "torch")
    with start(*words) as process:
        wait_until(lambda: any(out.glob(".large.png.*.tmp")), process)
        said = end(process, *numbers)
    assert process.returncode == code
    assert f"interrupted: 0 of 1 pictures are in {out}" in said
    assert list(out.iterdir()) == []


def test_processes_that_train_together_are_sent_what_the_first_one_hears():
    from impasto.training.distributed import launch

    script = "import time; print('begun', flush=True); time.sleep(600)"
    before = signal.getsignal(signal.SIGTERM)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, preexec_fn=_hear_signals
    ) as process:
        assert process.stdout.readline() == b"begun\n"
        with launch._passing_on([process]):
            os.kill(os.getpid(), signal.SIGINT)  # a terminal sends it to all of them by itself
            os.kill(os.getpid(), signal.SIGTERM)
            assert process.wait(DEADLINE_SECONDS) == -signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_a_killed_process_left_is_swept(tmp_path):
    script = textwrap.dedent(
        """\
        import sys, time
        from pathlib import Path
        from impasto.files import replacing, temporary_folder
        target = Path(sys.argv[1])
        with replacing(target) as file, temporary_folder(target) as folder:
            file.write_bytes(b"half")
            (folder / "rows").write_bytes(b"half")
            print("begun", flush=True)
            time.sleep(600)
        """
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a [1] é.png")]
    mine = tmp_path / ".mine.tmp"
    mine.write_text("precious")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"begun\n"
        sweep(tmp_path)
        assert len(list(tmp_path.iterdir())) == 3  # it lives
        writer.kill()
        writer.wait()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]


def test_leftovers_of_other_machines_and_old_versions_are_swept_after_a_day(tmp_path):
    names = (".a.png.00000000-1-0123abcd.tmp", ".b.png.0123abcd.tmp")
    for name in names:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    for name in names:
        os.utime(tmp_path / name, (time.time() - 90_000,) * 2)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
