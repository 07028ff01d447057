"""OpenVINO's first use of numpy by two threads at once: they could wait for each other for ever."""

import os
import subprocess
import sys

import pytest

from impasto.config.upscaling import CompactConfig
from impasto.tasks.upscaling.inference import engines
from impasto.tasks.upscaling.inference.engines import OpenvinoEngine, installed
from impasto.tasks.upscaling.inference.onnx import to_onnx
from impasto.tasks.upscaling.networks import build_upscaler

PROCESSES = 8  # without the cure one to two of five hung
PATIENCE_SECONDS = 240  # a process takes seconds; on a busy machine importing alone takes a minute

_SCRIPT = """
import sys, threading
import numpy as np, torch
from impasto.config.upscaling import CompactConfig
from impasto.tasks.upscaling.inference.engines import OpenvinoEngine
from impasto.tasks.upscaling.networks import build_upscaler

torch.manual_seed(0)
torch.set_num_threads(2)
network = build_upscaler(CompactConfig(channels=8, convolutions=2)).deployed().eval().requires_grad_(False)
engine = OpenvinoEngine(network)
assert engine.at_once == 2
together = threading.Barrier(2)
sys.setswitchinterval(1e-6)

def call():
    together.wait()
    engine(np.zeros((1, 3, 256, 256), np.float32))

threads = [threading.Thread(target=call) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The ONNX model is made once and kept there; making it takes longer than all the rest."""
    return tmp_path_factory.mktemp("cache")


needs_openvino = pytest.mark.skipif("openvino" not in installed(), reason="OpenVINO is not installed")


@needs_openvino
def test_the_first_call_is_made_before_there_is_an_engine_to_share(monkeypatch):
    import openvino

    calls = []
    real = openvino.InferRequest.infer
    monkeypatch.setattr(
        openvino.InferRequest, "infer", lambda self, *a, **k: (calls.append(1), real(self, *a, **k))[1]
    )
    monkeypatch.setattr(engines, "_onnx", to_onnx)
    OpenvinoEngine(build_upscaler(CompactConfig(channels=8, convolutions=2)).deployed().eval())
    assert calls == [1]


@pytest.mark.slow
@needs_openvino
@pytest.mark.parametrize("process", range(PROCESSES))
def test_two_threads_begin_with_openvino_at_once(process, cache):
    made = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env={**os.environ, "IMPASTO_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert made.stdout.split() == ["done"], made.stderr
