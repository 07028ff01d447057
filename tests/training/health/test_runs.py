"""Runs that are made ill on purpose: what is wrong is named, within a stated number of images, and repaired
or ended. And runs that are well: nobody is alarmed.
"""

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

import impasto
from impasto.config.reading import load_config
from impasto.errors import TrainingError
from impasto.tasks.generation import learner
from impasto.tasks.generation.evaluator import Signs
from impasto.training import state as states
from impasto.training.engine import Engine
from impasto.training.health import diagnosis, repairs, statistics
from impasto.training.health.report import check_up
from impasto.training.logging import events
from tests.small_runs import NETWORKS, SMALL

QUICK = {**SMALL, "train.batch_size": 16, "train.snapshot_every_images": 10_000}


def train(folder, out, preset="r3gan", **more):
    """A small run: (what came of it or the error, its events)."""
    seen = []
    overrides = {**QUICK, **NETWORKS[preset], **more.pop("overrides", {})}
    sinks = [seen.append, *more.pop("sinks", [])]
    try:
        return impasto.train(folder, out, preset=preset, overrides=overrides, sinks=sinks, **more), seen
    except TrainingError as error:
        return error, seen


def of(kind, seen):
    return [e for e in seen if isinstance(e, kind)]


def state_of(out):
    from impasto.training.checkpoints import load_state

    return load_state(out / "state.safetensors")[1]


def at(images, action):
    """Patch the engine so that `action(engine)` happens once, before the step at `images` images."""
    step, done = Engine._step, []

    def stepped(self):
        if self.state.images_seen == images and not done:
            done.append(True)
            action(self)
        return step(self)

    return stepped


def poison(engine):
    with torch.no_grad():
        next(iter(engine.state.generator.parameters())).fill_(float("nan"))


@pytest.fixture
def poisoned_at_240(monkeypatch):
    monkeypatch.setattr(Engine, "_step", at(240, poison))


def test_a_nan_is_found_in_one_step_and_healed(shapes, tmp_path, poisoned_at_240):
    run, seen = train(shapes, tmp_path / "run", images=400, overrides={"train.evaluate_every_images": 160})
    assert run.reason.condition == "images"
    assert run.images_seen == 400
    (verdict,) = of(events.Verdict, seen)
    assert (verdict.kind, verdict.severity, verdict.images_seen) == ("divergence", "trouble", 256)
    (repaired,) = of(events.Repaired, seen)
    assert (repaired.rolled_back_from, repaired.rolled_back_to) == (256, 160)
    assert (repaired.changed, repaired.before, repaired.after) == ("learning rates", 1.0, 0.5)
    weights = load_file(tmp_path / "run" / "state.safetensors")
    assert all(torch.isfinite(t).all() for t in weights.values())
    assert state_of(tmp_path / "run")["vitals"]["finite"]
    assert [e["images_seen"] for e in run.evaluations] == [160, 320, 400]


def test_the_repair_is_on_record(shapes, tmp_path, poisoned_at_240):
    train(shapes, tmp_path / "run", images=400, overrides={"train.evaluate_every_images": 160})
    found = check_up(tmp_path / "run")
    assert [r["event"] for r in found.history] == ["verdict", "repaired"]
    assert found.state in ("healthy", "notice")  # nothing stands; so early little may be covered
    assert not found.standing
    lines = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert lines[-1]["event"] == "stopped"


def test_half_the_learning_rate_is_what_the_optimizer_gets(shapes, tmp_path, poisoned_at_240, monkeypatch):
    rates = {}
    step = Engine._step

    def noting(self):
        stats = step(self)
        rates.setdefault(len(self.state.repairs), self.state.generator_optimizer.param_groups[0]["lr"])
        return stats

    monkeypatch.setattr(Engine, "_step", noting)
    train(shapes, tmp_path / "run", "mlp", images=320, overrides={"train.evaluate_every_images": 160})
    assert rates == {0: 2e-4, 1: 1e-4}


@pytest.mark.parametrize("on_trouble", ["stop", "warn"])
def test_a_nan_without_healing_ends_the_run(shapes, tmp_path, poisoned_at_240, on_trouble):
    error, seen = train(shapes, tmp_path / "run", images=400, overrides={"train.on_trouble": on_trouble})
    assert isinstance(error, TrainingError)
    assert [e.kind for e in of(events.Verdict, seen)] == ["divergence"]
    assert not of(events.Repaired, seen)
    assert not (tmp_path / "run" / "healthy").exists()
    assert check_up(tmp_path / "run").state == "trouble"
    assert impasto.load(tmp_path / "run").generate([0])  # the best model is there


