"""What every generator and discriminator must satisfy."""

import pytest
import torch

from impasto.config.reading import load_config
from impasto.errors import ConfigError
from impasto.tasks.generation.discriminator import seen_shape
from impasto.tasks.generation.networks import build_discriminator, build_generator
from tests.old_models import old_model

PRESETS = ["mlp", "dcgan", "r3gan", "default"]
SIZES = [16, 32, 64, 128, 256]


def networks(preset, size=32, channels=3, **settings):
    small = {
        "mlp": {"model.hidden": [32]},
        "dcgan": {"model.base_channels": 2},
        "r3gan": {
            "model.generator_channels": 4,
            "model.discriminator_channels": 4,
            "model.max_channels": 8,
        },
        "default": {
            "model.generator_channels": 4,
            "model.max_channels": 16,
            "model.pyramid_px": 32,
            "model.head_channels": 8,
        },
    }
    cfg = load_config(preset, {"image.size": size, "image.channels": channels, **small[preset], **settings})
    torch.manual_seed(0)
    return build_generator(cfg.model, cfg.image), build_discriminator(cfg.model, cfg.image)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("preset", PRESETS)
def test_shapes_and_probability(preset, size, channels):
    G, D = networks(preset, size, channels)
    images = G(G.sample_latents(2, torch.Generator().manual_seed(0)))
    assert images.shape == (2, channels, size, size)
    assert images.std() < 1.5  # a fresh generator starts near the range of pictures
    heads = (4 + 4 + 4 + 1 + 1,) if preset == "default" else ()  # of the pixels and of the maps of 32 px
    assert D(images).shape == (2, *heads)
    probability = D.probability(images * 100)
    assert probability.shape == (2,)
    assert ((probability >= 0) & (probability <= 1)).all()


