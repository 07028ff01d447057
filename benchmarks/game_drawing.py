"""The game in two dimensions as a picture: real points, generated ones, and what D believes between them.

    python benchmarks/game_drawing.py --out docs/two-dimensions.png

A row for each game: the textbook without penalties, and the relativistic one with R1 + R2. Both have the
networks, rates and seed of `gaussians.Recipe` and go through the library's own `gan_step`. A minute.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from gaussians import SPACING, STEPS_PER_MODE, Recipe, play, real_points, score
from impasto.config.shared import LossConfig
from impasto.training.state import TrainingState

SIDE, POINTS, PLACES = 5, 1_000, 120
GAMES = {
    "the textbook's losses, no penalty": Recipe(loss=LossConfig(adversarial="non-saturating")),
    "relativistic losses, R1 + R2": Recipe(),
}


def photograph(state: TrainingState, extent: float) -> tuple[Tensor, Tensor]:
    """(POINTS, 2) generated points and (PLACES, PLACES) of D's probability that a point there is real."""
    G, D = state.generator, state.discriminator
    line = torch.linspace(-extent, extent, PLACES)
    places = torch.cartesian_prod(line, line)
    with torch.no_grad():
        z = G.sample_latents(POINTS, torch.Generator().manual_seed(1))
        return G(z), D.probability(places).view(PLACES, PLACES).T


def main(out: Path, seed: int, steps: tuple[int, ...]) -> None:
    """Play both games, photograph them after `steps`, draw."""
    from matplotlib.figure import Figure

    extent = SIDE * SPACING / 2 + 0.5
    real = real_points(SIDE, POINTS, torch.Generator().manual_seed(0))
    figure = Figure(figsize=(3 * len(steps), 6.6), layout="constrained")
    axes = figure.subplots(len(GAMES), len(steps), squeeze=False)
    for row, (name, recipe) in zip(axes, GAMES.items(), strict=True):
        shots = {}

        def watch(state: TrainingState, shots: dict[int, tuple[Tensor, Tensor]] = shots) -> None:
            if state.steps in steps:
                shots[state.steps] = photograph(state, extent)

        points, _ = play(SIDE, recipe, seed, watch=watch)
        found = score(SIDE, points)
        print(f"{name}: {found['modes']} modes of {SIDE**2}, {found['good']:.0%} of points good")
        for place, (step, (made, belief)) in zip(row, shots.items(), strict=True):
            square = {"origin": "lower", "extent": (-extent, extent, -extent, extent)}
            place.imshow(belief.numpy(), **square, vmin=0, vmax=1, cmap="PuOr", alpha=0.6)
            place.scatter(*real.T.numpy(), s=2, c="black", linewidths=0)
            place.scatter(*made.T.numpy(), s=3, c="crimson", linewidths=0)
            place.set(xticks=[], yticks=[], title=f"step {step:,}")
        row[0].set_ylabel(name)
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 100, 500, STEPS_PER_MODE * SIDE**2])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    main(asked.out, asked.seed, tuple(asked.steps))
