"""How many modes does each game find? Grids of 25 and 100 Gaussians, and StackedMNIST with its 1,000 digits.

    python benchmarks/coverage.py                                   # every loss, 25 and 100 Gaussians
    python benchmarks/coverage.py --tasks grid25 --losses relativistic --seeds 0 1 2 3 4 5 6 7 8 9
    python benchmarks/coverage.py --tasks digits --losses relativistic --seconds 3600
    python benchmarks/coverage.py --tasks digits-default --seconds 600     # the preset `default` as it comes

Every loss plays with the penalty and the Adam that its paper gives it (GAMES below), with the same networks
and the same number of steps, or of seconds with --seconds. Conventions are in gaussians.py and digits.py,
beside the code that counts. StackedMNIST needs mnist.npz in the folder that IMPASTO_REALDATA names.
"""

import argparse
import json
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch

import digits
import gaussians
from impasto.config.reading import load_config, override
from impasto.config.shared import Adversarial, Config, LossConfig
from impasto.files import write_bytes_atomically

GRIDS = {"grid25": 5, "grid100": 10}
DEFAULT = "digits-default"
HEAD = ("task", "loss", "seed", "modes", "full", "good", "KL", "steps", "seconds")


@dataclass(frozen=True)
class Game:
    """What goes with a loss: the recipe of the grids, and overrides of the preset for digits."""

    source: str
    grid: dict[str, Any] = field(default_factory=dict)  # of gaussians.Recipe
    loss: dict[str, Any] = field(default_factory=dict)  # of LossConfig, on the grids
    digits: dict[str, Any] = field(default_factory=dict)


DCGAN_ADAM = {"beta1": 0.5, "beta2": 0.999, "generator_lr": 1e-3, "discriminator_lr": 1e-3}
PLAIN_DIGITS = {
    "loss.r1_weight": 0,
    "loss.r2_weight": 0,
    "optimizer.beta1": 0.5,
    "optimizer.beta2": 0.999,
    "optimizer.generator_lr": 2e-4,
    "optimizer.discriminator_lr": 2e-4,
}
GP_DIGITS = {
    "loss.r1_weight": 0,
    "loss.r2_weight": 0,
    "loss.gradient_penalty_weight": 10,
    "optimizer.beta2": 0.9,
    "train.discriminator_steps": 5,
}
SN_DIGITS = {
    "loss.r1_weight": 0,
    "loss.r2_weight": 0,
    "model.spectral_norm": True,
    "optimizer.beta2": 0.9,
}

GAMES: dict[Adversarial, Game] = {
    "relativistic": Game(
        "R1 and R2, Adam(0, .99) (R3GAN, Huang et al. 2024)", {}, {"r1_weight": 0.05, "r2_weight": 0.05}
    ),
    "non-saturating": Game(
        "R1, Adam(0, .99) (Mescheder et al. 2018)", {}, {"r1_weight": 0.05}, {"loss.r2_weight": 0}
    ),
    "minimax": Game("no penalty, Adam(.5, .999) (Goodfellow et al. 2014)", DCGAN_ADAM, {}, PLAIN_DIGITS),
    "least-squares": Game("no penalty, Adam(.5, .999) (Mao et al. 2017)", DCGAN_ADAM, {}, PLAIN_DIGITS),
    "relativistic-average": Game(
        "no penalty, Adam(.5, .999) (Jolicoeur-Martineau 2019)", DCGAN_ADAM, {}, PLAIN_DIGITS
    ),
    "hinge": Game(
        "spectral norm, Adam(0, .9) (Miyato et al. 2018)",
        {"spectral_norm": True, "beta2": 0.9},
        {},
        SN_DIGITS,
    ),
    "wasserstein": Game(
        "gradient penalty (0.1 on grids, 10 on digits), 5 steps of D, Adam(0, .9) (Gulrajani et al. 2017)",
        {"discriminator_steps": 5, "beta2": 0.9},
        {"gradient_penalty_weight": 0.1},
        GP_DIGITS,
    ),
}


def recipe_of(kind: Adversarial, steps: int | None = None) -> gaussians.Recipe:
    """The grids' recipe for one loss."""
    game = GAMES[kind]
    changes = {**game.grid, **({"steps": steps} if steps else {})}
    return gaussians.Recipe(loss=LossConfig(adversarial=kind, **game.loss), **changes)


def digits_config(kind: Adversarial, seed: int, overrides: list[str]) -> Config:
    """The networks and the game of StackedMNIST: small residual networks at 32 px."""
    common = {
        "image.size": 32,
        "model.generator_channels": 32,
        "model.discriminator_channels": 16,
        "model.max_channels": 64,
        "loss.adversarial": kind,
        "loss.r1_weight": 40,  # gamma 10 at 32 px
        "loss.r2_weight": 40,
        "augment.colour": 0,
        "augment.translation": 0,
        "optimizer.generator_lr": 1e-3,
        "optimizer.discriminator_lr": 1e-3,
        "train.batch_size": 32,  # an hour on a CPU is a million pictures: rather many steps
        "train.seed": seed,
    }
    return override(load_config("r3gan", {**common, **GAMES[kind].digits}), overrides)


