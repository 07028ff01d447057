"""Model folders to and from the Hugging Face hub: safetensors, JSON, the card; nothing that is executed."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from impasto.errors import CheckpointError, InputError, MissingDependencyError
from impasto.files import temporary_folder, write_bytes_atomically
from impasto.outputs import refuse_existing
from impasto.tasks import load_model
from impasto.telemetry import without_telemetry
from impasto.training.checkpoints import CARD, WEIGHTS, find_model

FILES = (WEIGHTS, CARD, "README.md")


def push(model: str | Path, repo: str, *, private: bool = False, message: str = "") -> str:
    """Upload a model folder, or a run's best model, to the Hugging Face hub.

    Args:
        model: Name of a shipped model, or folder of a model or a run.
        repo: Where to put it, USER/NAME. It is made if it is not there.
        private: Whether a repository that is made is private.
        message: Message of the commit. Empty: a standard one.

    Returns:
        The address of the repository.

    Raises:
        CheckpointError: It is no whole model.
        InputError: `repo` is no USER/NAME, or the hub cannot be reached or does not allow it.
        MissingDependencyError: huggingface_hub is not installed.
    """
    _check(repo)
    folder = find_model(model)
    load_model(folder)  # only what can be used again
    with _hub(repo) as (hub, endpoint):
        api = hub.HfApi(endpoint=endpoint)
        if not api.repo_exists(repo):  # create_repo(exist_ok=True) trips over a refusal by a hub of one's own
            api.create_repo(repo, private=private)
        api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=list(FILES),
            commit_message=message or "Upload by impasto push",
        )
        return f"{api.endpoint}/{repo}"


def pull(repo: str, out: Path, *, revision: str | None = None, overwrite: bool = False) -> Path:
    """Download a model from the Hugging Face hub, checked before anything is written.

    Args:
        repo: Where it is, USER/NAME.
        out: Folder to write it to; it holds nothing else.
        revision: Branch, tag or commit. None: the newest of the main branch.
        overwrite: Whether a model that is in `out` is replaced.

    Returns:
        `out`.

    Raises:
        CheckpointError: What is there is no model of Impasto.
        InputError: `out` holds something else, or a model and `overwrite` is false; or the hub cannot be
            reached or has no such model.
        MissingDependencyError: huggingface_hub is not installed.
    """
    _check(repo)
    if out.exists() and (not out.is_dir() or any(path.name not in FILES for path in out.iterdir())):
        raise InputError(f"'{out}' is there already, and not a model", "choose another --out")
    refuse_existing((out / name for name in FILES), overwrite=overwrite)
    with _hub(repo) as (hub, endpoint), temporary_folder() as folder:
        for name in FILES:
            hub.hf_hub_download(repo, name, revision=revision, local_dir=folder, endpoint=endpoint)
        try:
            load_model(folder)
        except CheckpointError as error:
            raise CheckpointError(f"'{repo}' on the hub is no model of Impasto: {error.message}") from None
        for name in FILES:
            write_bytes_atomically(out / name, (folder / name).read_bytes())
    return out


def _check(repo: str) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo, re.ASCII):
        raise InputError(f"'{repo}' is no place on the hub", "write USER/NAME")


@contextmanager
def _hub(repo: str) -> Iterator[tuple[Any, str | None]]:
    """The library and the address of the hub; what it raises, in our words."""
    try:
        with without_telemetry():
            import huggingface_hub
            from huggingface_hub import errors
    except ImportError:
        raise MissingDependencyError(
            "the hub needs the package huggingface_hub", "pip install 'impasto[hub]'"
        ) from None
    try:
        yield huggingface_hub, os.environ.get("HF_ENDPOINT")
    except (errors.LocalTokenNotFoundError, errors.GatedRepoError) as error:
        raise InputError(f"the hub does not know you: {_first(error)}", "hf auth login") from None
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError) as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise _unreachable(error) from None
        raise InputError(
            f"the hub has no model '{repo}' that you may see", "check the name; hf auth login"
        ) from None
    except errors.HfHubHTTPError as error:
        raise InputError(f"the hub refused: {_first(error)}", "hf auth login; check the name") from None
    except (errors.OfflineModeIsEnabled, ConnectionError) as error:
        raise _unreachable(error) from None
    except Exception as error:
        # The library that it speaks HTTP by is another from version to version.
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3")):
            raise
        raise _unreachable(error) from None


def _unreachable(error: Exception) -> InputError:
    return InputError(
        f"the hub cannot be reached: {_first(error)}", "check the connection, and HF_ENDPOINT if it is set"
    )


def _first(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
