"""`impasto serve`."""

import os
from pathlib import Path
from typing import Annotated

import typer


def serve(
    workspace: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Where runs and uploads go; more of them, to look in, as --workspace again.  [default: .]",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535)] = 7860,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="IMPASTO_TOKEN", help="What others must know to come in. Needed beyond this computer."
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A site whose pages may use the API, such as https://example.org."),
    ] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="The page, or the API alone.")] = True,
) -> None:
    """Open the studio: a page to train, steer, explore and upscale in, and an HTTP API.

    Ctrl-C finishes what is begun and lets trainings save.
    """
    from impasto.errors import MissingDependencyError
    from impasto.studio.settings import Settings

    os.environ.pop("IMPASTO_TOKEN", None)  # it was read: no process that is started from here needs it
    folders = tuple(workspace or [Path()])
    settings = Settings(
        folders, host=host, port=port, token=token or None, origins=tuple(allow_origin or ()), page=page
    )
    try:
        from impasto.studio.server import serve as run
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "impasto":
            raise
        raise MissingDependencyError(
            f"the studio needs the package {error.name}", "pip install 'impasto[studio]'"
        ) from None
    place = folders[0].resolve()
    run(settings, lambda at: print(f"Impasto is at {at} and works in {place}. Ctrl-C ends it.", flush=True))