def test_it_gives_up_after_max_repairs_and_keeps_the_best(shapes, tmp_path, monkeypatch):
    step = Engine._step

    def always(self):
        if self.state.images_seen >= 240:
            poison(self)
        return step(self)

    monkeypatch.setattr(Engine, "_step", always)
    settings = {"train.evaluate_every_images": 80, "train.max_repairs": 2}
    error, seen = train(shapes, tmp_path / "run", images=4_000, overrides=settings)
    assert isinstance(error, TrainingError)
    back = [(e.rolled_back_from, e.rolled_back_to, e.after) for e in of(events.Repaired, seen)]
    # The newest snapshot first; trouble before another healthy evaluation would take the one before it.
    assert back == [(256, 240, 0.5), (256, 160, 0.25)]
    assert of(events.Stopped, seen)[-1].condition == "diverged"
    assert impasto.load(tmp_path / "run").generate([0])
    assert impasto.load(tmp_path / "run" / "last").generate([0])


@pytest.mark.slow
def test_learning_rates_a_hundred_times_too_high(shapes, tmp_path):
    """They diverge as soon as the warm-up has reached them; that is seen within 2,000 images."""
    rates = {"optimizer.generator_lr": 3e-2, "optimizer.discriminator_lr": 3e-2}
    _, seen = train(
        shapes, tmp_path / "run", images=2_400, overrides={**rates, "train.evaluate_every_images": 800}
    )
    first = of(events.Verdict, seen)[0]
    assert (first.kind, first.severity) == ("divergence", "trouble")
    assert first.images_seen <= 2_000
    assert of(events.Repaired, seen)[0].changed == "learning rates"
    assert len(of(events.Repaired, seen)) <= 3


@pytest.mark.slow
def test_a_constant_generator_is_a_collapse(shapes, tmp_path, monkeypatch):
    """Every latent the same from the 400th image on; found at the first look after the grace period."""
    # Shorter than it is, or this would take a minute, but longer than the running mean remembers.
    grace, step = 2_800, Engine._step
    monkeypatch.setattr(statistics, "GRACE_IMAGES", grace)
    monkeypatch.setattr(diagnosis, "GRACE_IMAGES", grace)

    def stuck(self):
        if self.state.images_seen == 400:
            sample = type(self.state.generator.module).sample_latents
            same = lambda G, count, rng: sample(G, count, rng)[:1].expand(count, -1)  # noqa: E731
            monkeypatch.setattr(type(self.state.generator.module), "sample_latents", same)
        return step(self)

    monkeypatch.setattr(Engine, "_step", stuck)
    settings = {"train.evaluate_every_images": 800, "train.evaluate_samples": 32}
    run, seen = train(shapes, tmp_path / "run", images=20_000, overrides=settings)
    first = of(events.Verdict, seen)[0]
    assert (first.kind, first.severity) == ("collapse", "trouble")
    assert grace <= first.images_seen <= grace + 512
    assert len(of(events.Repaired, seen)) == 3
    assert run.reason.condition == "unhealthy"
    assert "mode collapse after 3 repairs" in run.reason.words
    assert run.images_seen < 4_500  # it did not go on for 20,000
    assert of(events.Stopped, seen)[-1].condition == "unhealthy"


def test_warn_only_tells(shapes, tmp_path, monkeypatch):
    """The same verdict is told once, evaluations go on, and the run reaches its end."""
    ill = diagnosis.Verdict("collapse", "trouble", "All 16 are alike.", "Do something.")
    monkeypatch.setattr(diagnosis, "diagnose", lambda *_, **__: [ill])
    settings = {"train.on_trouble": "warn", "train.evaluate_every_images": 160}
    run, seen = train(shapes, tmp_path / "run", images=480, overrides=settings)
    assert run.reason.condition == "images"
    assert len(of(events.Verdict, seen)) == 1
    assert [e["images_seen"] for e in run.evaluations] == [160, 320, 480]
    assert check_up(tmp_path / "run").state == "trouble"


