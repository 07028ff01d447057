"""`impasto export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An upscaler: a name, a run, a file.")],
    to: Annotated[str, typer.Option(help="onnx or openvino.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")],
) -> None:
    """Write an upscaler for other programs, checked against PyTorch before anything is written.

    Input `pictures` (1, 3, h, w) and output `enlarged`, float32 in [-1, 1]; height and width are free.
    """
    from impasto.errors import InputError
    from impasto.inference.export import export as write
    from impasto.inference.upscalers import load_network

    if to not in ("onnx", "openvino"):
        raise InputError(f"there is no export to '{to}'", "--to onnx or openvino")
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")
    network, name = load_network(model)
    kind: Literal["onnx", "openvino"] = "onnx" if to == "onnx" else "openvino"
    for path in write(network, kind, out / name):
        print(path)