def default_config(seed: int, overrides: list[str]) -> Config:
    """The preset `default` for StackedMNIST. As in the papers' game, no latent tells G of a picture."""
    return override(load_config("default", {"image.size": 32, "train.seed": seed}), overrides)


def play_grid(task: str, kind: Adversarial, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    side = GRIDS[task]
    points, took = gaussians.play(side, recipe_of(kind, args.steps), seed, args.seconds)
    return {**gaussians.score(side, points), **took}


def digits_player(args: argparse.Namespace, task: str) -> Callable[[Adversarial, int], dict[str, Any]]:
    """Loads the digits, trains or loads their classifier, and says how good it is."""
    arrays = digits.load_digits()
    classifier, accuracy = digits.train_classifier(arrays)
    print(f"classifier: {accuracy:.2%} of the test digits; the KL of a perfect generator: {digits.FLOOR:.3f}")
    pictures = digits.to_pictures(arrays["train_images"])

    def play(kind: Adversarial, seed: int) -> dict[str, Any]:
        trail: list[dict[str, Any]] = []

        def show(m: dict[str, Any]) -> None:
            trail.append(m)
            seen = f"{m['seconds']:6.0f} s {m['images_seen']:10,} images"
            print(f"  {seen} {m['modes']:5} modes  KL {m['kl']:.3f}", flush=True)

        config = default_config(seed, args.set) if task == DEFAULT else digits_config(kind, seed, args.set)
        limit = None if args.steps else args.seconds or 3600.0
        every = (limit or 3600.0) / 15
        found = digits.play(config, pictures, classifier, limit, args.steps, show, every)
        return {**found, "trail": trail, "classifier_accuracy": accuracy, "config": config.model_dump()}

    return play


def source_of(task: str, kind: Adversarial) -> str:
    return (
        "the preset `default`, whose latents lie around real pictures"
        if task == DEFAULT
        else GAMES[kind].source
    )


def row(r: dict[str, Any]) -> str:
    full = r.get("full_modes", "")
    good = f"{r['good']:.1%}" if "good" in r else ""
    return (
        f"{r['task']:14} {r['loss']:21} {r['seed']:4} {r['modes']:6} {full:>5} {good:>7} {r['kl']:7.3f} "
        f"{r['steps']:7} {r['seconds']:8.1f}"
    )


def summary(results: list[dict[str, Any]]) -> None:
    """Over the seeds of each task and loss: the worst and the median."""
    groups = dict.fromkeys((r["task"], r["loss"]) for r in results)
    for task, loss in groups:
        of = [r for r in results if (r["task"], r["loss"]) == (task, loss)]
        if len(of) > 1:
            modes, kls = [r["modes"] for r in of], [r["kl"] for r in of]
            goods = [r.get("good", 1.0) for r in of]
            print(
                f"{task} {loss}, {len(of)} seeds: modes at least {min(modes)}, "
                f"median {statistics.median(modes)}; "
                f"good at least {min(goods):.1%}, median {statistics.median(goods):.1%}; "
                f"KL median {statistics.median(kls):.3f}; seconds at most {max(r['seconds'] for r in of):.0f}"
            )


def machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=[*GRIDS, "digits", DEFAULT], default=list(GRIDS))
    parser.add_argument("--losses", nargs="+", choices=get_args(Adversarial), default=list(GAMES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--seconds", type=float, help="of training, a run (digits: 3,600 when left out)")
    limit.add_argument("--steps", type=int, help="of the generator, a run")
    parser.add_argument("--set", nargs="*", default=[], help="overrides of the digits' config")
    parser.add_argument("--json", type=Path, help="write the results here, after every run")
    args = parser.parse_args()

    results: list[dict[str, Any]] = []
    for task in args.tasks:
        play = None if task in GRIDS else digits_player(args, task)
        print(("{:14} {:21} {:>4} {:>6} {:>5} {:>7} {:>7} {:>7} {:>8}").format(*HEAD), flush=True)
        for kind in [load_config("default").loss.adversarial] if task == DEFAULT else args.losses:
            for seed in args.seeds:
                found = play(kind, seed) if play else play_grid(task, kind, seed, args)
                results.append(
                    {"task": task, "loss": kind, "seed": seed, "with": source_of(task, kind), **found}
                )
                print(row(results[-1]), flush=True)
                if args.json:
                    report = {"machine": machine(), "published": digits.PUBLISHED, "results": results}
                    write_bytes_atomically(args.json, json.dumps(report, indent=1).encode())
        if play:
            published = ", ".join(f"{name} {modes}/{kl}" for name, (modes, kl) in digits.PUBLISHED.items())
            print(f"published on StackedMNIST, modes/KL: {published}")
    summary(results)


if __name__ == "__main__":
    main()
