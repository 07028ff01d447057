"""kill -9 at random instants: the run goes on, and loses at most what came after its last checkpoint."""

import multiprocessing
import os
import random
import signal
import time

import pytest

import impasto
from impasto.training.checkpoints import load_state
from impasto.training.logging import events

OVERRIDES = {
    "image.size": 16,
    "model.kind": "mlp",
    "model.hidden": [64],
    "train.batch_size": 8,
    "train.evaluate_samples": 16,
    "train.snapshot_every_images": 400,
    "train.evaluate_every_images": 2000,
    "train.checkpoint_every_seconds": 0.02,  # so that most kills fall into a write
    "train.precision": "float32",
    "train.device": "cpu",
}


def go_on(pictures, out, started):
    """In a process of its own: train until killed, and say when the loop is about to run."""

    def sink(event):
        if isinstance(event, events.Started):
            started.send(event.images_seen)

    impasto.train(pictures, out, preset="mlp", images=10**9, overrides=OVERRIDES, resume=True, sinks=[sink])


def images_on_disk(out):
    path = out / "state.safetensors"
    return load_state(path)[1]["images_seen"] if path.exists() else 0


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_nine_at_any_instant(shapes, tmp_path, kills):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["impasto.tasks.train", "impasto.nn.features"])
    out, rng = tmp_path / "run", random.Random(0)
    for kill in range(kills):
        before = images_on_disk(out)
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=go_on, args=(shapes, out, sender))
        process.start()
        sender.close()
        assert receiver.poll(200), "the run did not start"
        assert receiver.recv() == before  # it went on exactly where the last checkpoint was
        time.sleep(rng.uniform(0.0, 0.8))  # any instant; how far it came by then depends on the machine
        while kill == kills - 1 and images_on_disk(out) == before:
            assert process.is_alive()
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert images_on_disk(out) >= before  # and what is on disk can always be read
    assert images_on_disk(out) > 0
    assert impasto.load(out / "last").generate([0])[0].size == (16, 16)
    # What the kills left behind does not pile up.
    final = impasto.train(
        shapes, out, preset="mlp", images=images_on_disk(out) + 8, overrides=OVERRIDES, resume=True
    )
    assert final.reason.condition == "images"
    assert not list(out.rglob("*.tmp"))
