"""`impasto inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from impasto.cli.output import Overwrite, check_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from impasto.data.inspect import Inspection

_SHOWN = 8
_THEMES_SHOWN = 20
_DEGRADED = 8  # pictures on the sheet of --degrade


def inspect(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures.")],
    size: Annotated[
        str, typer.Option(metavar="PX", help="The size you mean to train at, as `train` has it.")
    ] = "64",
    fit: Annotated[str, typer.Option(help="crop, letterbox or random-crop.")] = "crop",
    themes: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="Where themes come from: folders, tags (a .txt beside each picture), none, or a CSV, JSON"
            " or JSONL file. `train` knows it as --set data.themes=SOURCE.",
        ),
    ] = "folders",
    degrade: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Show what an upscaler would learn to undo: bicubic, photo or drawing, as a sheet.",
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="The pictures of the layouts in the first folder, or side-by-side: which are pairs?",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the sheet of --degrade or --pairs goes.  [default: degraded.png, or none of pairs]",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Look at a folder before training: counts, sizes, broken files, copies, themes, palette, advice."""
    import json

    from impasto.cli import screen
    from impasto.cli.progress import reading_pictures
    from impasto.config.reading import load_config
    from impasto.config.shared import ImageConfig
    from impasto.config.size import drawn, parse_size, size_settings
    from impasto.data.inspect import inspect_folder
    from impasto.data.shards import find_shards
    from impasto.errors import InputError

    if find_shards(str(directory)):
        raise InputError(f"'{directory}' holds shards", "look at a folder before it is packed")
    show = reading_pictures(screen.console(stderr=True))
    if degrade is not None:
        to = sheet or Path("degraded.png")
        screen.say(_degrade(directory, degrade, to, show, overwrite=overwrite))
        return
    if pairs is not None:
        side = min(parse_size(size))
        _pairs(directory, pairs, side, sheet, show, overwrite=overwrite, as_json=json_)
        return
    shape = parse_size(size)
    config = load_config(
        overrides={**size_settings(drawn(shape, None)), "data.fit": fit, "data.themes": themes}
    )
    image = ImageConfig(size=shape[0], width=shape[1])
    found = inspect_folder(directory, config.data, image, seed=config.train.seed, progress=show)
    if json_:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        _report(found)


def _report(found: "Inspection") -> None:
    from rich.text import Text

    from impasto.cli.screen import console as make_console

    console = make_console()
    console.print(Text(f"{found.pictures:,} pictures in {found.root}", style="bold"), soft_wrap=True)
    console.print(_table(found))
    for note in found.notes:
        console.print(Text(note), soft_wrap=True)
    for title, lines in (
        ("Cannot be used", [f"{path} {reason}" for path, reason in found.broken.items()]),
        ("The same, byte for byte", [" = ".join(group) for group in found.exact_duplicates]),
        ("The same to the eye", [" ~ ".join(group) for group in found.near_duplicates]),
    ):
        if lines:
            rest = [f"and {len(lines) - _SHOWN:,} more: --json lists all"] if len(lines) > _SHOWN else []
            console.print(Text(f"\n{title}", style="bold"))
            for line in (*lines[:_SHOWN], *rest):
                console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(Text("\nAdvice", style="bold"))
    for line in found.advice:
        console.print(Text(f"  {line}"), soft_wrap=True)


def _table(found: "Inspection") -> "Table":
    from rich.table import Table
    from rich.text import Text

    palette = Text()
    for colour, share in found.palette:
        palette.append("  ", style=f"on {colour}")
        palette.append(f" {colour} {share:.0%}  ")
    shortest, longest = (
        f"{low:,} to {high:,}, median {middle:,} px"
        for low, middle, high in (found.shortest_side_px, found.longest_side_px)
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("formats", ", ".join(f"{count:,} {name}" for name, count in found.formats.items())),
        ("short side", shortest),
        ("long side", longest),
        ("near square", f"{found.square_share:.0%}"),
        ("shape", f"{found.shape_share:.0%} are about {found.shape}: --size {found.size}"),
        ("themes", _themes(found)),
        ("palette", palette),
        ("brightness", f"{found.mean_brightness:.0%}"),
        ("held out", f"{found.holdout:,} to measure with"),
        ("preset", f"{found.preset}: {found.preset_reason}"),
        ("cannot be used", f"{len(found.broken):,}"),
        ("other files", f"{found.ignored:,}"),
    ):
        table.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(value))
    return table


