"""The command line: one file per verb, each a thin layer over a function of the library."""

import sys

import typer

from impasto.cli.demo import demo
from impasto.cli.directions import directions
from impasto.cli.doctor import doctor
from impasto.cli.evaluate import evaluate
from impasto.cli.export import export
from impasto.cli.generate import generate
from impasto.cli.health import health
from impasto.cli.hub import pull, push
from impasto.cli.inspect import inspect
from impasto.cli.interpolate import interpolate
from impasto.cli.mix import mix
from impasto.cli.models import models
from impasto.cli.neighbours import neighbours
from impasto.cli.pack import pack
from impasto.cli.project import project
from impasto.cli.samples import samples
from impasto.cli.serve import serve
from impasto.cli.train import train
from impasto.cli.upscale import upscale
from impasto.errors import ImpastoError, InputError
from impasto.telemetry import hidden, keep_files_in_cache, without_telemetry

app = typer.Typer(
    name="impasto",
    help="A GAN studio: train a generator on a folder of pictures, on the computer you have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
verbs = (
    demo, samples, models, inspect, pack, train, health, generate, interpolate, mix, neighbours, project,
    directions, upscale, evaluate, export, push, pull, serve, doctor,
)  # fmt: skip
for verb in verbs:
    app.command()(verb)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 2 wrong input, 1 anything else, 130 interrupted."""
    keep_files_in_cache()
    try:
        # Lightning Fabric imports torchmetrics to compare its version, and with it matplotlib, which looks
        # through all fonts of the computer.
        with without_telemetry(), hidden("torchmetrics"):
            app()
    except InputError as error:
        _fail(error.message, error.hint, 2)
    except ImpastoError as error:
        _fail(error.message, error.hint, 1)
    except OSError as error:  # a full disk, no permission: the machine's word is the best there is
        _fail(str(error), "", 1)
    except KeyboardInterrupt:
        _fail("interrupted", "", 130)


def _fail(message: str, hint: str, code: int) -> None:
    print(f"impasto: {message}", file=sys.stderr)
    if hint:
        print(f"         {hint}", file=sys.stderr)
    sys.exit(code)
