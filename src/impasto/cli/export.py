"""`impasto export`."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, a run or model folder, a file.")],
    to: Annotated[str, typer.Option(help="onnx, openvino, ncnn or spandrel.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")],
) -> None:
    """Write a model for other programs, checked against PyTorch before anything is written.

    Upscalers, ONNX and OpenVINO: input `pictures` (1, 3, h, w) and output `enlarged`, float32 in [-1, 1];
    height and width are free. ncnn: `data` and `output` in [0, 1], as programs that run Real-ESRGAN by ncnn
    expect. spandrel: a .safetensors file that chaiNNer and other tools load as "RealESRGAN Compact".

    Generators, ONNX and OpenVINO: `noise` (B, latent_dim), `truncation` (B,), and where the model has them
    `choice` (B,) and `themes` (B, T) -> `pictures` (B, C, size, size) in [-1, 1]; B is free. What they mean
    for this model is in the file, as the property `impasto`.
    """
    from impasto.errors import InputError
    from impasto.inference import export as files
    from impasto.inference.sampler import load
    from impasto.inference.upscalers import is_upscaler, load_network

    if to not in get_args(files.Kind):
        raise InputError(f"there is no export to '{to}'", f"--to {', '.join(get_args(files.Kind))}")
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")
    kind = cast(files.Kind, to)
    if is_upscaler(model):
        network, name = load_network(model)
        written = files.export(network, kind, out / name)
    else:
        generator = load(model)
        written = files.export_generator(generator, kind, out / Path(model).resolve().name)
    for path in written:
        print(path)
