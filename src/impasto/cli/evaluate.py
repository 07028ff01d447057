"""`impasto evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.output import Overwrite

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model folder, a run (its best model), an upscaler or a translator."
        ),
    ],
    against: Annotated[str, typer.Option(metavar="DIR", help="The real pictures, or shards of them.")],
    pairs: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Of a translator: the pictures of the layouts, as for train."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="How many pictures to make.  [default: as many as real]")
    ] = None,
    control: Annotated[
        bool,
        typer.Option("--control", help="How themes and colours are obeyed, and photos found. Same folder."),
    ] = False,
    sheet: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write samples above the training pictures nearest to them."),
    ] = None,
    json_: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the figures as JSON; - for the screen."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how good and how new a model's pictures are, beside what real pictures would get.

    Give the folder that it was trained on: the pictures that were held out are what it is compared with.
    An upscaler has to give back what was made small, beside bicubic; a translator the pictures of layouts.
    """
    import json

    from rich.table import Table

    from impasto.cli import screen
    from impasto.cli.progress import reading_pictures
    from impasto.errors import InputError
    from impasto.files import write_bytes_atomically
    from impasto.metrics.report import findings
    from impasto.outputs import Outputs
    from impasto.tasks.translation.report import is_translator
    from impasto.tasks.upscaling.inference.upscalers import is_upscaler

    file = Path(json_) if json_ not in (None, "-") else None
    translates = is_translator(model)
    if translates and (pairs is None or control):
        raise InputError(
            "a translator is measured on pairs", "--against LAYOUTS --pairs PICTURES, or side-by-side"
        )
    if pairs is not None and not translates:
        raise InputError("--pairs is for translators", "leave it out")
    if sheet and (control or translates or is_upscaler(model)):
        raise InputError("--sheet is for a generator's samples", "leave it out, or --control")
    for path in (file, Path(sheet) if sheet else None):
        if path is not None:  # before the work
            Outputs(path.parent, [path.name], overwrite=overwrite)
    console = screen.console(stderr=json_ == "-")
    table = Table(box=None, show_header=False)

    def warn(words: str) -> None:
        console.print(words, highlight=False, markup=False, soft_wrap=True)

    told: dict[str, Any] = {"progress": reading_pictures(console), "warn": warn}
    result: object
    if control:
        result = _control(model, against, table, **told)
    elif pairs is not None:
        result = _translate(model, against, pairs, table, **told)
    elif is_upscaler(model):
        result = _compare(model, against, table, **told)
    else:
        result = _measure(model, against, table, samples=samples, sheet=sheet, **told)
    text = json.dumps(result, indent=2)
    if json_ == "-":
        print(text)
        return
    console.print(table)
    panel = result.get("panel") if translates and isinstance(result, dict) else result
    if isinstance(panel, dict) and not control:
        for words in findings(panel):
            console.print(words, highlight=False, soft_wrap=True)
    if file is not None:
        write_bytes_atomically(file, text.encode())


def _measure(model: str, against: str, table: "Table", **asked: Any) -> dict[str, Any]:
    """The figures of a generator's samples and of real pictures; one row of the table for each."""
    from impasto.metrics.report import rows
    from impasto.tasks.generation.evaluation import evaluate as measure
    from impasto.tasks.generation.sampling.model import load

    found = measure(load(model), against, **asked)
    _head(table, "samples", "real pictures")
    for name, value, floor in rows(found):
        table.add_row(name, *("" if x is None else f"{x:,.4g}" for x in (value, floor)))
    if "fid" in found:
        table.add_row("FID", f"{found['fid']:,.4g}", "")
    return found


def _head(table: "Table", *names: str) -> None:
    """Columns of figures, right of the one that says what they are."""
    table.show_header = True
    table.add_column()
    for name in names:
        table.add_column(name, justify="right")


def _translate(model: str, against: str, pairs: str, table: "Table", **told: Any) -> dict[str, Any]:
    """The figures of a translator, and of real pictures that were trained on where they are known."""
    from impasto.metrics.report import rows
    from impasto.tasks.translation.inference import load_translator
    from impasto.tasks.translation.report import NAMES, compare_pairs

    found = compare_pairs(load_translator(model), against, pairs, **told)
    trained = found.get("of_training_pictures", {})
    _head(table, "translations", "training pictures")
    shown = [(name, found[key], trained.get(key)) for key, name in NAMES.items()]
    if panel := found.get("panel"):  # it has both distances, of the first seed's pictures
        shown = [*rows(panel), *(row for row in shown if row[0] not in ("KID-lite0", "FD-lite0"))]
    for name, *values in shown:
        table.add_row(name, *("" if x is None else f"{x:,.4g}" for x in values))
    return found


def _compare(model: str, against: str, table: "Table", **told: Any) -> list[dict[str, Any]]:
    """The figures of an upscaler and of the classic ways; one row of the table for each."""
    from impasto.tasks.upscaling.evaluation import compare
    from impasto.tasks.upscaling.inference.upscalers import load_upscaler

    rows = compare(load_upscaler(model), Path(against), **told)
    _head(table, "PSNR-Y, dB", "SSIM-Y", "consistency, dB", "texture", "structure")
    for row in rows:
        figures = (f"{row.psnr:.2f}", f"{row.ssim:.4f}", f"{row.consistency:.1f}")
        table.add_row(row.method, *figures, f"{row.texture:.4f}", f"{row.structure:.4f}")
    return [row.to_dict() for row in rows]


def _control(model: str, against: str, table: "Table", **told: Any) -> dict[str, Any]:
    """The figures of `generation.control`; a row of the table for each."""
    from impasto.tasks.generation.control import control
    from impasto.tasks.generation.sampling.model import load

    found = control(load(model), against, **told)
    if "themes" in found:
        themes = found["themes"]
        words = "of {accuracy:.2f}; chance {chance:.2f}, real pictures {ceiling:.2f}".format(**themes)
        table.add_row("themes", f"{themes['share_of_the_way']:.0%} of the way, accuracy {words}")
        for name, accuracy in themes["per_theme"].items():
            variety = themes["variety"][name]
            coverage = variety["coverage"]
            covered = "" if coverage is None else f", coverage {coverage:.2f}"
            table.add_row(f"  {name}", f"{accuracy:.2f}{covered}")
    for key, name in (("colours", "whole palettes"), ("some_colours", "some colours")):
        if key in found:
            words = (
                "ΔE {delta_e:.3f}; chance {chance:.3f}, nearest real {floor:.3f}; found {retrieval:.0%} of 20"
            )
            table.add_row(name, words.format(**found[key]))
    if "projection" in found:
        words = (
            "distance {distance_lite0:.2f}, PSNR {psnr:.1f} dB; nearest real "
            "{nearest_distance_lite0:.2f}, {nearest_psnr:.1f} dB"
        )
        table.add_row("photos sought", words.format(**found["projection"]))
    return found
