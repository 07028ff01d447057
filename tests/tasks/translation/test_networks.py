"""Translators and their discriminators: sizes, latents, and what dropout follows from."""

import pytest
import torch

from impasto.config.reading import load_config
from impasto.tasks.translation.learner import latent_of
from impasto.tasks.translation.networks import build_discriminator, build_translator

LABELS = [{"name": name, "colour": colour} for name, colour in (("a", "#000000"), ("b", "#ffffff"))]
CONFIGS = {
    "translate": {"model.channels": 8, "model.max_channels": 16, "model.halvings": 3, "image.size": 64},
    "pix2pix": {"model.channels": 8, "image.size": 64},
}


def built(preset, build=build_translator, labels=LABELS, **more):
    torch.manual_seed(0)
    return build(load_config(preset, CONFIGS[preset] | {"layout.labels": labels} | more)).eval()


@pytest.mark.parametrize("preset", CONFIGS)
@pytest.mark.parametrize("labels", [LABELS, []], ids=["labels", "pictures"])
def test_any_multiple_is_translated(preset, labels):
    G = built(preset, labels=labels)
    layout = torch.rand(2, 2 if labels else 3, G.multiple * 2, G.multiple)
    z = torch.cat([latent_of(seed, G) for seed in (0, 1)])
    with torch.no_grad():
        made = G(layout, z)
        assert made.shape == (2, 3, G.multiple * 2, G.multiple)
        assert made.abs().max() <= 1
        assert torch.equal(G(layout, z), made)
        torch.testing.assert_close(G(layout[1:], z[1:]), made[1:], atol=1e-5, rtol=0)
        assert (G(layout, z.flip(0)) - made).abs().mean() > 1e-3


def test_the_encoder_gives_a_latent_of_any_size():
    G = built("translate")
    for size in ((32, 48), (128, 130)):
        mean, log_variance = G.encode(torch.rand(2, 3, *size))
        assert mean.shape == log_variance.shape == (2, 16)


@pytest.mark.parametrize("preset", CONFIGS)
def test_the_discriminator_judges_patches(preset):
    D = built(preset, build_discriminator)
    pairs = torch.rand(2, 5, 64, 64)
    logits, maps = D.both(pairs)
    assert logits.ndim == 2
    assert len(logits) == 2
    assert bool(maps) == (preset == "translate")
    torch.testing.assert_close(D(pairs), logits)
    other = pairs.clone()
    other[:, 3:] = 1 - other[:, 3:]
    assert not torch.allclose(D(other), logits)  # it looks at the layout too


def test_pix2pix_of_256_px_is_the_published_one():
    cfg = load_config("pix2pix", {"layout.kind": "picture"})
    with torch.device("meta"):
        G, D = build_translator(cfg), build_discriminator(cfg)
    assert sum(p.numel() for p in G.parameters()) == pytest.approx(54.4e6, rel=0.01)
    assert sum(p.numel() for p in D.parameters()) == pytest.approx(2.77e6, rel=0.01)
