"""The command line: one file per verb, each a thin layer over a function of the library."""

import re
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
from impasto.cli.screen import prepare
from impasto.cli.serve import serve
from impasto.cli.train import train
from impasto.cli.translate import translate
from impasto.cli.upscale import upscale
from impasto.errors import ImpastoError, InputError
from impasto.interrupts import Interrupted, say
from impasto.telemetry import hidden, keep_files_in_cache, without_telemetry
from impasto.terminal import escaped

_MAY_BE_EMPTY = ("--message", "--token")

app = typer.Typer(
    name="impasto",
    help="A GAN studio: train a generator on a folder of pictures, on the computer you have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
verbs = (
    demo, samples, models, inspect, pack, train, health, generate, interpolate, mix, neighbours, project,
    directions, translate, upscale, evaluate, export, push, pull, serve, doctor,
)  # fmt: skip
for verb in verbs:
    app.command()(verb)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 2 wrong input, 1 anything else, 130 interrupted by Ctrl-C, 143 by SIGTERM.
    """
    prepare()
    keep_files_in_cache()
    try:
        _refuse_empty(sys.argv[1:])
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
    except Interrupted as interrupted:
        say()
        sys.exit(interrupted.code)
    except KeyboardInterrupt:  # where nobody installed handlers
        say()
        sys.exit(130)


def _refuse_empty(arguments: list[str]) -> None:
    """Raises `InputError` for an empty argument: as a path it would be the current folder."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        said = re.fullmatch(r"(--[a-z-]+)=", argument)
        option = said[1] if said else before if before.startswith("--") else ""
        if (said or not argument) and option not in _MAY_BE_EMPTY:
            where = f"{option} is given nothing" if option else "an argument is empty"
            raise InputError(where, "a variable of your shell may not be set")


def _fail(message: str, hint: str, code: int) -> None:
    print(f"impasto: {escaped(message)}", file=sys.stderr)
    if hint:
        print(f"         {escaped(hint)}", file=sys.stderr)
    sys.exit(code)
