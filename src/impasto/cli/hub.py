"""`impasto push` and `impasto pull`."""

from pathlib import Path
from typing import Annotated

import typer

from impasto.cli.output import Overwrite
from impasto.cli.screen import say

Repo = Annotated[str, typer.Argument(metavar="USER/NAME", help="Its place on the Hugging Face hub.")]


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or a run (its best model).")],
    repo: Repo,
    private: Annotated[bool, typer.Option("--private", help="Let nobody else see it, if it is new.")] = False,
    message: Annotated[str, typer.Option(help="What to say of this version.")] = "",
) -> None:
    """Upload a model to the Hugging Face hub: weights, description and card."""
    from impasto.export.hub import push as upload

    say(upload(model, repo, private=private, message=message))


def pull(
    repo: Repo,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the model goes.")],
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Download a model from the Hugging Face hub; it is checked before anything is written."""
    from impasto.export.hub import pull as download

    say(f"{repo} is in {download(repo, out, revision=revision, overwrite=overwrite)}")
