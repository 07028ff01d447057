"""PNG by rows: what other readers make of it; and a PNG that says other things than it did."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from impasto.image.png_chunks import SIGNATURE, chunk, with_others
from impasto.tasks.upscaling.inference.png import uncompressed


@pytest.mark.parametrize(("bands", "deep"), [(1, False), (2, False), (3, False), (4, False), (1, True)])
def test_rows_are_read_back(bands, deep):
    top, kind = (65536, np.uint16) if deep else (256, np.uint8)
    pixels = np.random.default_rng(0).integers(0, top, (12, 5, bands)).astype(kind)
    data = uncompressed(iter((pixels[:5], pixels[5:])), 5, 12, bands, deep=deep)
    with Image.open(io.BytesIO(b"".join(data))) as image:
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)


def test_a_png_says_what_it_is_told():
    file = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(file, "PNG", dpi=(72, 72), icc_profile=b"a profile")
    data, about = file.getvalue(), chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    before = data.index(b"IDAT")
    assert [with_others(data[:end], about) for end in (0, 8, 40, before + 8)] == [None] * 4
    made = with_others(data[:-12], about) + data[-12:]  # its last chunk came later
    with Image.open(io.BytesIO(made)) as image:
        image.load()
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert image.info["icc_profile"] == b"a profile"
    assert made.startswith(SIGNATURE)
    assert with_others(data, b"").count(b"pHYs") == 0