def _themes(found: "Inspection") -> str:
    """Names with counts; of many the commonest, and how many more there are."""
    names = list(found.themes)
    shown = [
        f"{name} {found.themes[name]:,}" + (" (rare)" if name in found.rare_themes else "")
        for name in names[:_THEMES_SHOWN]
    ]
    if len(names) > _THEMES_SHOWN:
        rare = sum(name in found.rare_themes for name in names[_THEMES_SHOWN:])
        shown.append(f"and {len(names) - _THEMES_SHOWN:,} more, {rare:,} of them rare: --json lists all")
    if found.themes and found.without_theme:
        shown.append(f"without {found.without_theme:,}")
    return ", ".join(shown) or "none"


def _pairs(
    directory: Path,
    pairs: str,
    size: int,
    sheet: Path | None,
    show: "Callable[[str, int, int], None]",
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Say which files are pairs and which are not, and write a sheet of some pairs where one is asked for.

    Args:
        directory: Folder of the layouts, or of files that hold both.
        pairs: Folder of the pictures, or side-by-side.
        size: The size that is meant to be trained at, in px.
        sheet: File of the sheet. None: there is none.
        show: Is told how far the pictures have been read.
        overwrite: Whether a sheet that is there is replaced.
        as_json: Whether all is printed as JSON, each file that is left out too.
    """
    import json

    import numpy as np

    from impasto.cli import screen
    from impasto.config.reading import load_config
    from impasto.config.translation import TranslationConfig
    from impasto.data.layouts import open_layouts, palette_of
    from impasto.data.pair_files import find_pairs
    from impasto.image.files import grid, save
    from impasto.image.labels import paint
    from impasto.outputs import Outputs

    outputs = None
    if sheet is not None:
        outputs = Outputs(sheet.parent, [sheet.name], overwrite=overwrite)
        check_format(sheet.suffix[1:].lower())
    config = cast(TranslationConfig, load_config("translate", {"image.size": size, "layout.jitter": 0.0}))
    how = config.data, config.image, config.layout
    data, layout = open_layouts(directory, pairs, *how, seed=config.train.seed, progress=show)
    source, _ = find_pairs(directory, pairs, config.data)
    found = {
        "pairs": len(source),
        "held_out": len(data.holdout_indices),
        "layouts": layout.kind,
        "labels": {label.name: label.colour for label in layout.labels},
        "left_out": {f"{side}/{item.path}": item.reason for side, item in source.left_out},
    }
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        screen.say(f"{len(source):,} pairs, {len(data.holdout_indices):,} of them held out to measure with")
        for note in data.notes:
            screen.say(note)
    if outputs is not None and sheet is not None:
        rows = data.all_pairs(4 * _DEGRADED)
        layouts = paint(rows[..., 0], palette_of(layout)) if layout.labels else rows[..., :3]
        both = np.concatenate((layouts, rows[..., -3:]), 2)
        save(grid(both, columns=4), outputs.path(sheet.name))
        screen.say(f"{sheet}: layouts, each beside its picture")


def _degrade(
    directory: Path, kind: str, sheet: Path, show: "Callable[[str, int, int], None]", *, overwrite: bool
) -> str:
    """Write the sheet; returns what to say of it."""
    from impasto.config.reading import load_config
    from impasto.data.folder import scan_pictures
    from impasto.errors import InputError
    from impasto.image.codec import read
    from impasto.image.files import save
    from impasto.outputs import Outputs
    from impasto.tasks.upscaling.degradations import Degradation, degradation_sheet

    if kind not in get_args(Degradation):
        raise InputError(f"there is no degradation '{kind}'", "--degrade bicubic, photo or drawing")
    undone = cast(Degradation, kind)
    outputs = Outputs(sheet.parent, [sheet.name], overwrite=overwrite)
    check_format(sheet.suffix[1:].lower())
    config = load_config("upscale-x4")
    scan = scan_pictures(directory, config.data, config.image, show)
    step = max(1, len(scan.pictures) // _DEGRADED)
    chosen = [read(scan.root / picture.path) for picture in scan.pictures[::step][:_DEGRADED]]
    save(degradation_sheet(chosen, config.image.size, 4, undone), outputs.path(sheet.name))
    return f"{sheet}: in each row a window as it is, then four fates of it ({kind}, 4 times smaller)"