def test_stop_stops_at_the_first_trouble_and_not_at_a_notice(shapes, tmp_path, monkeypatch):
    def verdicts(_, evaluations, seen, **__):
        severity = "trouble" if seen >= 320 else "notice"
        return (
            [diagnosis.Verdict("overfitting", severity, "r_v is 0.9.", "More pictures.")]
            if evaluations
            else []
        )

    monkeypatch.setattr(diagnosis, "diagnose", verdicts)
    settings = {"train.on_trouble": "stop", "train.evaluate_every_images": 160}
    run, seen = train(shapes, tmp_path / "run", images=4_800, overrides=settings)
    assert run.reason.condition == "unhealthy"
    assert run.images_seen == 320
    assert [e.severity for e in of(events.Verdict, seen)] == ["notice", "trouble"]


def test_the_clock_never_goes_back_and_the_best_is_kept(shapes, tmp_path, monkeypatch):
    """A limit of minutes holds whatever happens, and best/ is not overwritten by something worse."""
    from impasto.tasks.generation.evaluator import GeneratorEvaluator

    measure, distances = GeneratorEvaluator.measure, iter([0.9, 0.1, 0.5, 0.6, 0.7])

    def measured(self, *a, **k):
        found = measure(self, *a, **k)
        return dataclasses.replace(found, distance=next(distances))

    def ill(_, evaluations, seen, **__):  # at the second evaluation, the best of all
        trouble = bool(evaluations) and evaluations[-1].distance == 0.1
        return [diagnosis.Verdict("collapse", "trouble", "All 16 are alike.", "...")] if trouble else []

    clock, back, weights, play = [], repairs.roll_back, [], learner.gan_step

    def timed(state, *a):
        clock.append(state.seconds)
        back(state, *a)
        clock.append(state.seconds)

    def playing(fabric, state, pictures, loss, *a):
        weights.append(loss.r1_weight)
        return play(fabric, state, pictures, loss, *a)

    monkeypatch.setattr(learner, "gan_step", playing)
    monkeypatch.setattr(GeneratorEvaluator, "measure", measured)
    monkeypatch.setattr(diagnosis, "diagnose", ill)
    monkeypatch.setattr(repairs, "roll_back", timed)
    run, seen = train(shapes, tmp_path / "run", images=640, overrides={"train.evaluate_every_images": 160})
    (repaired,) = of(events.Repaired, seen)
    assert (repaired.rolled_back_from, repaired.rolled_back_to) == (320, 160)
    assert repaired.changed == "penalties"
    assert weights[-1] == 2 * weights[0] > 0  # and the step goes by it
    assert clock[0] == clock[1] > 0
    assert run.best["distance"] == 0.1
    assert impasto.load(tmp_path / "run" / "best").info.metrics["KID-lite0 to the hold-out"] == 0.1
    assert [(e["images_seen"], e["distance"]) for e in run.evaluations] == [
        (160, 0.9), (320, 0.5), (480, 0.6), (640, 0.7),
    ]  # fmt: skip


def test_a_run_that_gets_worse_goes_back_to_its_best(shapes, tmp_path, monkeypatch):
    """States above the noise of the best are not kept, so the repair is not to the middle of the fall."""
    from impasto.tasks.generation.evaluator import GeneratorEvaluator

    measure, distances = GeneratorEvaluator.measure, iter([0.9, 0.5, 1.3, 2.1, 2.9, *[0.5] * 9])

    def measured(self, *a, **k):
        found = measure(self, *a, **k)
        signs = dataclasses.replace(found.signs, colour_distance=0.05)
        return dataclasses.replace(found, distance=next(distances), signs=signs)

    def worse(_, evaluations, *__, **___):
        return list(diagnosis.worse(evaluations))

    monkeypatch.setattr(GeneratorEvaluator, "measure", measured)
    monkeypatch.setattr(diagnosis, "diagnose", worse)
    settings = {"train.evaluate_every_images": 160}
    _, seen = train(shapes, tmp_path / "run", "mlp", images=960, overrides=settings)
    (verdict,) = of(events.Verdict, seen)
    assert (verdict.kind, verdict.severity, verdict.images_seen) == ("worse", "trouble", 800)
    (repaired,) = of(events.Repaired, seen)
    assert (repaired.rolled_back_from, repaired.rolled_back_to) == (800, 320)
    assert repaired.changed == "learning rates"
    assert check_up(tmp_path / "run").state != "trouble"


