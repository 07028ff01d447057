"""Translators in training: what they learn, resuming, held-out pairs, and what a run leaves behind."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import impasto
from impasto.data.layouts import parse_labels
from impasto.errors import CheckpointError, ConfigError, InputError
from impasto.tasks import load_model
from impasto.tasks.translation.learner import latent_of, layout_tensor
from impasto.tasks.translation.networks import saved_translator
from tests.small_translation import COLOURS, SMALL, TRANSLATE, draw_pairs, train

PRESETS = ["translate", "pix2pix"]
RARELY = {"train.evaluate_every_images": 450, "train.snapshot_every_images": 450}
LEARNS = {"model.channels": 12, "optimizer.generator_lr": 2e-3, **RARELY}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return draw_pairs(tmp_path_factory.mktemp("pairs"))


def network_of(run):
    weights, info = load_model(run / "last")
    network = saved_translator(info.config)
    network.load_state_dict(weights)
    return network.eval(), info.config


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_leaves_a_model_with_its_labels(pairs, tmp_path, preset):
    run = train(pairs, tmp_path / "run", preset, images=64)
    assert (run.task, run.reason.condition) == ("translation", "images")
    card = json.loads((tmp_path / "run" / "last" / "model.json").read_text())
    assert {label["colour"] for label in card["config"]["layout"]["labels"]} == set(COLOURS.values())
    assert len(card["data"]["holdout"]) == 4
    assert card["metrics"]["hold-out pairs"] == 4
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    measured = [e for e in events if e["event"] == "measured"]
    assert [e["images_seen"] for e in measured] == [32, 64]
    assert measured[-1]["figures"]["to_another"] > 0
    assert (tmp_path / "run" / "samples" / "0000000064.png").is_file()
    assert "translator" in (tmp_path / "run" / "last" / "README.md").read_text()
    for load in (impasto.load, impasto.load_upscaler):
        with pytest.raises(InputError, match="translates layouts into pictures") as error:
            load(tmp_path / "run")
        assert "impasto translate" in error.value.hint


@pytest.mark.parametrize("preset", PRESETS)
def test_resuming_is_a_theorem(pairs, tmp_path, preset):
    train(pairs, tmp_path / "whole", preset, images=48)
    train(pairs, tmp_path / "parts", preset, images=24)
    train(pairs, tmp_path / "parts", None, images=48, resume=True)
    whole, parts = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_it_learns_a_drawn_task(tmp_path):
    """Some seconds: on layouts that it never saw, windows become blue and walls red stripes."""
    run = train(draw_pairs(tmp_path, 40), tmp_path / "run", images=900, overrides=LEARNS)
    network, config = network_of(tmp_path / "run")
    fresh = draw_pairs(tmp_path / "fresh", 12, seed=9)
    data, _ = impasto_pairs(fresh, config)
    rows = data.pixels.take(np.arange(len(data.names)))
    layout = layout_tensor(rows[..., :-3], config.layout)
    with torch.no_grad():
        made = network(layout, latent_of(0, network).expand(len(layout), -1))
    real = torch.from_numpy(rows[..., -3:]).permute(0, 3, 1, 2) / 127.5 - 1
    error = float((made - real).abs().mean())
    plain = float((real - real.mean((0, 2, 3), keepdim=True)).abs().mean())
    assert error < 0.45 * plain
    assert run.evaluations[-1]["figures"]["KID-lite0 to the hold-out"] < run.evaluations[0]["distance"]


def impasto_pairs(folder, config):
    from impasto.data.layouts import open_layouts

    data = config.data.model_copy(update={"holdout_min_pictures": 2})
    layout = config.layout.model_copy(update={"jitter": 0.0})
    return open_layouts(folder / "layouts", folder / "pictures", data, config.image, layout, seed=0)


def test_labels_can_be_named_and_are_kept_in_order(pairs, tmp_path):
    named = parse_labels("window=#FFEE00, wall=#0000aa")
    train(pairs, tmp_path / "run", images=8, labels=named)
    _, config = network_of(tmp_path / "run")
    assert [(label.name, label.colour) for label in config.layout.labels] == [
        ("window", "#ffee00"),
        ("wall", "#0000aa"),
    ]
    (tmp_path / "labels.json").write_text(json.dumps(COLOURS))
    assert parse_labels(str(tmp_path / "labels.json")) == COLOURS
    for wrong in ("wall", "wall=blue", "", "a=#000000,a=#ffffff", str(tmp_path / "none.json")):
        with pytest.raises(InputError):
            parse_labels(wrong)


def test_it_begins_with_a_model_of_the_same_labels(pairs, tmp_path):
    train(pairs, tmp_path / "first", images=8)
    begun = {"train.begin_with": str(tmp_path / "first"), "optimizer.generator_lr": 1e-9}
    train(pairs, tmp_path / "second", images=8, overrides=begun)
    first, second = (load_file(tmp_path / n / "last" / "model.safetensors") for n in ("first", "second"))
    weights = [key for key in first if "running" not in key and "num_batches" not in key]
    torch.testing.assert_close(*({k: t[k] for k in weights} for t in (first, second)), atol=1e-5, rtol=0)
    others = draw_pairs(tmp_path / "others", colours={"a": "#00ff00", "b": "#ff00ff"})
    with pytest.raises(CheckpointError, match="other labels"):
        train(others, tmp_path / "third", images=8, overrides=begun)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image.size": 40}, "multiple of 16"),
        ({"data.fit": "letterbox"}, "pairs need data.fit"),
        ({"model.halvings": 6}, "cannot be halved"),
        ({"train.parts": 2}, "for generators"),
        ({"train.discriminator_steps": 2}, "must be 1"),
    ],
)
def test_settings_that_do_not_suit(pairs, tmp_path, settings, words):
    with pytest.raises(ConfigError, match=words):
        impasto.load_config("translate", SMALL | TRANSLATE | settings)


def test_pairs_are_asked_for(pairs, tmp_path):
    with pytest.raises(InputError, match="to which pictures do these layouts belong"):
        impasto.train(pairs / "layouts", tmp_path / "run", preset="translate", overrides=SMALL | TRANSLATE)
    with pytest.raises(InputError, match="pairs are for upscalers and translators"):
        impasto.train(pairs / "layouts", tmp_path / "run", pairs=pairs / "pictures", preset="dcgan")
