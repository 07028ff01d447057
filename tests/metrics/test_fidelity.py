"""PSNR, SSIM and the distance in features, against hand-made values, a library and the papers' figure."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.functional.image import structural_similarity_index_measure as their_ssim

from impasto.image.codec import to_tensor
from impasto.metrics.fidelity import feature_distance, luma, psnr, shaved, ssim, texture_and_structure
from impasto.nn.features import FeatureMaps


def noise(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_luma_of_black_white_and_green():
    for value, expected in ((-1.0, 16.0), (1.0, 235.0)):
        assert luma(torch.full((1, 3, 2, 2), value)) == pytest.approx(expected)
    green = torch.tensor([-1.0, 1.0, -1.0]).view(1, 3, 1, 1)
    assert luma(green) == pytest.approx(16 + 128.553)
    assert luma(torch.full((1, 1, 2, 2), 1.0)) == pytest.approx(235)


def test_luma_rounds_to_what_a_file_holds():
    assert torch.equal(luma(torch.full((1, 3, 1, 1), 0.0001)), luma(torch.full((1, 3, 1, 1), 0.5 / 127.5)))


def test_psnr_by_hand():
    zero = torch.zeros(1, 1, 4, 4)
    assert psnr(zero, zero + 255) == pytest.approx(0)
    assert psnr(zero, zero + 25.5) == pytest.approx(20)
    assert math.isinf(psnr(zero, zero))


def test_ssim_is_the_librarys():
    first, second = (luma(noise(n, 2, 3, 32, 40)) for n in (0, 1))
    mixed = 0.7 * first + 0.3 * second
    options = {"sigma": 1.5, "kernel_size": 11, "data_range": 255.0, "return_full_image": True}
    _, theirs = their_ssim(mixed, first, **options)
    inner = theirs[..., 5:-5, 5:-5].mean((1, 2, 3))  # the rest of its windows reach into padding
    torch.testing.assert_close(ssim(mixed, first), inner.double(), rtol=1e-4, atol=1e-4)
    assert ssim(first, first) == pytest.approx(1)
    assert (ssim(second, first) < ssim(mixed, first)).all()


def test_one_sharp_picture_serves_many():
    net = FeatureMaps()
    made, meant = noise(0, 3, 3, 48, 40), noise(1, 1, 3, 48, 40)
    with torch.no_grad():
        y, y_meant = luma(made), luma(meant)
        for measure in (psnr, ssim):
            alone = torch.cat([measure(y[i : i + 1], y_meant) for i in range(3)])
            torch.testing.assert_close(measure(y, y_meant), alone)
            torch.testing.assert_close(measure(y, y_meant.expand(3, -1, -1, -1)), alone)
        for i, found in enumerate(texture_and_structure(net, made, meant)):
            alone = torch.cat([texture_and_structure(net, made[k : k + 1], meant)[i] for k in range(3)])
            torch.testing.assert_close(found, alone)
            pairs = texture_and_structure(net, made, meant.expand(3, -1, -1, -1))[i]
            torch.testing.assert_close(found, pairs, rtol=1e-4, atol=1e-6)


def test_ssim_is_that_of_a_convolution():
    """As it was computed before: the same figures to the last printed digit, and far beyond."""
    first, second = (luma(noise(n, 1, 3, 33, 47)) for n in (4, 5))
    x, y = first, 0.6 * first + 0.4 * second
    line = torch.exp(-0.5 * ((torch.arange(11, dtype=torch.float64) - 5) / 1.5) ** 2)
    window = torch.outer(line, line)[None, None] / line.sum() ** 2
    mean_x, mean_y, xx, yy, xy = (
        torch.nn.functional.conv2d(picture, window) for picture in (x, y, x * x, y * y, x * y)
    )
    small, smaller = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_x * mean_y + small) * (2 * (xy - mean_x * mean_y) + smaller)
    below = (mean_x**2 + mean_y**2 + small) * (xx - mean_x**2 + yy - mean_y**2 + smaller)
    assert float(ssim(x, y)) == pytest.approx(float((top / below).mean()), abs=1e-10)


def test_texture_and_structure_are_those_of_whole_maps_in_double():
    net = FeatureMaps()
    made, meant = noise(0, 1, 3, 200, 120), 0.5 * noise(1, 1, 3, 200, 120)
    textures, structures = [], []
    with torch.no_grad():
        for a, b in zip(net(made), net(meant), strict=True):
            a, b = a.double().flatten(2)[0], b.double().flatten(2)[0]
            mean_a, mean_b = a.mean(1), b.mean(1)
            covariance = (a * b).mean(1) - mean_a * mean_b
            variances = a.var(1, correction=0) + b.var(1, correction=0)
            textures.append(1 - ((2 * mean_a * mean_b + 1e-6) / (mean_a**2 + mean_b**2 + 1e-6)).mean())
            structures.append(1 - ((2 * covariance + 1e-6) / (variances + 1e-6)).mean())
        texture, structure = texture_and_structure(net, made, meant)
    assert float(texture) == pytest.approx(float(sum(textures) / 4), abs=1e-9)
    assert float(structure) == pytest.approx(float(sum(structures) / 4), abs=1e-9)


def test_shaved():
    assert shaved(torch.zeros(1, 3, 10, 12), 4).shape == (1, 3, 2, 4)
    with pytest.raises(ValueError, match="lose all"):
        shaved(torch.zeros(1, 3, 8, 12), 4)


def test_feature_distance_orders_pictures():
    net = FeatureMaps()
    picture = torch.nn.functional.interpolate(noise(0, 1, 3, 12, 12), size=(96, 96), mode="bicubic").clamp(
        -1, 1
    )
    little, much = ((picture + s * noise(1, 1, 3, 96, 96)).clamp(-1, 1) for s in (0.05, 0.5))
    with torch.no_grad():
        found = [float(feature_distance(net, picture, other)) for other in (picture, little, much)]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[0] < found[1] < found[2]


def test_texture_and_structure_by_hand():
    class Maps:
        def __call__(self, images):
            return [images[:, :1]]

    a = torch.tensor([1.0, 3.0, 1.0, 3.0]).view(1, 1, 2, 2)
    b = torch.tensor([3.0, 1.0, 3.0, 1.0]).view(1, 1, 2, 2)
    texture, structure = texture_and_structure(Maps(), a, b)  # the same things at other places
    assert float(texture) == pytest.approx(0, abs=1e-6)
    assert float(structure) == pytest.approx(2, abs=1e-5)
    texture, structure = texture_and_structure(Maps(), a, 2 * a)
    assert float(texture) == pytest.approx(1 - 2 * 2 * 4 / (4 + 16))
    assert float(structure) == pytest.approx(1 - 2 * 2 / (1 + 4), abs=1e-5)


def test_moved_texture_is_not_far_and_blurred_texture_is():
    """What a distance of pixels, or of features place by place, gets wrong."""
    net = FeatureMaps()
    grain = (0.5 * noise(3, 1, 3, 128, 128)).clamp(-1, 1)
    moved = grain.roll(5, 3)
    blurred = torch.nn.functional.avg_pool2d(grain, 5, stride=1, padding=2)
    with torch.no_grad():
        texture = [float(texture_and_structure(net, other, grain)[0]) for other in (moved, blurred)]
    assert texture[0] < 0.3 * texture[1]
    assert (moved - grain).abs().mean() > (blurred - grain).abs().mean()


@pytest.mark.realdata
def test_bicubic_on_set5_is_the_published_figure(realdata):
    found = []
    for path in sorted((realdata / "sr" / "set5").glob("*.png")):
        with Image.open(path) as picture:
            sharp = picture.convert("RGB")
        width, height = (side - side % 4 for side in sharp.size)
        sharp = sharp.crop((0, 0, width, height))
        low = sharp.resize((width // 4, height // 4), Image.Resampling.BICUBIC)
        back = low.resize((width, height), Image.Resampling.BICUBIC)
        pair = [luma(shaved(to_tensor(np.array(p)[None]), 4)) for p in (back, sharp)]
        found.append(float(psnr(*pair)))
    assert sum(found) / len(found) == pytest.approx(28.43, abs=0.01)
