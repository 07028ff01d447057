"""Files that are not on this disk: from a web server, or what a command prints."""

import hashlib
import subprocess
import time
import urllib.error
import urllib.request
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


def fetch(place: str, path: Path, most_bytes: int | None = None) -> str:
    """Write what is at a place to `path`; returns its SHA-256, in hexadecimal.

    More than `most_bytes` is refused: whoever sends without end would fill the disk. A connection that
    breaks is tried again. Raises `DataError` where the place gives nothing, and `OSError` where the disk
    does not take it.
    """
    if place.startswith(PIPE):
        return _printed(place.removeprefix(PIPE), path)
    for seconds in (*RETRIES_AFTER_SECONDS, None):
        try:
            with urllib.request.urlopen(_request(place), timeout=_TIMEOUT_SECONDS) as answer:
                return _received(answer, path, answer.headers.get("Content-Length"), most_bytes, place)
        except urllib.error.HTTPError as error:
            error.close()
            if seconds is None or error.code not in _PASSING:
                raise DataError(
                    f"'{place}' cannot be fetched: {error.code} {error.reason}", _OFFLINE
                ) from None
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            if seconds is None:
                reason = getattr(error, "reason", error)
                raise DataError(f"'{place}' cannot be fetched: {reason}", _OFFLINE) from None
        except ValueError as error:
            raise DataError(f"'{place}' is no address: {error}") from None
        time.sleep(seconds)
    raise AssertionError


def fetch_if_there(place: str, most_bytes: int) -> bytes | None:
    """A small file of a web server, or None where it has none of this name. Raises `DataError` as `fetch`."""
    try:
        with urllib.request.urlopen(_request(place), timeout=_TIMEOUT_SECONDS) as answer:
            text: bytes = answer.read(most_bytes)
            return text
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise DataError(f"'{place}' cannot be fetched: {getattr(error, 'reason', error)}", _OFFLINE) from None
    except ValueError as error:
        raise DataError(f"'{place}' is no address: {error}") from None


def _request(place: str) -> urllib.request.Request:
    return urllib.request.Request(place, headers={"User-Agent": "impasto"})


def _received(answer: BinaryIO, path: Path, length: str | None, most_bytes: int | None, place: str) -> str:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            if most_bytes is not None and size > most_bytes:
                raise DataError(
                    f"'{place}' sends more than the {most_bytes:,} bytes that the index says",
                    "the shard or its index is another one: pack the folder again",
                )
    if length is not None and size != int(length):
        raise ConnectionError(f"{size} bytes came of {length}")
    return digest.hexdigest()


def _printed(command: str, path: Path) -> str:
    """What a command prints, as the shell understands it: the person who trains wrote it."""
    with path.open("wb") as file:
        done = subprocess.run(
            command, shell=True, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=False
        )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DataError(
            f"'{PIPE}{command}' ended with exit code {done.returncode}{f': {said[-1]}' if said else ''}",
            "the command must print a tar file",
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
