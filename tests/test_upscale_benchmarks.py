"""The benchmarks of upscalers: candidates of one size, and the peer's weights in the right places."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import upscaler_candidates
import upscaler_crops
from peers import realesrgan
from peers.upscalers import CANDIDATES, make
from tests.pictures import painting
from tests.small_models import tiny_model


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


def test_crops_lie_side_by_side(tmp_path, capsys):
    """The window is the busy one, and each way shows the same place."""
    folder = tmp_path / "photos"
    folder.mkdir()
    calm = np.full((240, 320, 3), 90, np.uint8)
    calm[100:196, 204:300] = painting(96, 96)
    Image.fromarray(calm).save(folder / "0.png")
    model = tiny_model(tmp_path / "tiny")
    given = ["--pictures", str(folder), "--model", str(model), "--side", "96", "--rows", "1", "--every", "1"]
    upscaler_crops.main([*given, "--out", str(tmp_path / "crops.png")])
    assert capsys.readouterr().out.strip().endswith(f"bicubic, {model}, the original")
    sheet = np.asarray(Image.open(tmp_path / "crops.png")).astype(float)
    assert sheet.shape == (96, 3 * 96 + 2 * 2, 3)
    shown = [sheet[:, i * 98 : i * 98 + 96] for i in range(3)]
    assert np.abs(shown[2] - 90).mean() > 20
    for way in shown[:2]:  # and not a pixel beside it
        there, beside = (np.abs(way - np.roll(shown[2], n, 1))[8:-8, 8:-8].mean() for n in (0, 4))
        assert there < beside