SHAPES = {  # and the cells that growing begins with
    (16, 24): (4, 6),
    (64, 40): (8, 5),
    (64, 96): (4, 6),
    (96, 96): (6, 6),
    (72, 104): (5, 7),  # come to 80 x 112: the middle is taken
    (16, 256): (4, 64),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_need_not_be_square(shape):
    height, width = shape
    G, D = networks("default", height, **{"image.width": width})
    G.eval(), D.eval()
    assert G.cells == SHAPES[shape]
    assert G.levels[0] == 4
    with torch.no_grad():
        images = G(G.sample_latents(2, torch.Generator().manual_seed(0)))
        logits = D(images)
        rows = D.features(D.pyramid(images), images)
        torch.testing.assert_close(D(rows), D(images), rtol=1e-3, atol=1e-3)
    assert images.shape == (2, 3, height, width)
    assert logits.shape[0] == 2
    assert logits.shape[1] > 5


def test_the_middle_is_taken_of_what_grows_beyond_the_picture():
    G, _ = networks("default", 72, **{"image.width": 104})
    z = G.sample_latents(1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        part = G(z)
        G.drawn = (80, 112)
        whole = G(z)
    assert torch.equal(part, whole[:, :, 4:76, 4:108])


@pytest.mark.parametrize(
    ("shape", "asked", "seen"),
    [
        ((16, 16), None, (64, 64)),
        ((96, 96), None, (96, 96)),
        ((256, 256), None, (128, 128)),
        ((64, 64), 100, (100, 100)),
        ((64, 96), None, (64, 96)),
        ((32, 48), None, (56, 80)),
        ((256, 128), None, (184, 88)),
        ((16, 24), 32, (24, 40)),
        ((16, 256), None, (16, 256)),
    ],
)
def test_the_frozen_network_sees_the_shape_with_as_many_pixels_as_a_square(shape, asked, seen):
    assert seen_shape(shape, asked) == seen


@pytest.mark.parametrize("preset", ["mlp", "dcgan"])
def test_textbook_generators_end_in_tanh(preset):
    G, _ = networks(preset)
    z = 50 * G.sample_latents(8, torch.Generator().manual_seed(0))
    assert G(z).abs().max() <= 1


@pytest.mark.parametrize(("preset", "width"), [*((preset, None) for preset in PRESETS), ("default", 48)])
def test_every_weight_gets_a_gradient_in_both_roles(preset, width):
    G, D = networks(preset, **{"image.width": width})
    z = G.sample_latents(4, torch.Generator().manual_seed(0))
    for parameter in (*G.parameters(), *D.parameters()):
        torch.nn.init.normal_(parameter, 0.0, 0.1)  # layers that start silent would hide those before them
    D(G(z)).square().sum().backward()
    for network in (G, D):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("preset", PRESETS)
def test_a_picture_does_not_depend_on_its_batch(preset):
    G, D = networks(preset)
    G.eval(), D.eval()
    z = G.sample_latents(8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, alone = G(z), G(z[3:4])
        assert torch.allclose(together[3:4], alone, atol=1e-5)
        assert torch.allclose(D(together)[3:4], D(alone), atol=1e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_latents_follow_the_prior_and_the_seed(preset):
    normal, _ = networks(preset)
    draw = lambda g, seed: g.sample_latents(4000, torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(normal, 5), draw(normal, 5))
    assert not torch.equal(draw(normal, 5), draw(normal, 6))
    assert draw(normal, 5).std() == pytest.approx(1.0, abs=0.01)
    if preset == "default":  # it knows no other
        return
    uniform, _ = networks(preset, **{"model.prior": "uniform"})
    assert draw(uniform, 5).abs().max() <= 1
    assert draw(uniform, 5).std() == pytest.approx(3**-0.5, abs=0.01)


def test_the_prior_of_version_0_1_lies_around_its_exemplars():
    _, G = old_model(16, **{"image.size": 16})
    z = G.sample_latents(8000, torch.Generator().manual_seed(2))
    known, free = z[:, :24], z[:, 24:]
    rest = (known[:, None] - (1 - 0.3**2) ** 0.5 * G.exemplars[:, :24]).square().sum(2)  # the nearest's noise
    assert rest.amin(1).mean() == pytest.approx(24 * 0.3**2, rel=0.15)
    counts = rest.argmin(1).bincount(minlength=16) / len(z)
    assert counts.min() > 0.03
    assert counts.max() < 0.11
    assert free.std() == pytest.approx(1.0, abs=0.01)


def test_the_textbook_networks_are_the_textbooks():
    G, D = networks("dcgan", size=64)
    kinds = [type(m).__name__ for m in G.modules() if not list(m.children())]
    assert kinds[0] == "Linear"
    assert kinds[-2:] == ["ConvTranspose2d", "Tanh"]
    assert kinds.count("ConvTranspose2d") == 4
    assert kinds.count("BatchNorm2d") == kinds.count("ReLU") == 4
    kinds = [type(m).__name__ for m in D.modules() if not list(m.children())]
    assert kinds.count("Conv2d") == kinds.count("AvgPool2d") == 4
    assert kinds[-1] == "Linear"


def test_r3gan_has_no_normalisation_and_is_narrow_at_full_size():
    G, D = networks("r3gan", size=64)
    for network in (G, D):
        assert not any("Norm" in type(m).__name__ for m in network.modules())
    widths = []
    for module in G.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda m, i, o: widths.append(o.shape[1]) if o.shape[-1] == 64 else None
            )
    G(G.sample_latents(1, torch.Generator().manual_seed(0)))
    assert widths == [2, 3]


def test_the_frozen_network_is_no_part_of_a_projected_discriminator():
    _, D = networks("default")
    for tensors in (D.state_dict(), dict(D.named_parameters()), dict(D.named_buffers())):
        assert not any("pyramid" in name for name in tensors)
    frozen = {id(p) for p in D.pyramid.parameters()}
    assert frozen
    assert not frozen & {id(p) for p in D.parameters()}
    weights = {name: t for name, t in D.state_dict().items() if not name.startswith("compared.")}
    assert sum(t.numel() for t in weights.values()) < 100_000
    D.to(torch.float64)  # ... but it follows the discriminator
    assert next(D.pyramid.parameters()).dtype == torch.float64


def test_a_projected_discriminator_takes_features_and_latents_too():
    G, D = networks("default", **{"model.themes": ["a", "b"]})
    D.eval()
    z, other = torch.randn(2, 3, G.latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        images = G(z)
        assert torch.equal(D(D.features(D.pyramid(images), images)), D(images))
        assert not torch.equal(D(images, z), D(images, other))
        other[:, :2] = z[:, :2]  # what is no theme is none of its business
        assert torch.equal(D(images, z), D(images, other))
        # Linear in the latent: the mean over a latent and its opposite is what it says without one.
        both = (D(images, z) + D(images, -z)) / 2
    torch.testing.assert_close(both, D(images), rtol=1e-4, atol=1e-4)


def test_calibrated_maps_have_unit_deviation():
    _, D = networks("default")
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        maps = D.pyramid(images)
        D.calibrate(maps)
        scaled = [m * unit for m, unit in zip(maps, D.units, strict=True)]
        mixed = [mix(m) * s for mix, m, s in zip(D.mix_channels, scaled, D.scales, strict=True)]
        features = D.features(maps, images)
    assert [float(m.std()) for m in mixed] == pytest.approx([1.0] * 4, rel=1e-3)
    assert features.shape == (8, sum(m[0].numel() for m in maps) + images[0].numel())
    # Maps first, in unit mean square; the pixels as they are.
    assert float(features[:, : -images[0].numel()].square().mean()) == pytest.approx(1.0, rel=1e-3)
    assert torch.equal(features[:, -images[0].numel() :], images.permute(0, 2, 3, 1).flatten(1))


def test_a_projected_discriminator_sees_what_the_frozen_network_does_not():
    """Pixels have a head of their own: colours and fine patterns are nearly nothing to the deep maps."""
    _, D = networks("default")
    D.eval()  # or every look moves the spectral norms
    images = torch.zeros(2, 3, 32, 32)
    with torch.no_grad():
        features = D.features(D.pyramid(images), images)
        painted = features.clone()
        painted[:, -images[0].numel() :] += 0.5
        moved = (D(painted) - D(features)).abs().amax(0)
    assert (moved > 0).any()
    assert not (moved > 0).all()


def test_a_model_of_version_0_1_that_had_not_grown_up_leaves_the_finest_out():
    _, G = old_model(**{"image.size": 32})
    z = G.sample_latents(2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = G(z)
        G.resolution.fill_(8)
        coarse = G(z)
    assert coarse.shape == whole.shape == (2, 3, 32, 32)
    busy = [(x[..., 1:] - x[..., :-1]).square().mean() for x in (whole, coarse)]
    assert busy[1] < busy[0]


def test_none_of_version_0_1_is_trained():
    config, _ = old_model(**{"image.size": 16})
    with pytest.raises(ConfigError, match="redraw their training pictures"):
        build_discriminator(config.model, config.image)
