"""Eight bits: the pictures that ranges are measured on, and what a trained network loses by them."""

import numpy as np
import pytest
import torch

from impasto.inference.engines import (
    PARITY_DB,
    TRIED_PICTURES,
    TRIED_PX,
    open_engine,
    parity_db,
)
from impasto.inference.int8 import dead_leaves
from impasto.inference.upscalers import load_network


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


@pytest.mark.slow
def test_a_trained_network_in_eight_bits():
    for package in ("openvino", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    network, _ = load_network("photo-x2")
    engine = open_engine("openvino-int8", network)
    assert engine.name == "openvino-int8"
    rng = np.random.default_rng(1)  # as the engines are tried
    pictures = [dead_leaves(rng, TRIED_PX) for _ in range(TRIED_PICTURES)]
    with torch.inference_mode():
        right = [network(torch.from_numpy(picture)).numpy() for picture in pictures]
    found = parity_db(np.concatenate([engine(p) for p in pictures]), np.concatenate(right))
    # Who names this engine gets so much likeness; `auto` asks for more, and takes another.
    assert 40 <= found < PARITY_DB
