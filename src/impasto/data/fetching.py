"""Files that are not on this disk: from a web server, or what a command prints."""

import io
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from impasto.errors import DataError

PIPE = "pipe:"
RETRIES_AFTER_SECONDS = (1.0, 3.0, 9.0)
_TIMEOUT_SECONDS = 60.0
_CHUNK = 2**20
_PASSING = (408, 429, 500, 502, 503, 504)  # what a server says that may do better soon
_OFFLINE = "check the address and the connection; shards that were fetched once are not fetched again"


def is_remote(place: str) -> bool:
    """Whether a place is an address, `http://` or `https://`, or a command, `pipe:cat x.tar`."""
    return place.startswith(("http://", "https://", PIPE))


def fetch(place: str, path: Path, most_bytes: int | None = None) -> None:
    """Write what is at a place to `path`.

    More than `most_bytes` of a server is refused: whoever sends without end would fill the disk. A connection
    that breaks is tried again. Raises `DataError` where the place gives nothing, and `OSError` where the disk
    does not take it.
    """
    with path.open("wb") as file:
        if place.startswith(PIPE):
            _print(place.removeprefix(PIPE), file)
        elif refused := _receive(place, file, most_bytes, RETRIES_AFTER_SECONDS):
            raise DataError(f"'{place}' cannot be fetched: {refused}", _OFFLINE)


def fetch_if_there(place: str, most_bytes: int) -> bytes | None:
    """A small file of a web server, or None where it has none of this name. Raises `DataError` as `fetch`.

    It is asked for once: a wrong address is known at once.
    """
    file = io.BytesIO()
    return None if _receive(place, file, most_bytes, ()) else file.getvalue()


def _receive(place: str, file: BinaryIO, most_bytes: int | None, retries: Sequence[float]) -> str:
    """Write what a server sends to `file`; where it refuses, what it says. Raises as `fetch` does."""
    for seconds in (*retries, None):
        file.seek(0)
        file.truncate()
        try:
            request = urllib.request.Request(place, headers={"User-Agent": "impasto"})
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    if most_bytes is not None and file.tell() > most_bytes:
                        raise DataError(
                            f"'{place}' sends more than the {most_bytes:,} bytes that it may have",
                            "the shard or its index is another one: pack the folder again",
                        )
                length = answer.headers.get("Content-Length")
                if length is not None and file.tell() != int(length):
                    raise ConnectionError(f"{file.tell()} bytes came of {length}")
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"{error.code} {error.reason}"
            if error.code not in _PASSING:
                return reason
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error))
        except ValueError as error:
            raise DataError(f"'{place}' is no address: {error}") from None
        if seconds is None:
            raise DataError(f"'{place}' cannot be fetched: {reason}", _OFFLINE)
        time.sleep(seconds)
    raise AssertionError


def _print(command: str, file: BinaryIO) -> None:
    """What a command prints, as the shell understands it: the person who trains wrote it."""
    done = subprocess.run(
        command, shell=True, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=False
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DataError(
            f"'{PIPE}{command}' ended with exit code {done.returncode}{f': {said[-1]}' if said else ''}",
            "the command must print a tar file",
        )
