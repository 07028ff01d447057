"""Files as cameras, programs and attackers make them: read rightly, or refused with the reason."""

import io
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from impasto.errors import ImageError
from impasto.image import codec, decoding, jpeg, profiles
from tests.encoded import encoded, noise, tiff, with_chunks


def picture(height: int = 120, width: int = 160) -> np.ndarray:
    """Smooth with some grain, as photographs are: (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 17), np.cos(y / 13), np.sin((x + y) / 9)], -1)
    grain = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return (127 + 100 * waves + grain).clip(0, 255).astype(np.uint8)


# --- JPEG


def test_an_ultra_hdr_photograph_is_its_base_picture() -> None:
    light = np.linspace(0, 4, 60 * 80 * 3, dtype=np.float32).reshape(60, 80, 3)
    pyvips.operation_block_set("VipsForeignLoadUhdr", False)  # as anyone else in the process may have it
    try:
        data = pyvips.Image.new_from_array(light).copy(interpretation="scrgb").uhdrsave_buffer()
    finally:
        pyvips.operation_block_set("VipsForeignLoadUhdr", True)
    base = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert codec.header(data) == codec.Header("jpeg", 80, 60)
    assert np.abs(codec.read(data).astype(int) - base).max() <= 3


def test_several_jpegs_in_one_are_the_first() -> None:
    first = picture()
    data = encoded(Image.fromarray(first), "MPO", save_all=True, append_images=[Image.new("RGB", (160, 120))])
    meant = np.asarray(Image.open(io.BytesIO(encoded(Image.fromarray(first), "JPEG"))))
    assert np.abs(codec.read(data).astype(int) - meant).max() <= 2


KINDS = {
    "plain": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 5},
    "full colour": {"subsampling": 0, "quality": 95},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_read_while_its_pixels_are_complete(kind: str, mode: str) -> None:
    data = encoded(Image.fromarray(picture()).convert(mode), "JPEG", **KINDS[kind])
    whole = codec.read(data)
    for variant in (
        data[:-2],
        data + bytes(999),
        data + noise(500).tobytes(),
        data[:-2] + bytes(9) + data[-2:],
        data[:-2] + b"\xff" * 5 + data[-2:],
    ):
        np.testing.assert_array_equal(codec.read(variant), whole)
        np.testing.assert_array_equal(codec.fit_square(variant, 16), codec.fit_square(data, 16))


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_jpeg_is_named(kind: str) -> None:
    data = encoded(Image.fromarray(picture()), "JPEG", **KINDS[kind])
    scan, half = data.index(b"\xff\xda") + 20, len(data) // 2
    damaged = {
        "half of it, and an end": data[:half] + jpeg.END,
        "cut in its last row": data[:-12] + jpeg.END,
        "2,000 zeros": data[:scan] + bytes(2000) + data[scan + 2000 :],
    }
    for what, variant in damaged.items():
        for way in (codec.read, lambda data: codec.fit_square(data, 16)):
            with pytest.raises(ImageError) as caught:
                way(variant)
            assert caught.value.message == "is damaged: a part of its pixels is lost", what
    for length in (half, len(data) - 12):
        with pytest.raises(ImageError, match=r"^is truncated$"):
            codec.read(data[:length])


def test_forty_wrong_bytes_are_seen_where_libjpeg_can_see_them() -> None:
    """What falls out of step with the number of blocks shows only behind the last row; JPEG has no sum."""
    data = encoded(Image.fromarray(picture()[..., 0]), "JPEG")
    scan, named = data.index(b"\xff\xda") + 14, 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        at = int(draw.integers(scan, len(data) - 50))
        damaged = data[:at] + draw.integers(0, 256, 40, np.uint8).tobytes() + data[at + 40 :]
        try:
            codec.read(bytes(damaged))
        except ImageError:
            named += 1
    assert named >= 10, named  # libvips by itself sees none of them


def test_a_progressive_jpeg_that_lacks_whole_scans_is_truncated() -> None:
    data = encoded(Image.fromarray(picture()), "JPEG", progressive=True)
    scans = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    tables = data.rindex(b"\xff\xc4", 0, scans[-1])
    assert jpeg.has_all_scans(data)
    with pytest.raises(ImageError, match=r"^is truncated$"):
        codec.read(data[:tables])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "AVIF"])
def test_damage_that_has_a_check_sum_is_seen(kind: str) -> None:
    options = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
    data = bytearray(encoded(Image.fromarray(noise(64, 64, 3)), kind, **options))
    data[len(data) // 2 : len(data) // 2 + 40] = noise(40, seed=1).tobytes()
    with pytest.raises(ImageError):
        codec.read(bytes(data))


# --- numbers


STEPS = np.tile(np.arange(256), (4, 1))[..., None]


def with_one(numbers: np.ndarray, value: float) -> np.ndarray:
    numbers = numbers.copy()
    numbers[3, 255] = value
    return numbers


@pytest.mark.parametrize(
    "numbers",
    [
        with_one((STEPS / 255).astype(np.float32), 1.2),
        with_one((STEPS / 255).astype(np.float32), 80.0),
        with_one(STEPS.astype(np.float32), 300.0),
        with_one((STEPS * 257).astype(np.float32), 70_000.0),
        with_one((STEPS / 255).astype(np.float32), -0.2) * 1.0,
        (STEPS * (32767 / 255)).round().astype(np.int16),
        with_one(STEPS.astype(np.int32), 300),
        with_one((STEPS * 257).astype(np.int32), 65_536),
        (STEPS * (2**31 - 1) // 255).astype(np.int32),
        (STEPS * (2**32 - 1) // 255).astype(np.uint32),
    ],
    ids=lambda numbers: f"{numbers.dtype} to {numbers[0, 255, 0]:.3g}, {numbers[3, 255, 0]:.4g}",
)
@pytest.mark.parametrize("bands", [1, 3])
def test_numbers_are_clipped_and_scaled_by_their_type(numbers: np.ndarray, bands: int) -> None:
    got = codec.read(tiff(np.repeat(numbers, bands, 2)))
    np.testing.assert_array_equal(got[0], np.repeat(np.arange(256)[:, None], 3, 1))


def test_signed_bytes_are_as_bright_as_they_can_be() -> None:
    steps = np.tile(np.arange(-128, 128), (4, 1)).astype(np.int8)[..., None]
    got = codec.read(tiff(steps))[0, :, 0].astype(int)
    np.testing.assert_allclose(got, (np.arange(-128, 128).clip(0) * 255 / 127), atol=0.51)


def test_numbers_that_no_rule_covers_are_refused_with_words() -> None:
    with pytest.raises(ImageError, match=r"holds numbers up to 1.02e\+07: scale them"):
        codec.read(tiff((STEPS * 4e4).astype(np.float32)))
    for numbers in (STEPS.astype(np.float64), STEPS.astype(np.complex64)):
        with pytest.raises(ImageError, match="holds 64-bit or complex numbers; save it with 16 bits"):
            codec.read(tiff(numbers))


# --- colours


def seen(data: bytes) -> list[int]:
    return codec.read(data)[4, 4].astype(int).tolist()


def srgb_of(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(0) ** (1 / 2.4) - 0.055) * 255


P3_TO_SRGB = np.array(((1.2249, -0.2247, 0), (-0.0420, 1.0419, 0), (-0.0197, -0.0786, 1.0979)))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_png_of_linear_light_is_as_bright_as_it_says(mode: str) -> None:
    png = encoded(Image.new(mode, (8, 8), 0 if mode == "L" else (0, 0, 0)).point(lambda _: 64))
    assert seen(png) == [64] * 3
    for chunk in ((b"gAMA", struct.pack(">I", 100_000)), (b"cICP", bytes((1, 8, 0, 1)))):
        got = seen(with_chunks(png, chunk))
        np.testing.assert_allclose(got, srgb_of(np.full(3, 64 / 255)), atol=1.1)


def test_a_png_that_states_display_p3() -> None:
    png = encoded(Image.new("RGB", (8, 8), (180, 120, 100)))
    linear = (np.array((180, 120, 100)) / 255 + 0.055) / 1.055
    meant = srgb_of(P3_TO_SRGB @ linear**2.4)
    np.testing.assert_allclose(seen(with_chunks(png, (b"cICP", bytes((12, 13, 0, 1))))), meant, atol=1.6)
    primaries = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    data = with_chunks(png, (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", primaries))
    np.testing.assert_allclose(seen(data), meant, atol=1.6)


def test_a_png_that_states_srgb_in_other_words_is_untouched() -> None:
    png = encoded(Image.fromarray(noise(8, 8, 3)))
    for chunks in (
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"cICP", bytes((1, 13, 0, 1)))],
        [(b"cICP", bytes((2, 2, 0, 1)))],
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", bytes(4))],
        [(b"gAMA", struct.pack(">I", 100_001)), (b"cHRM", bytes(32))],
    ):
        np.testing.assert_array_equal(codec.read(with_chunks(png, *chunks)), codec.read(png))


def test_hdr_is_refused_and_not_shown_in_wrong_colours() -> None:
    png = encoded(Image.new("RGB", (8, 8), "red"))
    for transfer, name in ((16, "PQ"), (18, "HLG")):
        with pytest.raises(ImageError, match=rf"^has HDR colours \({name}\): save it"):
            codec.read(with_chunks(png, (b"cICP", bytes((9, transfer, 0, 1)))))
    avif = encoded(Image.new("RGB", (8, 8), "red"), "AVIF")
    at = avif.index(b"colrnclx") + 8
    with pytest.raises(ImageError, match="HDR"):
        codec.read(avif[:at] + struct.pack(">HH", 9, 16) + avif[at + 4 :])


def test_grey_with_a_profile_of_colour() -> None:
    linear = profiles.from_code_points(1, 8, grey=False)
    assert linear is not None
    grey = Image.new("L", (8, 8), 64)
    np.testing.assert_allclose(
        seen(encoded(grey, icc_profile=linear)), srgb_of(np.full(3, 64 / 255)), atol=1.1
    )


# --- size and format before pixels


@pytest.mark.parametrize("kind", ["QOI", "JPEG2000", "BMP", "PPM"])
def test_a_header_is_read_and_no_pixel(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("RGB", (300, 200)), kind)
    for what in ("PIL.ImageFile.ImageFile.load", "impasto.image.pnm.decode"):
        monkeypatch.setattr(what, lambda *_: pytest.fail("decoded"))
    found = codec.header(data)
    assert (found.format, found.width, found.height) == (kind.lower(), 300, 200)
    with pytest.raises(ImageError, match="is too large: 300 x 200"):
        codec.read(data, max_pixels=59_999)


def test_a_slow_format_has_a_smaller_limit() -> None:
    data = b"qoif" + struct.pack(">IIBB", 9000, 9000, 3, 0) + b"\xfd" * 99
    assert codec.header(data).width == 9000
    with pytest.raises(ImageError, match="the limit is 16"):
        codec.read(data)


@pytest.mark.parametrize("magic", [b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"])
def test_a_netpbm_picture_that_is_not_there_is_refused_at_once(magic: bytes) -> None:
    with pytest.raises(ImageError, match=r"^is truncated$"):
        codec.read(magic + b" 14000 14000" + (b"" if magic in (b"P1", b"P4") else b" 255") + b"\n1 0 1 0")


def test_netpbm_of_every_kind() -> None:
    assert codec.read(b"P1\n# bits\n3 2\n101\n0 1 0", channels=1)[..., 0].tolist() == [
        [0, 255, 0],
        [255, 0, 255],
    ]
    assert codec.read(b"P4 3 2\n\xa0\x40", channels=1)[..., 0].tolist() == [[0, 255, 0], [255, 0, 255]]
    assert codec.read(b"P2 2 1 #c\n15\n0\n#c\n15", channels=1)[..., 0].tolist() == [[0, 255]]
    assert codec.read(b"P3 1 1 255 1 2 3")[0, 0].tolist() == [1, 2, 3]
    pixels = noise(5, 4, 3)
    np.testing.assert_array_equal(codec.read(b"P6 4 5 255\n" + pixels.tobytes()), pixels)
    deep = pixels.astype(np.uint16) * 257
    np.testing.assert_array_equal(codec.read(b"P6 4 5 65535\n" + deep.astype(">u2").tobytes()), pixels)
    floats = (pixels / 255).astype("<f4")[::-1]
    np.testing.assert_array_equal(codec.read(b"PF\n4 5\n-1.0\n" + floats.tobytes()), pixels)
    for bad in (b"P2 2 1 0\n0 0", b"P2 2 1 70000\n0 0", b"P2 2 1 255\n0 x", b"P2 2", b"P5 0 1 255\n"):
        with pytest.raises(ImageError):
            codec.read(bad)


def test_only_loaders_of_named_formats_are_open(tmp_path: Path) -> None:
    for content in (b"1,2,3\n4,5,6\n", b"2 2\n1 2\n3 4\n"):
        with pytest.raises(ImageError, match="is not a picture"):
            codec.read(content)
    image = pyvips.Image.black(4, 4)
    image.write_to_file(str(tmp_path / "a.v"))
    with pytest.raises(ImageError, match="is not a picture"):
        codec.read((tmp_path / "a.v").read_bytes())
    decoding.vips()
    with pytest.raises(pyvips.Error):
        pyvips.Image.csvload(str(tmp_path / "a.csv"))


def test_a_thread_reads_while_another_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading libvips blocks its loaders and then opens some: nobody may read meanwhile."""
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><circle r="4"/></svg>'
    decoding._load_vips.cache_clear()
    block, nearly_loaded = pyvips.operation_block_set, threading.Event()

    def block_slowly(name: str, state: bool) -> None:
        if name.endswith("Raw"):  # the last one
            nearly_loaded.set()
        block(name, state)
        time.sleep(0.02)

    def read_then() -> np.ndarray:
        nearly_loaded.wait(60)
        return codec.read(drawing)

    monkeypatch.setattr(pyvips, "operation_block_set", block_slowly)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(codec.read, drawing), threads.submit(read_then)]
        one, other = (reading.result() for reading in both)
    assert (one == other).all()
