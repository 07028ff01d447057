"""A folder of drawings with themes, made from open sets of icons: what the start model `drawings-64` learns.

    npm pack @iconify-json/twemoji @iconify-json/fxemoji ...  # the sets of SETS, each a file .tgz
    apt-get download openclipart-png && dpkg-deb -x openclipart-png_*.deb clip-art
    python benchmarks/drawings.py *.tgz --clip-art clip-art --out drawings-64

OpenMoji and Noto are left out, so that they can measure what such a start is worth. Skin tones are left
out, too: they would make five sixths of all people near-duplicates. `credits.md` beside the pictures names
the makers.
"""

import argparse
import json
import re
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyvips

SETS = (
    "twemoji", "fluent-emoji-flat", "fluent-emoji", "fxemoji", "emojione", "streamline-emojis",
    "flat-color-icons",
)  # fmt: skip
# What a set calls its categories, where other names are usual.
THEMES = {
    "activities": ("activity",),
    "animals-nature": ("nature",),
    "flags": (),
    "food-drink": ("food",),
    "objects": (),
    "people-body": ("people", "smiley people"),
    "smileys-emotion": (),
    "symbols": (),
    "travel-places": ("travel", "places"),
}
SKIN_TONE = re.compile(r"(^|-)(dark|medium|light)(-|$)|skin-tone")
OTHERS = "icons"
# Folders of openclipart (public domain) and the themes that are theirs; other folders hold parts and buttons.
CLIP_ART = {
    "animals": "animals-nature", "plants": "animals-nature", "food": "food-drink", "people": "people-body",
    "recreation": "activities", "transportation": "travel-places", "buildings": "travel-places",
    "geography": "travel-places", "tools": "objects", "office": "objects", "electronics": "objects",
    "containers": "objects", "education": "objects", "science": "objects", "signs_and_symbols": "symbols",
    "special": "icons", "unsorted": "icons", "decorations": "icons",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    sets = {name: read(path) for path in args.archives if (name := set_of(path)) in SETS}
    missing = [f"@iconify-json/{name}" for name in SETS if name not in sets]
    if missing:
        sys.exit(f"missing: npm pack {' '.join(missing)}")
    themes = known_themes(sets)
    for name in SETS:
        icons = sets[name]["icons"]
        count = 0
        for key, icon in icons["icons"].items():
            if icon.get("hidden") or (name != "flat-color-icons" and SKIN_TONE.search(key)):
                continue
            folder = args.out / themes.get((name, key), themes.get(("", key), OTHERS))
            folder.mkdir(parents=True, exist_ok=True)
            drawn(icon, icons, args.size).pngsave(str(folder / f"{name}-{key}.png"))
            count += 1
        print(f"{count:5} {name}")
    about = [sets[name]["info"] for name in SETS]
    lines = [f"- {i['name']} by {i['author']['name']}, {i['license']['title']}\n" for i in about]
    if args.clip_art:
        print(f"{clip_art(args.clip_art, args.out, args.size):5} openclipart")
        lines.append("- Open Clip Art Library 0.18 by its contributors, public domain\n")
    (args.out / "credits.md").write_text("".join(lines), encoding="utf-8")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--clip-art", type=Path, help="the unpacked Debian package openclipart-png")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    return parser.parse_args(arguments)


def set_of(path: Path) -> str:
    """iconify-json-noto-v1-1.2.5.tgz -> noto-v1"""
    return re.sub(r"^.*json-(.*)-\d[\d.]*\.tgz$", r"\1", path.name)


def read(path: Path) -> dict[str, Any]:
    """The JSON files of a set."""
    with tarfile.open(path) as archive:
        return {
            Path(member.name).stem: json.load(archive.extractfile(member))  # type: ignore[arg-type]
            for member in archive.getmembers()
            if member.name in {f"package/{name}.json" for name in ("icons", "info", "metadata")}
        }


def known_themes(sets: dict[str, dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(set, icon) -> theme; the set is "" for what sets with the usual categories say of an icon's name."""
    usual = {alias: theme for theme, aliases in THEMES.items() for alias in (theme, *aliases)}
    known: dict[tuple[str, str], str] = {}
    for name, parts in sets.items():
        for category, keys in parts.get("metadata", {}).get("categories", {}).items():
            plain = re.sub(r"\W+", " ", category.replace("&", " ")).lower().strip()
            theme = usual.get(plain.replace(" ", "-"), usual.get(plain))
            if theme is None:  # the colours of skin
                continue
            for key in keys:
                known[name, key] = theme
                if name in ("twemoji", "fluent-emoji-flat"):
                    known["", key] = theme
    # People and smileys are one category in some sets: others know the icon's name.
    mixed = {at for at, theme in known.items() if theme == "people-body" and ("", at[1]) in known}
    return known | {at: known["", at[1]] for at in mixed}


def drawn(icon: dict[str, Any], icons: dict[str, Any], size: int) -> pyvips.Image:
    """An icon on white, (size, size, 3)."""
    left, top = (icon.get(side, icons.get(side, 0)) for side in ("left", "top"))
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{size}" height="{size}">{icon["body"]}</svg>'
    )
    picture = pyvips.Image.svgload_buffer(svg.encode())
    return picture.flatten(background=255).gravity("centre", size, size, extend="white")


def clip_art(root: Path, out: Path, size: int) -> int:
    """Write clip art on white, with the usual margin of icons; says how many there were."""
    count = 0
    for kind, theme in CLIP_ART.items():
        for path in sorted(root.rglob(f"png/{kind}/**/*.png")):
            try:
                picture = pyvips.Image.thumbnail(str(path), size - 4, height=size - 4).colourspace("srgb")
                picture = picture.flatten(background=255) if picture.hasalpha() else picture
                folder = out / theme
                folder.mkdir(parents=True, exist_ok=True)
                framed = picture.gravity("centre", size, size, extend="white")
                framed.pngsave(str(folder / f"clip-{kind}-{path.stem}.png"))
            except pyvips.Error:  # a few files are damaged
                continue
            count += 1
    return count


if __name__ == "__main__":
    main()