def test_a_state_of_version_0_1_goes_on(shapes, tmp_path):
    """Its evaluations have no distance of colours: they load, and are compared by what they have."""
    from impasto.training.checkpoints import load_state, save_state

    out, settings = tmp_path / "run", {"train.evaluate_every_images": 160}
    train(shapes, out, "mlp", images=160, overrides=settings)
    tensors, values = load_state(out / "state.safetensors")
    new = {f.name for f in dataclasses.fields(Signs) if f.default is not dataclasses.MISSING}
    for evaluation in values["evaluations"]:
        evaluation["signs"] = {k: v for k, v in evaluation["signs"].items() if k not in new}
    save_state(out / "state.safetensors", tensors, values)
    run, seen = train(shapes, out, "mlp", images=320, resume=True, overrides=settings)
    assert [e.images_seen for e in of(events.Evaluated, seen)] == [320]
    assert "colour_distance" not in run.evaluations[0]["signs"]
    assert run.evaluations[1]["signs"]["colour_distance"] is not None
    assert run.best["distance"] == min(e["distance"] for e in run.evaluations)


def test_resuming_is_a_theorem_across_a_repair(shapes, tmp_path, monkeypatch):
    """A run that was repaired equals the same run in three parts, tensor for tensor and record for record."""

    def whole(out, *stops):
        for stop in stops:
            with pytest.MonkeyPatch.context() as patch:
                # By the number of repairs, which is part of the state: whoever passes 240 unrepaired is hit.
                patch.setattr(Engine, "_step", hurt)
                train(shapes, out, images=stop, resume=True, overrides={"train.evaluate_every_images": 160})
        return load_file(out / "state.safetensors"), state_of(out)

    step = Engine._step

    def hurt(self):
        if self.state.images_seen == 240 and not self.state.repairs:
            poison(self)
        return step(self)

    tensors, values = whole(tmp_path / "whole", 480)
    parts, found = whole(tmp_path / "parts", 208, 272, 480)
    assert len(values["repairs"]) == 1
    assert values["vitals"]["spread"] > 0
    for name, tensor in tensors.items():
        assert torch.equal(tensor, parts[name]), name
    # Not `record`: each part ends in an evaluation of its own, and that may be the best of all.
    for name in ("repairs", "healthy", "vitals", "standing", "images_seen", "steps"):
        assert values[name] == found[name], name
    kinds = [r["event"] for r in check_up(tmp_path / "parts").history]
    assert kinds == ["verdict", "repaired"]


def test_a_repair_is_on_disk_before_the_next_step(shapes, tmp_path, monkeypatch):
    """Killed there, the run must not go back to a snapshot that the next repair has replaced."""
    out, step, saved = tmp_path / "run", Engine._step, {}

    def noting(self):
        if self.state.repairs:
            saved.setdefault("repairs", state_of(out)["repairs"])
            saved.setdefault("images_seen", state_of(out)["images_seen"])
        return step(self)

    monkeypatch.setattr(Engine, "_step", noting)
    monkeypatch.setattr(Engine, "_step", at(240, poison))
    train(shapes, out, "mlp", images=256, overrides={"train.evaluate_every_images": 160})
    assert len(saved["repairs"]) == 1
    assert saved["images_seen"] == 160


def test_after_a_repair_chance_falls_otherwise(shapes, tmp_path, monkeypatch):
    latents = {}
    step = Engine._step

    def noting(self):
        if self.state.images_seen == 160:
            latents[len(self.state.repairs)] = torch.Generator().set_state(self.state.rng.get_state())
        return step(self)

    monkeypatch.setattr(Engine, "_step", noting)
    monkeypatch.setattr(Engine, "_step", at(240, poison))
    train(shapes, tmp_path / "run", images=320, overrides={"train.evaluate_every_images": 160})
    assert set(latents) == {0, 1}
    assert not torch.equal(*(torch.rand(4, generator=g) for g in latents.values()))


# --- repairs as pure functions


