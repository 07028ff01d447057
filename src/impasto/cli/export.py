"""`impasto export`."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An upscaler: a name, a run, a file.")],
    to: Annotated[str, typer.Option(help="onnx, openvino or ncnn.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")],
) -> None:
    """Write an upscaler for other programs, checked against PyTorch before anything is written.

    ONNX and OpenVINO: input `pictures` (1, 3, h, w) and output `enlarged`, float32 in [-1, 1]; height and
    width are free. ncnn: `data` and `output` in [0, 1], as programs that run Real-ESRGAN by ncnn expect.
    """
    from impasto.errors import InputError
    from impasto.inference.export import Kind
    from impasto.inference.export import export as write
    from impasto.inference.upscalers import load_network

    if to not in get_args(Kind):
        raise InputError(f"there is no export to '{to}'", f"--to {', '.join(get_args(Kind))}")
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")
    network, name = load_network(model)
    for path in write(network, cast(Kind, to), out / name):
        print(path)
