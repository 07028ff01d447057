"""Train the models that come with the package anew: `make zoo`, hours. Called again it goes on where it was.

    python tools/zoo.py --out runs/zoo --photos PHOTOS --sheets SHEETS
    python tools/zoo.py --out runs/zoo --only openmoji-64

One generator learns from OpenMoji's drawings, which come with a package. One learns from Fashion-MNIST's
photographs, which Debian's dataset-fashion-mnist has, and is left out where that is not installed. The
upscalers learn from photographs that must be there: the cards in src/impasto/zoo say which those were;
without --photos they are left out. That of drawings learns from the sheets of benchmarks/drawing_sheets.py.
Each card tells the story of the weights that are shipped, phase by phase and machine by machine; this is the
same in one go each, so figures come near and weights differ. Put a run into the package by tools/ship.py.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import impasto
from impasto.data.fashion import SIZE, make_fashion_mnist
from impasto.data.samples import make_openmoji
from impasto.errors import MissingDependencyError

HELD_OUT = {"data.holdout_min_pictures": 12, "data.holdout_share": 0.06}
SLOWER = {"optimizer.decay_from_images": 0, "ema.halflife_images": 20_000}


@dataclass(frozen=True)
class Recipe:
    """A run. It ends by minutes or by images; `after` names the run that it begins with."""

    name: str
    preset: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    minutes: float | None = None
    images: int | None = None
    after: str | None = None


DRAWN = (Recipe("openmoji-64", "default", {"image.size": 64}, minutes=60),)
WORN = (
    Recipe(
        "fashion-32",
        "default",
        {"image.size": SIZE, "image.channels": 1, "data.background": "#000000"},
        minutes=28,
    ),
)
SHEETS = (Recipe("drawing-x4", "drawing-x4", {"data.holdout_share": 0.02}, images=60_000),)
ENLARGED = (
    Recipe(
        "photo-x4-fidelity",
        "upscale-x4",
        HELD_OUT | SLOWER | {"image.size": 288, "train.batch_size": 32, "optimizer.cooldown": 0.6},
        images=500_000,
    ),
    Recipe(
        "photo-x4",
        "photo-x4",
        HELD_OUT
        | SLOWER
        | {
            "image.size": 224,
            "train.batch_size": 16,
            "optimizer.generator_lr": 1e-4,
            "optimizer.cooldown": 0.4,
        },
        images=65_000,
        after="photo-x4-fidelity",
    ),
    Recipe(
        "photo-x4-small",
        "upscale-x4",
        HELD_OUT
        | {"model.channels": 32, "model.convolutions": 13, "image.size": 288, "optimizer.cooldown": 0.3},
        images=36_000,
    ),
    Recipe(
        "photo-x2",
        "upscale-x2",
        HELD_OUT | SLOWER | {"image.size": 160, "train.batch_size": 32, "optimizer.cooldown": 0.6},
        images=674_000,
    ),
)


RECIPES = (*DRAWN, *WORN, *SHEETS, *ENLARGED)


def main() -> None:
    """See above."""
    args = parse()
    drawn, worn, sheets, enlarged = (
        [recipe for recipe in recipes if args.only in (None, recipe.name)]
        for recipes in (DRAWN, WORN, SHEETS, ENLARGED)
    )
    if drawn:
        train(drawn, make_openmoji(args.out / "openmoji", 64), args.out)
    if worn:
        try:
            train(worn, make_fashion_mnist(args.out / "fashion-mnist"), args.out)
        except MissingDependencyError as error:
            print(f"{worn[0].name} is left out: {error.message}: {error.hint}")
    if sheets and args.sheets is None:
        print(f"{sheets[0].name} is left out: --sheets DIR says what it learns from.")
    elif sheets:
        train(sheets, args.sheets, args.out)
    if not enlarged:
        return
    if args.photos is None:
        print("The upscalers are left out: --photos DIR, or make zoo PHOTOS=DIR, says what they learn from.")
        return
    train(enlarged, args.photos, args.out)


def train(recipes: Sequence[Recipe], pictures: Path, out: Path) -> None:
    """One after the other, each into its folder below `out`; what is finished stays."""
    for recipe in recipes:
        begun = {"train.begin_with": str(out / recipe.after)} if recipe.after else {}
        run = impasto.train(
            pictures,
            out / recipe.name,
            preset=recipe.preset,
            minutes=recipe.minutes,
            images=recipe.images,
            overrides={**recipe.overrides, **begun},
            resume=True,
        )
        print(f"{recipe.name}: {run.reason}")
        if run.reason.condition == "interrupted":
            raise SystemExit(130)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/zoo"))
    parser.add_argument("--only", metavar="MODEL", choices=[recipe.name for recipe in RECIPES])
    parser.add_argument("--photos", type=Path, help="a folder of sharp photographs")
    parser.add_argument("--sheets", type=Path, help="a folder of sheets of drawings")
    return parser.parse_args()


if __name__ == "__main__":
    main()
