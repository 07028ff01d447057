"""What every engine must do: the picture that PyTorch makes in float32, at any size, in every mode."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from impasto.config.upscaling import CompactConfig, SrresnetConfig
from impasto.errors import InputError, MissingDependencyError
from impasto.files import cache_folder
from impasto.nn.compact import CompactUpscaler
from impasto.tasks.upscaling.inference import engines
from impasto.tasks.upscaling.inference.engines import (
    PARITY_DB,
    choose_engine,
    dead_leaves,
    installed,
    open_engine,
    parity_db,
)
from impasto.tasks.upscaling.inference.onnx import to_onnx
from impasto.tasks.upscaling.networks import build_upscaler

SIZES = [(1, 1), (1, 9), (7, 3), (30, 41)]
NETWORKS = [
    CompactConfig(channels=8, convolutions=2),
    CompactConfig(scale=2, channels=8, convolutions=2),
    SrresnetConfig(scale=2, channels=8, blocks=1),
]


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda cfg: f"{cfg.kind}-x{cfg.scale}")
def network(request):
    torch.manual_seed(0)
    return build_upscaler(request.param).deployed().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def exported():
    """ONNX models by weights: an export takes seconds, and two engines come from each."""
    return {}


@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino", "ncnn"])
def test_every_engine_makes_pytorchs_picture(name, network, exported, monkeypatch):
    if name not in installed():
        pytest.skip(f"{name} is not installed")

    def once(net):
        if id(net) not in exported:
            exported[id(net)] = to_onnx(net)
        return exported[id(net)]

    monkeypatch.setattr(engines, "_onnx", once)
    if name == "ncnn" and not isinstance(network, CompactUpscaler):
        with pytest.raises(InputError, match="compact upscalers alone"):
            open_engine(name, network)
        return
    engine = open_engine(name, network)
    assert engine.name == name
    rng = np.random.default_rng(0)
    for height, width in (*SIZES, (3, 700)):
        picture = rng.random((1, 3, height, width), np.float32) * 2 - 1
        with torch.inference_mode():
            right = network(torch.from_numpy(picture)).numpy()
        made = engine(picture)
        assert made.shape == right.shape
        assert made.dtype == np.float32
        assert parity_db(made, right) >= PARITY_DB


def test_parity_by_hand():
    zero = np.zeros((1, 3, 2, 2), np.float32)
    assert parity_db(zero, zero) == float("inf")
    assert parity_db(zero, zero + np.float32(0.2)) == pytest.approx(20, abs=1e-4)
    assert parity_db(zero + 5, zero + 7) == float("inf")  # both white in a file


def test_dead_leaves_are_seeded_and_look_like_photographs():
    first, again, other = (dead_leaves(np.random.default_rng(seed), 96) for seed in (0, 0, 1))
    assert first.shape == (1, 3, 96, 96)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert -1 <= first.min() < -0.5
    assert 0.5 < first.max() <= 1
    # Amplitudes fall about as 1 / frequency: 4 times the frequency, a half to a quarter of the amplitude.
    spectrum = np.abs(np.fft.rfft(first[0] - first[0].mean((1, 2), keepdims=True), axis=2)).mean((0, 1))
    assert 1.7 < spectrum[2:6].mean() / spectrum[8:24].mean() < 4.5


def test_the_fastest_right_engine_is_chosen_and_remembered(network, monkeypatch):
    tried = []

    class Wrong:
        name = "onnxruntime"

        def __call__(self, pictures):
            return np.zeros((1, 3, *(side * network.scale for side in pictures.shape[2:])), np.float32)

    whole = open_engine

    def spy(name, net, device="cpu"):
        tried.append(name)
        if name == "openvino":
            raise RuntimeError("cannot run this")
        return Wrong() if name == "onnxruntime" else whole("torch", net)

    monkeypatch.setattr(engines, "open_engine", spy)
    monkeypatch.setattr(engines, "installed", lambda: ["torch", "onnxruntime", "openvino"])
    monkeypatch.setattr(engines.importlib.metadata, "version", lambda name: "1")
    first = choose_engine(network)
    assert first.name == "torch"  # one is fast and wrong, one does not run
    assert tried == ["torch", "onnxruntime", "openvino"]
    assert "measured earlier" in choose_engine(network).reason
    assert len(tried) == 3


def test_a_remembered_engine_that_is_gone_is_tried_anew(network, monkeypatch):
    monkeypatch.setattr(engines, "installed", lambda: ["torch", "ncnn"])
    monkeypatch.setattr(engines.importlib.metadata, "version", lambda name: "gone")
    monkeypatch.setattr(engines, "_try_all", lambda *_: {"torch": 1.0, "ncnn": 0.5})
    before = set(cache_folder().glob("engines/*.json"))
    assert choose_engine(network).name == "ncnn"
    (remembered,) = set(cache_folder().glob("engines/*.json")) - before
    for damaged in ('{"name": "openvino-int8", "reason": "of version 0.1"}', '{"name": []}', "[]", "{"):
        remembered.write_text(damaged)
        choice = choose_engine(network)
        assert (choice.name, "earlier" in choice.reason) == ("ncnn", False)
        assert "earlier" in choose_engine(network).reason


def test_alone_pytorch_is_not_measured(network, monkeypatch):
    monkeypatch.setattr(engines, "installed", lambda: ["torch"])
    assert choose_engine(network).name == "torch"


def test_what_there_is_not(network, monkeypatch):
    for name in ("cuda", "openvino-int8"):  # the latter was one of version 0.1
        with pytest.raises(InputError, match=f"no engine '{name}'") as refused:
            open_engine(name, network)
        assert refused.value.hint == "auto, torch, onnxruntime, openvino, ncnn"
    monkeypatch.setattr(engines, "installed", lambda: ["torch"])
    with pytest.raises(MissingDependencyError, match="'openvino' is not installed"):
        open_engine("openvino", network)


def test_an_engine_that_fails_or_draws_white_is_refused(network, monkeypatch):
    class White:
        def __init__(self, net):
            pass

        def __call__(self, pictures):
            return np.ones((1, 3, *(side * network.scale for side in pictures.shape[2:])), np.float32)

    def failing(net):
        raise RuntimeError("Exception from the library\nin a file of it")

    monkeypatch.setattr(engines, "installed", lambda: ["torch", "onnxruntime", "openvino"])
    monkeypatch.setattr(engines, "OnnxEngine", White)
    monkeypatch.setattr(engines, "OpenvinoEngine", failing)
    with pytest.raises(InputError, match="'onnxruntime' makes other pictures than PyTorch here"):
        open_engine("onnxruntime", network)
    with pytest.raises(InputError, match="'openvino' fails here: Exception from the library\n--") as refused:
        open_engine("openvino", network)
    assert "--engine auto" in refused.value.hint


FEWER_INSTRUCTIONS = """
import os, torch
from impasto.tasks.upscaling.inference.engines import open_engine
from impasto.tasks.upscaling.inference.upscalers import load_network
network, _ = load_network("photo-x4-small")
open_engine("openvino", network)  # compares its picture with PyTorch's
print(os.environ["DNNL_MAX_CPU_ISA"])
"""


def test_openvino_is_right_where_pytorch_uses_fewer_instructions():
    if "openvino" not in installed():
        pytest.skip("openvino is not installed")
    environment = os.environ | {"DNNL_MAX_CPU_ISA": "SSE41"}
    done = subprocess.run(
        [sys.executable, "-c", FEWER_INSTRUCTIONS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "SSE41\n"), done.stderr