def test_what_is_changed_for_what():
    config = load_config("r3gan")
    assert repairs.prescribe("divergence", config, []) == ("learning rates", 1.0, 0.5)
    assert repairs.prescribe("oscillation", config, []) == ("learning rates", 1.0, 0.5)
    assert repairs.prescribe("collapse", config, []) == ("penalties", 1.0, 2.0)
    assert repairs.prescribe("vanishing", config, []) == ("penalties", 1.0, 2.0)
    assert repairs.prescribe("overfitting", config, []) == ("augmentation", 0.0, 0.2)
    assert repairs.prescribe("redrawing", config, []) == ("augmentation", 0.0, 0.2)
    bare = load_config("dcgan")  # no penalty to raise
    assert repairs.prescribe("collapse", bare, []) == ("learning rates", 1.0, 0.5)
    full = load_config("r3gan", {"augment.colour": 0.8, "augment.cutout": 0.9})
    assert repairs.prescribe("overfitting", full, []) == ("learning rates", 1.0, 0.5)


def test_repairs_add_up():
    config = load_config("r3gan")
    done = []
    for kind in ("divergence", "collapse", "overfitting", "divergence"):
        what, before, after = repairs.prescribe(kind, config, done)
        done.append({"changed": what, "before": before, "after": after})
    cured = repairs.treated(config, done)
    assert cured.optimizer.generator_lr == config.optimizer.generator_lr / 4
    assert cured.optimizer.discriminator_lr == config.optimizer.discriminator_lr / 4
    assert cured.loss.r1_weight == 2 * config.loss.r1_weight
    assert cured.loss.r2_weight == 2 * config.loss.r2_weight
    assert (cured.augment.colour, cured.augment.translation, cured.augment.cutout) == (0.5, 1.0, 0.2)
    assert repairs.treated(config, []) is config


def test_a_killed_snapshot_is_finished_on_resuming(shapes, tmp_path):
    """Killed between saving the state and naming its snapshot: resuming makes up for it."""
    out = tmp_path / "run"
    train(shapes, out, images=160, overrides={"train.evaluate_every_images": 160})
    (newest,) = (out / "healthy").glob("0-160.safetensors")
    whole = newest.read_bytes()
    newest.unlink()
    assert (out / "healthy" / "0-0.safetensors").is_file()
    train(shapes, out, images=160, resume=True, overrides={"train.evaluate_every_images": 160})
    assert newest.read_bytes() == (out / "state.safetensors").read_bytes() or newest.read_bytes() == whole


def test_snapshots_do_not_pile_up(shapes, tmp_path):
    train(shapes, tmp_path / "run", "mlp", images=800, overrides={"train.evaluate_every_images": 80})
    names = sorted(p.name for p in (tmp_path / "run" / "healthy").iterdir())
    assert names == ["0-720.safetensors", "0-800.safetensors"]


