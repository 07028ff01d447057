"""`impasto pack`."""

from pathlib import Path
from typing import Annotated, Any

import typer


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
    import json

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
    found = packed.shards
    size = sum(shard.bytes or 0 for shard in found.shards)
    if json_:
        tree = {
            "out": str(out),
            "pictures": found.pictures,
            "shards": len(found.shards),
            "written": packed.written,
            "bytes": size,
            "themes": dict(found.themes),
            "rejected": {item.path: item.reason for item in packed.rejected},
            "left_out": {item.path: item.reason for item in packed.left_out},
        }
        print(json.dumps(tree, indent=2))
        return
    say = screen.say
    new = "" if packed.written == len(found.shards) else f", {packed.written} of them new"
    shards = "1 shard" if len(found.shards) == 1 else f"{len(found.shards):,} shards"
    say(f"{found.pictures:,} pictures in {shards}{new}, {size / 2**20:,.1f} MiB, in {out}")
    for note in packed.notes:
        say(note)
    say(f"Next: {screen.typed('impasto', 'train', out)} --out run")
