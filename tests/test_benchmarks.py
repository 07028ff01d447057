"""The benchmarks run from end to end at toy sizes, and their arithmetic is right."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import gpu
import health_cost
import new_pictures
import train_speed
from impasto.config.reading import load_config
from impasto.data.batches import Batches
from impasto.data.cache import Pixels
from impasto.errors import ConfigError, InputError
from impasto.tasks.generation.discriminator import ProjectedDiscriminator
from kit import arms, results, sets, steps
from peers import PEERS, make_peer

TINY = "model.generator_channels=8,model.discriminator_channels=8,train.batch_size=8"


def noise(size):
    return Pixels(np.random.default_rng(0).integers(0, 256, (40, size, size, 3), np.uint8), size, 3)


def peer(name, size=16):
    return make_peer(name, lambda count: Batches(noise(size), np.arange(40), count, 0), size, 3, seed=0)


# Arms


def test_arms_as_they_are_written():
    assert arms.parse_arm("sngan") == arms.Arm("sngan", "sngan")
    arm = arms.parse_arm("default:loss.r1_weight=10,train.batch_size=32")
    assert arm.overrides == ("loss.r1_weight=10", "train.batch_size=32")
    assert arm.name == "default:loss.r1_weight=10,train.batch_size=32"
    named = arms.parse_arm("wide=mlp:model.hidden=[8,9],train.batch_size=8")
    assert named == arms.Arm("wide", "mlp", ("model.hidden=[8,9]", "train.batch_size=8"))
    assert arms.parse_arm("text=dcgan") == arms.Arm("text", "dcgan")


@pytest.mark.parametrize(
    "text", ["nothing", "default:loss.nothing=1", "default:oops", "sngan:a=1", "=default", "a="]
)
def test_arms_that_are_none(text):
    with pytest.raises(ConfigError):
        arms.parse_arm(text)


@pytest.mark.parametrize(("name", "steps"), [("dcgan-example", 1), ("sngan", 5)])
def test_peers_learn_and_show_pictures(name, steps):
    one = peer(name)
    first = one.render(range(3))
    assert first.shape == (3, 16, 16, 3)
    assert first.dtype == np.uint8
    for _ in range(steps):  # the last one is G's turn
        one.step()
    assert (one.render(range(3)) != first).any()


def test_the_seed_decides_what_a_peer_learns():
    def learnt():
        one = peer("dcgan-example")
        one.step()
        return one.render(range(3))

    np.testing.assert_array_equal(learnt(), learnt())


def test_lightweight_gan_runs_where_it_is_installed():
    pytest.importorskip("einops")
    pytest.importorskip("kornia")
    pytest.importorskip("adabelief_pytorch")
    assert peer("lightweight-gan", 64).render(range(2)).shape == (2, 64, 64, 3)


def test_the_published_sizes():
    from peers import dcgan_example, sngan

    def millions(net):
        return sum(p.numel() for p in net.parameters()) / 1e6

    assert millions(dcgan_example.generator(64, 3)) == pytest.approx(3.577, abs=0.001)
    assert millions(dcgan_example.discriminator(64, 3)) == pytest.approx(2.766, abs=0.001)
    generator = sngan.Generator(64, 3)
    assert [b.residual[-1].out_channels for b in generator.layers[:4]] == [512, 256, 128, 64]
    widths = [b.residual[3].out_channels for b in sngan.discriminator(64, 3)[:5]]
    assert widths == [64, 128, 256, 512, 1024]


def test_a_peers_clock_counts_steps_alone():
    class Slow:
        images_per_step = 4

        def step(self):
            now[0] += 20

        def render(self, seeds):
            raise AssertionError

    now = [0.0]
    seen = []
    for snapshot in arms.train_peer(Slow(), [0.5, 1, 1.1], clock=lambda: now[0]):
        seen.append((snapshot.moment, snapshot.seconds, snapshot.images_seen))
        now[0] += 1000  # measuring
    assert seen == [(0.5, 40, 8), (1, 60, 12), (1.1, 80, 16)]
    by_images = arms.train_peer(Slow(), [8, 9], "images", clock=lambda: now[0])
    assert [(s.moment, s.seconds, s.images_seen) for s in by_images] == [(8, 40, 8), (9, 60, 12)]


# Results


def test_minutes_to_reach_by_hand():
    curve = [(1, 100), (2, 60), (4, 80), (8, 40)]
    assert results.minutes_to_reach(curve, 80) == 1.5
    assert results.minutes_to_reach(curve, 50) == 7
    assert results.minutes_to_reach(curve, 30) is None
    assert results.minutes_to_reach(curve, 100) == 1
    assert results.minutes_to_reach([], 1) is None


def test_the_summary_by_hand():
    def one(arm, peer, seed, fds, finished=True):
        moments = [
            {"seconds": 60.0 * (i + 1), "fd": fd, "floor_fd": 10.0, "fld": None} for i, fd in enumerate(fds)
        ]
        recipe = {"recipe": arm if peer else "default", "overrides": [], "peer": peer}
        return {"arm": arm, **recipe, "seed": seed, "finished": finished, "moments": moments}

    found = results.summarise(
        [
            one("dcgan-example", True, 0, [210, 110]),
            one("ours", False, 0, [200, 60]),
            one("ours", False, 1, [220, 40]),
            one("ours", False, 2, [100, 90]),
            one("other", False, 0, [100], finished=False),
        ]
    )
    assert [arm["arm"] for arm in found] == ["dcgan-example", "ours"]
    textbook, ours = found
    assert textbook["fd_ratio"] == 1
    assert [m["fd"] for m in ours["moments"]] == [200, 60]
    assert ours["fd_ratio"] == pytest.approx(0.5)
    assert ours["minutes_to_best_peer"] == pytest.approx(1 + 90 / 140)
    assert ours["moments"][0]["fld"] is None


# Sets


def test_sets_that_are_absent_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("IMPASTO_REALDATA", str(tmp_path))
    with pytest.raises(InputError, match="paintings"):
        sets.find_set("vangogh-64", tmp_path)


# From end to end


@pytest.mark.slow
def test_new_pictures(shapes, tmp_path, capsys):
    arguments = [
        "--pictures", str(shapes), "--size", "16", "--minutes", "0.01", "--moments", "0.005",
        "--samples", "16", "--arm", f"ours=r3gan:{TINY}", "--arm", "dcgan-example",
        "--out", str(tmp_path / "out"), "--plot", str(tmp_path / "plot.png"),
    ]  # fmt: skip
    new_pictures.main(arguments)
    table = capsys.readouterr().out
    assert "as many training pictures" in table
    assert "copies moved" in table
    path = tmp_path / "out" / "results.json"
    found = json.loads(path.read_text())
    assert [(r["arm"], r["finished"]) for r in found["runs"]] == [("ours", True), ("dcgan-example", True)]
    for run in found["runs"]:
        assert [m["moment"] for m in run["moments"]] == [0.005, 0.01]
        assert run["moments"][0]["images_seen"] <= run["moments"][1]["images_seen"]
        assert run["moments"][1]["seconds"] >= 0.6
        assert run["moments"][1]["samples"] == 16
        assert run["moments"][1]["real_pictures"] == 24  # a quarter
        assert 0 <= run["moments"][1]["layout_source_auc"] <= 1
    assert found["copies"]["copies"]["layout_source_auc"] > 0.9
    assert {arm["arm"]: arm["fd_ratio"] for arm in found["summary"]}["dcgan-example"] == 1
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.width > 1000

    with pytest.raises(SystemExit, match="--resume"):
        new_pictures.main(arguments)
    with pytest.raises(SystemExit, match="samples"):
        new_pictures.main([*arguments, "--resume", "--samples", "17"])
    with pytest.raises(SystemExit, match="'ours' was"):
        new_pictures.main(["ours=mlp" if "ours=" in a else a for a in arguments] + ["--resume"])

    # A run that was cut off goes on from what it kept; what is finished is not trained again.
    found["runs"][0] |= {"finished": False, "moments": []}
    path.write_text(json.dumps(found))
    new_pictures.main([*arguments, "--resume"])
    same = {run["arm"]: run for run in json.loads(path.read_text())["runs"]}
    assert list(same) == ["ours", "dcgan-example"]
    assert same["dcgan-example"] == found["runs"][1]
    before = summary_of(found, "ours")["moments"][1]
    assert same["ours"]["moments"][1]["images_seen"] == before["images_seen"]
    assert same["ours"]["moments"][1]["fd"] == pytest.approx(before["fd"])


@pytest.mark.slow
def test_new_pictures_at_equal_images(shapes, tmp_path):
    arguments = [
        "--pictures", str(shapes), "--size", "16", "--images", "32", "16", "--samples", "16",
        "--arm", f"ours=r3gan:{TINY}", "--arm", "dcgan-example", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    new_pictures.main(arguments)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (found["unit"], found["moments"]) == ("images", [16, 32])
    ours, peer = ([m["images_seen"] for m in run["moments"]] for run in found["runs"])
    assert ours == [16, 32]
    assert peer[-1] == peer[0] == 128  # a batch of it
    with pytest.raises(SystemExit, match="unit"):
        new_pictures.main([*arguments[:4], *arguments[7:], "--minutes", "0.01", "--resume"])


def summary_of(found, name):
    return next(arm for arm in found["summary"] if arm["arm"] == name)


TINY_MODULATED = (
    "model.generator_channels=4,model.max_channels=16,model.pyramid_px=32,model.head_channels=8,"
    "train.batch_size=8"
)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "settings"), [("r3gan", TINY), ("default", TINY_MODULATED)])
def test_train_speed(tmp_path, capsys, preset, settings):
    path = tmp_path / "speed.json"
    train_speed.main(
        [
            "--preset",
            preset,
            "--size",
            "16",
            "--seconds",
            "0.1",
            "--profile-steps",
            "1",
            "--peer",
            "dcgan-example",
        ]
        + [part for setting in settings.split(",") for part in ("--override", setting)]
        + ["--json", str(path)]
    )
    assert "images/s" in capsys.readouterr().out
    found = json.loads(path.read_text())
    assert found["images_per_second"] > 0
    per_second = found["flops_per_image"] * found["images_per_second"]
    assert found["flops_per_second"] == pytest.approx(per_second)
    assert found["share"] == pytest.approx(per_second / found["matmul_flops_per_second"])
    parts = found["seconds_of_a_step"]
    counted = [seconds for part, seconds in parts.items() if part not in ("step", "augmentation")]
    assert sum(counted) == pytest.approx(parts["step"])
    assert parts["D forward + backward"] > parts["data"] > 0
    assert sum(found["share_of_time_by_operation"].values()) == pytest.approx(1)
    assert found["share_of_time_by_operation"]["convolution"] > 0.1
    assert found["peers"]["dcgan-example"]["ratio"] > 0


def test_a_step_is_calibrated_by_as_many_pictures_as_a_run(monkeypatch):
    seen = []
    monkeypatch.setattr(ProjectedDiscriminator, "calibrate", lambda _, maps: seen.append(maps[0]))
    settings = dict(part.split("=") for part in TINY_MODULATED.split(","))
    config = load_config("default", {"image.size": 16, "train.device": "cpu", **settings})
    pixels = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), np.uint8)
    steps.make_step(config, lambda count: Batches(Pixels(pixels, 16, 3), np.arange(300), count, 0))
    (maps,) = seen
    assert len(maps.flatten(1).unique(dim=0)) == steps.CALIBRATED


def test_speeds_of_a_gpu_are_measured_as_far_as_there_is_time(tmp_path):
    path = tmp_path / "gpu.json"
    small = [part for setting in TINY_MODULATED.split(",")[:-1] for part in ("--set", setting)]
    given = ["--sizes", "16", "--batches", "4", "--seconds", "0.01", "--minutes", "0", "--json", str(path)]
    gpu.main([*given, *small, "--speed-minutes", "0.0001"])
    (speed,) = json.loads(path.read_text())["speeds"]
    assert (speed["mode"], speed["size"], speed["batch"]) == ("eager", 16, 4)
    assert speed["images_per_second"] > 0


def test_flops_of_a_gradient_penalty_by_hand():
    convolution = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    x = torch.randn(4, 2, 8, 8, requires_grad=True)
    one = 2 * 4 * 8 * 8 * 3 * 2 * 9  # a multiplication and an addition for every weight at every place

    def penalised():
        y = F.softplus(convolution(x))
        (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (weight,) = torch.autograd.grad(gradient.square().sum(), convolution.weight)
        assert weight.abs().sum() > 0

    # Forward; backward to x; of that one, to the weight twice (through it and through softplus's slope) and
    # to y's gradient once.
    assert sum(steps.flops_of(lambda: convolution(x)).values()) == one
    assert sum(steps.flops_of(penalised).values()) == 5 * one


def test_operations_fall_into_categories():
    assert steps.category("aten::mkldnn_convolution") == "convolution"
    assert steps.category("Optimizer.step#Adam.step") == "optimizer"
    assert steps.category("aten::addmm") == "matrix product"
    assert steps.category("aten::copy_") == "copies"
    assert steps.category("aten::leaky_relu") == "pointwise"
    assert steps.category("something of its own") == "other"


def test_every_peer_has_a_maker():
    with pytest.raises(InputError, match="no peer"):
        make_peer("nobody", lambda count: None, 16, 3, 0)
    assert set(PEERS) == {"dcgan-example", "sngan", "lightweight-gan"}


# What watching costs


@pytest.mark.slow
def test_health_cost(shapes, tmp_path, capsys):
    path = tmp_path / "cost.json"
    settings = ["model.hidden=[16]", "train.evaluate_every_images=512", "train.evaluate_samples=16"]
    overrides = [part for item in settings for part in ("--override", item)]
    command = ["--pictures", str(shapes), "--size", "16", "--preset", "mlp", "--minutes", "0.02"]
    health_cost.main([*command, *overrides, "--json", str(path)])
    found = json.loads(path.read_text())
    assert set(found["shares"]) == set(health_cost.WATCHED)
    assert found["shares"]["vitals"] > 0
    assert "together" in capsys.readouterr().out


def test_what_one_watched_thing_calls_of_another_counts_once(monkeypatch):
    now = iter([0.0, 1.0, 4.0, 6.0])  # begin, begin within, end within, end
    monkeypatch.setattr(health_cost.time, "perf_counter", lambda: next(now))
    Outer = type("Outer", (), {"act": lambda self: self.inner(), "inner": lambda self: None})
    monkeypatch.setattr(health_cost, "WATCHED", {"outer": (Outer, "act"), "inner": (Outer, "inner")})
    with health_cost.clocked() as seconds:
        Outer().act()
    assert seconds == {"outer": 3.0, "inner": 3.0}
