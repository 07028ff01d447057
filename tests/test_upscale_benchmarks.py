"""The benchmarks of upscalers: candidates of one size, and the peer's weights in the right places."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import upscaler_candidates
from peers import realesrgan
from peers.upscalers import CANDIDATES, make
from tests.inference.conftest import painting


@pytest.mark.parametrize("name", CANDIDATES)
def test_candidates_have_one_deployed_size(name):
    torch.manual_seed(0)
    network = make(name)
    narrow = network.deployed() if name == "compact" else network
    assert sum(p.numel() for p in narrow.parameters()) == pytest.approx(135_000, rel=0.12)
    x = torch.rand(2, 3, 17, 12) * 2 - 1
    assert network(x).shape == (2, 3, 68, 48)


def test_candidates_learn_and_are_measured(tmp_path, capsys):
    folder, figures = tmp_path / "photos", tmp_path / "figures.json"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(painting(164, 168, seed=i)).save(folder / f"{i}.png")
    given = ["--pictures", str(folder), "--test", str(folder), "--seconds", "0.5", "--json", str(figures)]
    upscaler_candidates.main([*given, "--candidate", "plain", "--seeds", "0", "1"])
    assert capsys.readouterr().out.count("plain: ") == 2
    found = json.loads(figures.read_text())["candidates"]["plain"]
    assert [one["seed"] for one in found] == [0, 1]
    assert all(one["steps"] > 0 and one["psnr"] > 20 for one in found)


def packed(net, half):
    """The numbers of a network as ncnn stores them."""
    parts = []
    for layer in net.body:
        numbers = [p.detach().numpy() for p in layer.parameters()]
        if isinstance(layer, torch.nn.Conv2d):
            tag, kind = (0x01306B47, np.float16) if half else (0, np.float32)
            weight = numbers[0].astype(kind).tobytes()
            parts += [np.uint32(tag).tobytes(), weight, bytes(-len(weight) % 4), numbers[1].tobytes()]
        else:
            parts.append(numbers[0].tobytes())
    return b"".join(parts)


@pytest.mark.parametrize("half", [False, True])
def test_the_peers_weights_come_back(half):
    torch.manual_seed(0)
    first, second = realesrgan.Compact(), realesrgan.Compact()
    data = packed(first, half)
    realesrgan.fill(second, data)
    x = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(second(x), first(x), atol=1e-2 if half else 1e-6, rtol=0)
        ours = realesrgan.Ours(first)(x * 2 - 1)
        torch.testing.assert_close(ours, first(x) * 2 - 1, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="belong to no layer"):
        realesrgan.fill(second, data + b"1234")
    with pytest.raises(ValueError, match="not known"):
        realesrgan.fill(second, b"\1\2\3\4" + data[4:])


def test_the_peer_has_the_published_size():
    assert sum(p.numel() for p in realesrgan.Compact().parameters()) == 621_424
