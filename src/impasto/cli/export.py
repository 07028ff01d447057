"""`impasto export`."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from impasto.cli.output import Overwrite


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, a run or model folder, a file.")],
    to: Annotated[str, typer.Option(help="onnx, openvino, ncnn or spandrel.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the files go, or the name of one, such as x.onnx.")
    ],
    overwrite: Overwrite = False,
) -> None:
    """Write a model for other programs, checked against PyTorch before anything is written.

    Upscalers, ONNX and OpenVINO: input `pictures` (1, 3, h, w) and output `enlarged`, float32 in [-1, 1];
    height and width are free. ncnn: `data` and `output` in [0, 1], as programs that run Real-ESRGAN by ncnn
    expect. spandrel: a .safetensors file that chaiNNer and other tools load as "RealESRGAN Compact".

    Generators, ONNX and OpenVINO: `noise` (B, latent_dim), `truncation` (B,), and where the model has them
    `choice` (B,) and `themes` (B, T) -> `pictures` (B, C, H, W) in [-1, 1]; B is free. What they mean
    for this model is in the file, as the property `impasto`.
    """
    from impasto.cli.screen import say
    from impasto.errors import InputError
    from impasto.export import files
    from impasto.outputs import Outputs
    from impasto.tasks.generation.sampling.model import load
    from impasto.tasks.upscaling.inference.upscalers import is_upscaler, load_network

    if to not in get_args(files.Kind):
        raise InputError(f"there is no export to '{to}'", f"--to {', '.join(get_args(files.Kind))}")
    kind = cast(files.Kind, to)
    folder, stem = _place(out, files.SUFFIXES[kind], {s for known in files.SUFFIXES.values() for s in known})
    enlarges = is_upscaler(model)
    if enlarges:
        network, name = load_network(model)
    else:
        name = Path(model).resolve().name
    stem = stem or name
    beside = () if enlarges else (".json",)
    names = [f"{stem}{suffix}" for suffix in (*files.SUFFIXES[kind], *beside)]
    Outputs(folder, names, overwrite=overwrite)
    if enlarges:
        written = files.export(network, kind, folder / stem)
    else:
        written = files.export_generator(load(model), kind, folder / stem)
    for path in written:
        say(str(path))


def _place(out: Path, suffixes: Sequence[str], known: Container[str]) -> tuple[Path, str]:
    """The folder, and the files' name where `out` names a file; empty where it is a folder."""
    from impasto.errors import InputError
    from impasto.outputs import means_file

    if not means_file(out, known):
        return out, ""
    if out.suffix.lower() not in suffixes:
        raise InputError(f"'{out}' does not end in {suffixes[0]}", "give --out a folder, or such a name")
    return out.parent, out.name[: -len(out.suffix)]
