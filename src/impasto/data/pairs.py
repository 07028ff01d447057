"""Pairs of a sharp picture and its low-resolution one, from two folders, matched by name."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from impasto.config.shared import DataConfig, ImageConfig
from impasto.data.batches import split
from impasto.data.cache import Bytes, Indices, Offsets, Pixels, open_pixels
from impasto.data.folder import Dataset, scan_pictures
from impasto.data.names import plain
from impasto.data.scan import Picture, Progress, Rejected, Scan, scan_folder
from impasto.data.themes import find_themes
from impasto.data.walk import shown
from impasto.errors import DataError


@dataclass(frozen=True)
class PairedPixels(Pixels):
    """Sharp pictures with the low-resolution ones behind them: windows of 6 channels.

    The last three hold the low-resolution picture, each of its pixels `scale` x `scale` times, so that
    turning and mirroring keep the two together. Windows begin at multiples of `scale`.
    """

    low: Pixels | None = None
    scale: int = 1

    def take(self, indices: Indices, offsets: Offsets | None = None) -> Bytes:
        """(n, S, S, 6) uint8; see `Pixels.take`."""
        assert self.low is not None
        result = np.empty((len(indices), self.size, self.size, 6), np.uint8)
        for row, index in enumerate(indices):
            sharp, low = super().whole(int(index)), self.low.whole(int(index))
            side, low_side = self.size, self.size // self.scale
            slack = np.array(low.shape[:2]) - low_side
            top, left = slack // 2 if offsets is None else (offsets[row] * (slack + 1)).astype(np.int64)
            window = low[top : top + low_side, left : left + low_side]
            result[row, ..., 3:] = window.repeat(self.scale, 0).repeat(self.scale, 1)
            top, left = top * self.scale, left * self.scale
            result[row, ..., :3] = sharp[top : top + side, left : left + side]
        return result

    def whole(self, index: int) -> Bytes:
        """(H, W, 6) uint8."""
        assert self.low is not None
        large = self.low.whole(index).repeat(self.scale, 0).repeat(self.scale, 1)
        return np.concatenate((super().whole(index), large), 2)


def open_pairs(
    high: Path,
    low: Path,
    data: DataConfig,
    image: ImageConfig,
    scale: int,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Dataset:
    """The pairs of two folders. What has no partner, or not one of the right size, is left out with a reason.

    A partner has the same path below its folder, but for the suffix, and is exactly `scale` times smaller.

    Args:
        high: The folder of sharp pictures.
        low: The folder of low-resolution pictures.
        data: How the folders are read, split and decoded.
        image: The size of the sharp windows, a multiple of `scale`, and the channels.
        scale: How many times larger a sharp picture is.
        seed: Decides which pairs are held out.
        progress: Told how far each stage is; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: A folder is absent, no pair is left, or too few to train on.
    """
    sharp = scan_pictures(high, data, image, progress)
    small = scan_folder(low, min_side_px=1, max_pixels=data.max_pixels, progress=progress)
    partners = _Partners(small)
    kept, behind_kept, rejected = [], [], list(sharp.rejected)
    for picture in sharp.pictures:
        partner, reason = partners.of(picture)
        reason = reason or _mismatch(picture, partner, scale)
        if reason or partner is None:
            rejected.append(Rejected(picture.path, reason))
        else:
            kept.append(picture)
            behind_kept.append(partner)
    used = {p.path for p in behind_kept}
    alone = [
        Rejected(p.path, f"is paired with nothing in '{high}'") for p in small.pictures if p.path not in used
    ]
    if not kept:
        first = rejected[0]
        raise DataError(
            f"no picture in '{high}' has its pair in '{low}': '{first.path}' {first.reason}",
            f"pairs have the same name, and the low one is exactly {scale} times smaller",
        )
    pairs = replace(sharp, pictures=tuple(kept), rejected=tuple(rejected))
    behind = Scan(low, tuple(behind_kept), (*small.rejected, *alone), small.ignored, small.left_out)
    labels = find_themes(pairs, data)
    train, holdout = split(
        [p.content_hash for p in kept], data.holdout_share, data.holdout_min_pictures, seed
    )
    sharp_pixels = open_pixels(pairs, data, image, progress)
    small_image = image.reduced(scale)
    pixels = PairedPixels(
        **vars(sharp_pixels), low=open_pixels(behind, data, small_image, progress), scale=scale
    )
    return PairedDataset(pairs, pixels, train, holdout, labels, data, behind)


@dataclass(frozen=True)
class PairedDataset(Dataset):
    """A `Dataset` of pairs; `behind` are the low-resolution pictures, in the same order."""

    behind: Scan | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Dataset.notes`; of both folders."""
        assert self.behind is not None
        report = self.behind.report
        return (*super().notes, *([f"In '{shown(str(self.behind.root))}': {report}"] if report else []))

    @property
    def fingerprint(self) -> str:
        """Changes when any picture of either folder does."""
        assert self.behind is not None
        hashes = [super().fingerprint, *(p.content_hash for p in self.behind.pictures)]
        return hashlib.blake2b(" ".join(hashes).encode(), digest_size=16).hexdigest()


class _Partners:
    """Low-resolution pictures by what they are paired by."""

    def __init__(self, scan: Scan) -> None:
        self._folder = scan.root
        self._by_path = {plain(p.path): p for p in scan.pictures}
        self._by_name: dict[str, list[Picture]] = {}
        for picture in scan.pictures:
            self._by_name.setdefault(_name(picture), []).append(picture)

    def of(self, picture: Picture) -> tuple[Picture | None, str]:
        """The partner of a sharp picture, or why it has none."""
        same = self._by_path.get(plain(picture.path))
        candidates = [same] if same is not None else self._by_name.get(_name(picture), [])
        match candidates:
            case [one]:
                return one, ""
            case []:
                return None, f"has no pair of its name in '{self._folder}'"
        names = " and ".join(f"'{p.path}'" for p in candidates[:2])
        return None, f"has several pairs in '{self._folder}': {names}"


def _name(picture: Picture) -> str:
    return plain(str(PurePosixPath(picture.path).with_suffix("")))


def _mismatch(picture: Picture, partner: Picture | None, scale: int) -> str:
    """Why the sizes of two do not go together, or nothing."""
    if partner is None or (partner.width * scale, partner.height * scale) == (picture.width, picture.height):
        return ""
    return (
        f"has {picture.width} x {picture.height} px and its pair {partner.width} x {partner.height}: "
        f"not exactly {scale} times smaller"
    )
