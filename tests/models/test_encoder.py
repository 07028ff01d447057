"""Pictures -> latents: normal over the fitted pictures, and well-behaved where there is little to fit."""

import pytest
import torch

from impasto.models.encoder import Encoder


def some(count, seed=0):
    """Thumbnails (count, 768) of few degrees of freedom, and contents (count, 1600) that depend on them."""
    rng = torch.Generator().manual_seed(seed)
    basis = torch.randn(30, 768, generator=torch.Generator().manual_seed(99)) * 0.1
    deeper = torch.randn(60, 1600, generator=torch.Generator().manual_seed(98))
    causes = torch.rand(count, 60, generator=rng) - 0.5  # uniform: nothing Gaussian to begin with
    return causes[:, :30] @ basis, causes @ deeper


def test_latents_of_the_fitted_pictures_are_normal():
    thumbnails, contents = some(400)
    encoder = Encoder(thumbnails, contents, 20, 10)
    z = encoder.encode(thumbnails, contents)
    assert z.shape == (400, encoder.dims) == (400, 30)
    assert z.mean(0).abs().max() < 1e-3
    assert z.var(0).tolist() == pytest.approx([1.0] * 30, abs=0.03)
    assert (z.pow(4).mean(0) - 3).abs().max() < 0.4  # kurtosis: 3 but for the tails beyond 400 ranks
    correlation = torch.corrcoef(z.T) - torch.eye(30)
    assert correlation.abs().max() < 0.1  # decorrelated before they were made normal


def test_new_pictures_have_about_the_same_latents():
    encoder = Encoder(*some(800), 20, 10)
    z = encoder.encode(*some(400, seed=1))
    assert torch.isfinite(z).all()
    assert z.mean(0).abs().max() < 0.25
    assert (z.var(0) - 1).abs().max() < 0.35
    far = encoder.encode(100 * torch.ones(1, 768), 100 * torch.ones(1, 1600))
    assert far.abs().max() < 4  # a rank has an end


def test_it_is_deterministic_and_each_picture_is_its_own():
    thumbnails, contents = some(64)
    first, again = (Encoder(thumbnails, contents, 8, 8) for _ in range(2))
    z = first.encode(thumbnails, contents)
    assert torch.equal(again.encode(thumbnails, contents), z)
    torch.testing.assert_close(first.encode(thumbnails[5:6], contents[5:6])[0], z[5], atol=0.1, rtol=0)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first.encode(thumbnails[order], contents[order]), z[order], atol=0.1, rtol=0)


def test_pictures_and_their_maps_give_the_same():
    images = torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    maps = [torch.randn(24, 320, 2, 2, generator=torch.Generator().manual_seed(1))]
    from impasto.models.pyramid import content, thumbnail

    encoder = Encoder(thumbnail(images, 16), content(maps), 8, 8)
    expected = encoder.encode(thumbnail(images, 16), content(maps))
    assert torch.equal(encoder(images, maps), expected)


def test_fewer_pictures_than_components():
    thumbnails, contents = some(16)
    encoder = Encoder(thumbnails, contents, 64, 32)
    # The thumbnails of 16 pictures tell them apart: what their contents add is rounding.
    assert encoder.dims == 15
    z = encoder.encode(thumbnails, contents)
    assert torch.isfinite(z).all()
    assert z.mean(0).abs().max() < 0.05


def test_no_component_says_what_another_one_says():
    thumbnails, _ = some(200)
    contents = thumbnails @ torch.randn(768, 1600, generator=torch.Generator().manual_seed(5))
    encoder = Encoder(thumbnails, contents, 40, 32)
    assert encoder.dims == 30  # the thumbnails' degrees of freedom


@pytest.mark.parametrize("value", [0.0, 0.3, -1.0])
def test_one_picture_repeated_is_described_by_nothing(value):
    thumbnails = torch.full((40, 768), value)
    contents = torch.full((40, 1600), 7 * value)
    encoder = Encoder(thumbnails, contents, 64, 32)
    assert encoder.dims == 0
    assert encoder.encode(thumbnails, contents).shape == (40, 0)


def test_duplicates_share_a_latent():
    thumbnails, contents = (x.repeat_interleave(4, 0) for x in some(20))
    encoder = Encoder(thumbnails, contents, 8, 8)
    z = encoder.encode(thumbnails, contents).reshape(20, 4, -1)
    assert (z - z[:, :1]).abs().max() < 0.3  # up to the order among equals
    assert torch.isfinite(z).all()
