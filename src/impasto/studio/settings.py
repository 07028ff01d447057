"""What a studio is told when it starts: where it may look, whom it lets in, how much it takes on."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import InputError

SHORTEST_TOKEN, FEWEST_DIFFERENT = 24, 10  # characters of a token
MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """How much of everything. Sizes are in bytes and pixels, times in seconds."""

    json_bytes: int = MEGABYTE
    picture_bytes: int = 64 * MEGABYTE
    upload_bytes: int = 1024 * MEGABYTE  # of a request that brings a data set
    unpacked_bytes: int = 4096 * MEGABYTE  # of a zip, counted while it is read
    picture_pixels: int = 50_000_000
    enlarged_pixels: int = 200_000_000
    files: int = 50_000  # in one data set
    uploads_at_once: int = 16
    uploads_of_a_peer: int = 8  # of those
    connections: int = 512
    connections_of_a_peer: int = 256
    frames: int = 500  # of an animation
    films: int = 4  # in work at a time
    film_frame_pixels: int = 16_000_000  # of a frame of each, larger, together: 220 bytes of memory a pixel
    film_pixels: int = 27_000_000_000  # of all frames of one: a minute of 1280 x 720 at 30 a second, x 4
    film_bytes: int = 4096 * MEGABYTE  # of the enlarged film
    workers: int = 2  # pieces of work at a time: a slider must not wait for a poster
    waiting: int = 32  # pieces of work beyond those; the next one is refused
    waiting_of_a_peer: int = 24  # of those
    request_seconds: float = 300.0
    head_seconds: float = 10.0  # within which a request's head must be there
    silent_seconds: float = 30.0  # a client that neither sends nor takes anything for so long is let go
    slow_seconds: float = 10.0  # after which what is sent must have come at `least_rate` on average
    least_rate: int = 32 * 1024  # bytes a second
    models: int = 4  # kept in memory
    trainings: int = 1  # at a time


@dataclass(frozen=True)
class Settings:
    """`folders` are where runs, models and pictures may be; the first is where new ones go.

    Raises `InputError` for an address that others can reach without a token, or a token that can be guessed.
    """

    folders: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    origins: tuple[str, ...] = ()  # pages of other origins that may use the API
    page: bool = True  # False: the API alone
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.folders:
            raise InputError("a studio needs a folder to work in", "--workspace DIR")
        if self.token is None and not is_loopback(self.host):
            raise InputError(
                f"'{self.host}' can be reached from other computers, and there is no token",
                f"add --token with {SHORTEST_TOKEN} characters or more, or stay on 127.0.0.1",
            )
        if self.token is not None and not is_strong(self.token):
            raise InputError(
                f"a token needs {SHORTEST_TOKEN} ASCII characters at least,"
                f" {FEWEST_DIFFERENT} of them different",
                'python -c "import secrets; print(secrets.token_urlsafe(24))" makes one',
            )

    @property
    def workspace(self) -> Path:
        """Where new runs and data sets go."""
        return self.folders[0]


def is_strong(token: str) -> bool:
    """Whether a token cannot be guessed, as far as its looks say."""
    return token.isascii() and len(token) >= SHORTEST_TOKEN and len(set(token)) >= FEWEST_DIFFERENT


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