def test_without_second_names_a_snapshot_is_copied(shapes, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("this file system has no hard links")

    monkeypatch.setattr("os.link", refuse)
    train(shapes, tmp_path / "run", "mlp", images=16)
    assert states.saved_config(tmp_path / "run" / "healthy" / "0-0.safetensors").preset == "mlp"


# --- long runs


@pytest.fixture(scope="module")
def twenty(shapes, tmp_path_factory):
    """Twenty drawings to train on, and sixteen to hold out."""
    folder = tmp_path_factory.mktemp("twenty")
    for path in sorted(shapes.rglob("*.png"), key=lambda p: p.name)[:36]:
        shutil.copy(path, folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_discriminator_without_a_penalty_leaves_the_generator_without_a_signal(shapes, tmp_path):
    """The default's networks in the minimax game of 2014, D far the faster: named within 10,000 images."""
    settings = {
        "model.generator_channels": 16,
        "model.discriminator_channels": 16,
        "model.max_channels": 64,
        "loss.adversarial": "minimax",
        "loss.r1_weight": 0,
        "loss.r2_weight": 0,
        "augment.colour": 0,
        "augment.translation": 0,
        "optimizer.discriminator_lr": 1e-3,
        "optimizer.generator_lr": 3e-5,
        "train.evaluate_every_images": 2_000,
        "train.max_repairs": 1,
    }
    run, seen = train(shapes, tmp_path / "run", images=16_000, overrides=settings)
    trouble = [e for e in of(events.Verdict, seen) if e.severity == "trouble"]
    assert trouble[0].kind == "vanishing"
    assert trouble[0].images_seen <= 10_000
    (repaired,) = of(events.Repaired, seen)
    assert repaired.changed == "learning rates"  # there is no penalty to raise
    assert run.reason.condition in ("images", "unhealthy")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_pictures_over_and_over_overfit_the_discriminator(twenty, tmp_path):
    """Noticed within 14,000 images; trouble, once nothing gets better, within 26,000."""
    settings = {
        "model.generator_channels": 16,
        "model.discriminator_channels": 16,
        "model.max_channels": 64,
        "augment.colour": 0,
        "augment.translation": 0,
        "train.evaluate_every_images": 2_000,
        "train.evaluate_samples": 64,
        "train.on_trouble": "stop",
    }
    run, seen = train(twenty, tmp_path / "run", images=30_000, overrides=settings)
    told = [e for e in of(events.Verdict, seen) if e.kind == "overfitting"]
    assert told[0].severity == "notice"
    assert told[0].images_seen <= 14_000
    trouble = [e for e in of(events.Verdict, seen) if e.severity == "trouble"]
    assert [e.kind for e in trouble] == ["overfitting"]
    assert trouble[0].images_seen <= 26_000
    assert run.reason.condition == "unhealthy"


def test_a_generator_of_training_pictures_is_redrawing(shapes):
    """A table of what was learned by heart in place of a generator: every sample is a copy."""
    from impasto.nn.features import thumbnails
    from impasto.tasks.generation.evaluator import GeneratorEvaluator
    from impasto.tasks.generation.generator import Generator

    config = load_config("r3gan", SMALL)
    dataset = impasto.open_folder(shapes, config.data, config.image, seed=0)
    train_pixels, holdout = dataset.train_pixels(64, 0), dataset.holdout_pixels()
    layouts = thumbnails(impasto.image.codec.to_tensor(dataset.train_array()))
    judge = GeneratorEvaluator(holdout, train_pixels, layouts, 32, torch.device("cpu"))

    class Table(Generator):
        def __init__(self, pixels):
            super().__init__(latent_dim=1, prior="uniform", levels=(1,))
            self.pictures = torch.nn.Parameter(impasto.image.codec.to_tensor(pixels))

        def forward(self, z):
            return self.pictures[((z[:, 0] + 1) / 2 * len(self.pictures)).long() % len(self.pictures)]

    class Blind(torch.nn.Linear):
        def forward(self, images):
            return images.mean((1, 2, 3))

    def verdicts(pixels):
        signs = judge.measure(Table(pixels), Blind(1, 1)).signs
        return diagnosis.redrawing([diagnosis.Examined(n, 0.5, signs) for n in (20_000, 22_500)]), signs

    copied, signs = verdicts(train_pixels)
    assert signs.source_auc == 1
    assert signs.sourced == 1
    assert [(v.kind, v.severity) for v in copied] == [("redrawing", "notice")]
    new, signs = verdicts(holdout)
    assert signs.source_auc < 0.6
    assert list(new) == []
    assert signs.diversity == pytest.approx(1, abs=0.3)
    assert signs.coverage > 0.5


HEALTHY = [
    ("r3gan", {}, 0),
    ("r3gan", {"loss.r1_weight": 10, "loss.r2_weight": 10}, 1),
    ("r3gan", {"optimizer.generator_lr": 1e-3, "optimizer.discriminator_lr": 1e-3}, 2),
    ("r3gan", {"image.size": 32, "train.batch_size": 32}, 3),
    ("r3gan", {"image.channels": 4}, 4),
    ("dcgan", {"model.base_channels": 16}, 5),
    ("dcgan", {"model.base_channels": 8, "loss.adversarial": "minimax"}, 6),
    ("dcgan", {"image.channels": 1, "train.discriminator_steps": 2}, 7),
    ("mlp", {"model.hidden": [128, 256]}, 8),
    ("mlp", {"model.hidden": [64], "model.prior": "uniform", "optimizer.generator_lr": 1e-3}, 9),
    ("default", {}, 10),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("preset", "settings", "seed"), HEALTHY)
def test_nobody_is_alarmed_by_a_healthy_run(shapes, tmp_path, preset, settings, seed):
    wide = {"model.generator_channels": 16, "model.discriminator_channels": 16, "model.max_channels": 64}
    common = {
        **(wide if preset == "r3gan" else {}),
        "train.seed": seed,
        "train.evaluate_every_images": 2_000,
        "train.evaluate_samples": 64,
    }
    run, seen = train(shapes, tmp_path / "run", preset, images=12_000, overrides={**common, **settings})
    assert run.reason.condition == "images"
    assert [e for e in of(events.Verdict, seen) if e.severity == "trouble"] == []
    assert check_up(tmp_path / "run").state in ("healthy", "notice")
