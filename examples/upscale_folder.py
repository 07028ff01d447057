"""Enlarge every picture below a folder; one that cannot be read costs itself alone.

    python examples/upscale_folder.py scans larger [photo-x4]

`impasto upscale scans --out larger` does the same with a progress bar and several pictures in work.
"""

import sys
from pathlib import Path

import impasto


def main(folder: str, out: str, model: str = "photo-x4") -> None:
    upscaler = impasto.load_upscaler(model)
    print(f"{upscaler.name} on {upscaler.engine.name}: {upscaler.choice.reason}")
    for source in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        target = (Path(out) / source.relative_to(folder)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            width, height = upscaler.file(source, target)
        except impasto.ImpastoError as error:
            print(f"{source}: {error.message}")
        else:
            print(f"{target}: {width} x {height}")


if __name__ == "__main__":
    main(*sys.argv[1:])
