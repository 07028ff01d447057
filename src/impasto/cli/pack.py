"""`impasto pack`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from impasto.data.packing import Packed


def pack(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="A folder of pictures, hf:NAME or torchvision:NAME.")
    ],
    out: Annotated[Path, typer.Option(metavar="SHARDS", help="Where the shards go: a new folder.")],
    per_shard: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures in each.")] = 1_000,
    themes: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="Where themes come from: folders, tags (a .txt beside each picture), none, or a CSV, JSON"
            " or JSONL file.",
        ),
    ] = "folders",
    min_side: Annotated[int, typer.Option(min=1, metavar="PX", help="Leave out what is smaller.")] = 8,
    dedupe: Annotated[bool, typer.Option("--dedupe", help="Leave out exact and near duplicates.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace shards of other pictures that are there.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Write a folder's pictures to tar shards, as WebDataset reads them, which `train` takes for a folder.

    Shards that are there already are kept: the same command goes on where it was interrupted.
    """
    from impasto.cli import screen
    from impasto.cli.progress import reading_pictures
    from impasto.config.reading import load_config
    from impasto.data.named_sets import arriving, is_named
    from impasto.data.packing import pack_folder, pack_stream
    from impasto.errors import InputError

    config = load_config(
        overrides={"data.themes": themes, "data.min_side_px": min_side, "data.dedupe": dedupe}
    )
    show = reading_pictures(screen.console(stderr=True))
    data, image = config.data, config.image
    how: dict[str, Any] = {"per_shard": per_shard, "overwrite": overwrite, "progress": show}
    if not is_named(directory):
        packed = pack_folder(Path(directory), out, data, image, **how)
    elif themes != "folders" or dedupe:
        raise InputError(
            "themes of a library's set are its own, and copies stay", "leave out --themes and --dedupe"
        )
    else:
        packed = pack_stream(arriving(directory), out, data, **how)
    if json_:
        print(_as_json(packed, out))
    else:
        _report(packed, out)


def _as_json(packed: "Packed", out: Path) -> str:
    import json

    found = packed.shards
    tree = {
        "out": str(out),
        "pictures": found.pictures,
        "shards": len(found.shards),
        "written": packed.written,
        "bytes": _bytes(packed),
        "themes": dict(found.themes),
        "rejected": {item.path: item.reason for item in packed.rejected},
        "left_out": {item.path: item.reason for item in packed.left_out},
    }
    return json.dumps(tree, indent=2)


def _report(packed: "Packed", out: Path) -> None:
    from impasto.cli.screen import say, typed

    found, count = packed.shards, len(packed.shards.shards)
    new = "" if packed.written == count else f", {packed.written} of them new"
    shards = "1 shard" if count == 1 else f"{count:,} shards"
    say(f"{found.pictures:,} pictures in {shards}{new}, {_bytes(packed) / 2**20:,.1f} MiB, in {out}")
    for note in packed.notes:
        say(note)
    say(f"Next: {typed('impasto', 'train', out)} --out run")


def _bytes(packed: "Packed") -> int:
    return sum(shard.bytes or 0 for shard in packed.shards.shards)
