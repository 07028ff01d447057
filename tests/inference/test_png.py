"""PNG by rows: what other readers make of it, and the check sum of parts."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from impasto.inference import png
from impasto.inference.png import compressed, joined_adler, uncompressed


def rows_of(pixels, *stops):
    return (pixels[start:stop] for start, stop in zip((0, *stops), (*stops, len(pixels)), strict=True))


def like(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels[:1, :1].squeeze(2) if pixels.shape[2] == 1 else pixels[:1, :1]).save(
        file, "png", **options
    )
    return file.getvalue()


def read(data):
    with Image.open(io.BytesIO(b"".join(data))) as image:
        image.load()
        return np.asarray(image), image.info


@pytest.mark.parametrize("bands", [1, 3, 4])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("part_bytes", [1, 100, 2**20])
def test_compressed_rows_are_read_back(monkeypatch, bands, threads, part_bytes):
    monkeypatch.setattr(png, "PART_BYTES", part_bytes)
    pixels = np.random.default_rng(0).integers(0, 256, (23, 9, bands), np.uint8)
    about = png.chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    kept = like(pixels, dpi=(72, 72), icc_profile=b"a profile")
    made, info = read(compressed(rows_of(pixels, 1, 7, 20), (9, 23), kept, threads, about))
    assert np.array_equal(made.reshape(pixels.shape), pixels)
    assert info["dpi"] == pytest.approx((300, 300), abs=0.01)  # not that of the picture it is like
    assert info["icc_profile"] == b"a profile"  # taken over


@pytest.mark.parametrize("how", ["compressed", "uncompressed"])
def test_sixteen_bits_are_read_back(how):
    pixels = np.random.default_rng(0).integers(0, 65536, (12, 5, 1)).astype(np.uint16)
    parts = rows_of(pixels, 5)
    data = (
        compressed(parts, (5, 12), like(pixels), 2)
        if how == "compressed"
        else uncompressed(parts, 5, 12, 1, deep=True)
    )
    assert np.array_equal(read(data)[0], pixels[:, :, 0])


def test_smooth_pictures_become_small():
    columns, rows = np.meshgrid(np.arange(300), np.arange(300))
    pixels = np.stack([rows // 2, columns // 2, (rows + columns) // 4], 2).astype(np.uint8)
    size = sum(map(len, compressed(iter([pixels]), (300, 300), like(pixels), 2)))
    assert size < pixels.nbytes / 10


@pytest.mark.parametrize("lengths", [(0, 0), (1, 0), (0, 5), (70_000, 3), (11, 200_000)])
def test_joined_adler(lengths):
    first, second = (np.random.default_rng(n).integers(0, 256, n, np.uint8).tobytes() for n in lengths)
    meant = zlib.adler32(first + second)
    assert joined_adler(zlib.adler32(first), zlib.adler32(second), len(second)) == meant


def test_what_fails_while_rows_are_made_is_raised():
    def rows():
        yield np.zeros((4, 4, 3), np.uint8)
        raise MemoryError

    with pytest.raises(MemoryError):
        list(compressed(rows(), (4, 8), like(np.zeros((1, 1, 3), np.uint8)), 2))
