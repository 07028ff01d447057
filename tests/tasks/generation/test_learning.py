"""Does it learn? Real games, played for seconds; and a collapse is told from a success."""

import pytest
import torch
from benchmarks.gaussians import Recipe, play, real_points, score

import impasto
from impasto.image.codec import to_tensor
from impasto.metrics.distances import kernel_distance
from impasto.metrics.diversity import density_coverage


def test_the_default_game_finds_nine_gaussians_and_a_collapse_is_counted():
    points, _ = play(3, Recipe(steps=600), seed=0)
    assert score(3, points)["full_modes"] == 9
    assert score(3, points)["good"] > 0.5
    real = real_points(3, 2500, torch.Generator().manual_seed(9))
    found = density_coverage(real, points).coverage
    collapsed = points[:1] + 0.01 * torch.randn(2500, 2, generator=torch.Generator().manual_seed(8))
    assert score(3, collapsed)["modes"] <= 1
    assert density_coverage(real, collapsed).coverage < 0.25 * found


@pytest.mark.slow
def test_the_default_game_finds_twenty_five_gaussians():
    found = score(5, play(5, Recipe(), seed=0)[0])
    assert found["full_modes"] == 25
    assert found["good"] >= 0.85


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        (
            "mlp",
            {"model.hidden": [128, 256], "optimizer.generator_lr": 1e-3, "optimizer.discriminator_lr": 1e-3},
        ),
        (
            "dcgan",
            {"model.base_channels": 16, "optimizer.generator_lr": 5e-4, "optimizer.discriminator_lr": 5e-4},
        ),
        pytest.param(
            "r3gan",
            {
                "model.generator_channels": 16,
                "model.discriminator_channels": 16,
                "optimizer.generator_lr": 1e-3,
                "optimizer.discriminator_lr": 1e-3,
            },
            marks=pytest.mark.slow,
        ),
        (
            "default",
            {
                "model.generator_channels": 8,
                "model.max_channels": 32,
                "model.pyramid_px": 32,
                "model.head_channels": 16,
                "ema.halflife_images": 500,
            },
        ),
    ],
)
def test_every_preset_learns_drawings(shapes, tmp_path, preset, settings):
    """Measured in plain pixels, where no network can be fooled; narrow networks, so that it takes seconds."""
    common = {
        "image.size": 16,
        "train.batch_size": 32,
        "train.evaluate_samples": 16,
        "train.precision": "float32",
        "train.device": "cpu",
    }
    config = impasto.load_config(preset, {**common, **settings})
    real = _pixels(impasto.open_folder(shapes, config.data, config.image, seed=0).train_array())

    def made_after(images):
        impasto.train(
            shapes, tmp_path, preset=preset, images=images, resume=True, overrides={**common, **settings}
        )
        return _pixels(impasto.load(tmp_path / "last").render(range(96)))

    untrained, late = made_after(64), made_after(4800)
    # `default` reaches .029 to .047, with seven seeds; with the energy's sign turned .098 to .172, without
    # the energy .095 to .291. A discriminator that never learns is not seen here: .023.
    share = 0.07 if preset == "default" else 0.25
    assert kernel_distance(real, late) < share * kernel_distance(real, untrained)
    if preset in ("r3gan", "default"):  # the textbook may collapse; these may not
        # The kernel does not see variety: the mean of all drawings scores 0.002. One picture, however good,
        # lies in about k = 5 of the 80 balls, in the thick of them in twice as many.
        covered = density_coverage(real, late).coverage
        assert covered > (0.2 if preset == "default" else 0.3)  # seven seeds: .28 to .44
        assert covered > 2 * density_coverage(real, late[:1].expand(96, -1)).coverage


def _pixels(pictures):
    return to_tensor(pictures)[:, :, ::4, ::4].flatten(1)
