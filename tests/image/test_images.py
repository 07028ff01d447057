import io
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from impasto.errors import ImageError, InputError
from impasto.image import codec, decoding
from tests.encoded import encoded, noise

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "PPM", "JPEG2000")


def read_or_refuse(data: bytes, channels: int, size: int) -> bool:
    """The door's promise, whichever way one enters: right-shaped uint8, or an ImageError with a reason."""
    reasons = []
    ways = {
        "read": lambda: codec.read(data, channels=channels, max_pixels=1_000_000),
        "cover": lambda: codec.fit_cover(data, (size, size), channels=channels),
        **{
            fit: lambda fit=fit: codec.fit_square(data, size, channels=channels, fit=fit)
            for fit in ("crop", "letterbox", "stretch")
        },
    }
    for name, way in ways.items():
        try:
            pixels = way()
        except ImageError as error:
            reasons.append(error.message)
            continue
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == channels
        if name == "cover":
            assert size == min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= 4 * size
        elif name != "read":
            assert pixels.shape[:2] == (size, size)
    assert all(reason and "\n" not in reason for reason in reasons)
    return not reasons


@st.composite
def files(draw: st.DrawFn) -> bytes:
    mode, kind = draw(st.sampled_from(MODES)), draw(st.sampled_from(FORMATS))
    width, height = draw(st.integers(1, 64)), draw(st.integers(1, 64))
    seed = draw(st.integers(0, 99))
    pixels = noise(height, width, 4, seed=seed)
    if mode == "I;16":
        picture = Image.fromarray(pixels.view(np.uint16)[..., 0].copy())
    elif mode == "F":
        picture = Image.fromarray((pixels[..., 0] / draw(st.sampled_from((1, 255)))).astype(np.float32))
    else:
        picture = Image.fromarray(pixels, "RGBA").convert(mode)
    try:
        return encoded(picture, kind)
    except (OSError, ValueError, KeyError):  # this format has no such mode
        return encoded(picture.convert("RGB") if mode not in ("I;16", "I", "F") else picture, "TIFF")


@settings(max_examples=120, deadline=None)
@given(files(), st.sampled_from((1, 3, 4)), st.integers(1, 40))
def test_every_mode_size_and_format_reads(data: bytes, channels: int, size: int) -> None:
    assert read_or_refuse(data, channels, size)


@settings(max_examples=120, deadline=None)
@given(files(), st.floats(0, 1), st.sampled_from((1, 3, 4)))
def test_a_file_cut_anywhere_is_read_or_refused(data: bytes, where: float, channels: int) -> None:
    read_or_refuse(data[: int(where * len(data))], channels, 8)


@settings(max_examples=120, deadline=None)
@given(files(), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20), st.booleans())
def test_a_damaged_file_is_read_or_refused(
    data: bytes, damage: list[tuple[float, int]], only_head: bool
) -> None:
    broken = bytearray(data)
    for where, value in damage:
        broken[min(int(where * (64 if only_head else len(data))), len(data) - 1)] = value
    read_or_refuse(bytes(broken), 3, 8)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"BM", b"II*\0")
    ).flatmap(lambda head: st.binary(max_size=200).map(lambda rest: head + rest))
)
def test_garbage_is_refused(data: bytes) -> None:
    read_or_refuse(data, 3, 8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_picture_is_refused_and_not_half_grey(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(noise(96, 128, 3)), kind)
    cut = data[: int(share * len(data))]
    for attempt in (
        lambda: codec.read(cut),
        lambda: codec.fit_square(cut, 16),
        lambda: codec.fit_cover(cut, (16, 16)),
    ):
        with pytest.raises(ImageError, match=r"trunc|decoded"):
            attempt()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_cut_file_is_told_by_its_bytes_and_not_by_a_log_that_threads_share(kind: str) -> None:
    data = encoded(Image.fromarray(noise(96, 128, 3)), kind)
    for content, reason in ((data[: len(data) // 2], "is truncated"), (data, "cannot be decoded: no memory")):
        with pytest.raises(ImageError) as caught, decoding.explaining(content):
            raise ValueError("no memory")
        assert caught.value.message == reason


def test_reasons_are_short_and_human(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    for source, reason in (
        (tmp_path / "empty.png", "is empty"),
        (tmp_path / "text.jpg", "is not a picture Impasto can read"),
        (tmp_path / "none.png", "does not exist"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(ImageError) as caught:
            codec.read(source)
        assert caught.value.message == reason
    with pytest.raises(ImageError, match=r"^is too small: 3 x 2 px, at least 8 are needed$"):
        codec.fit_square(encoded(Image.new("RGB", (3, 2))), 8, min_side_px=8)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_decompression_bomb_is_refused_from_its_header(kind: str) -> None:
    data = bytearray(encoded(Image.new("RGB", (1, 1)), kind))
    if kind == "PNG":
        import zlib

        data[16:24] = (60_000).to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    else:
        data[18:26] = (60_000).to_bytes(4, "little") * 2
    for attempt in (lambda: codec.read(bytes(data)), lambda: codec.fit_square(bytes(data), 8)):
        with pytest.raises(ImageError) as caught:
            attempt()
        assert caught.value.message == ("is too large: 60000 x 60000 = 3600 megapixels, the limit is 200")


def test_8_bit_pixels_arrive_untouched() -> None:
    pixels = noise(21, 34, 3)
    for kind in ("PNG", "TIFF", "BMP", "PPM"):
        np.testing.assert_array_equal(codec.read(encoded(Image.fromarray(pixels), kind)), pixels)
    np.testing.assert_array_equal(
        codec.fit_square(encoded(Image.fromarray(pixels[:21, :21])), 21), pixels[:, :21]
    )
    grey = pixels[..., :1]
    np.testing.assert_array_equal(codec.read(encoded(Image.fromarray(grey[..., 0])), channels=1), grey)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_camera_held_any_way_gives_an_upright_picture(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(noise(5, 7, 3)), kind, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(codec.read(data), upright)
    found = codec.header(data)
    assert (found.height, found.width) == upright.shape[:2]


def test_sixteen_bits_and_floats_are_scaled_and_not_clipped() -> None:
    steps = np.arange(256)
    deep = np.tile((steps * 257).astype(np.uint16), (4, 1))
    for picture, kind in (
        (Image.fromarray(deep), "PNG"),
        (Image.fromarray(deep), "TIFF"),
        (Image.fromarray(deep.astype(np.int32)), "TIFF"),
        (Image.fromarray((deep / 65535).astype(np.float32)), "TIFF"),
        (Image.fromarray((deep / 257).astype(np.float32)), "TIFF"),
    ):
        for channels in (1, 3):
            pixels = codec.read(encoded(picture, kind), channels=channels)
            np.testing.assert_array_equal(pixels[0, :, 0], steps)


def test_numbers_that_are_not_finite_are_refused() -> None:
    pixels = np.full((4, 4), np.nan, np.float32)
    with pytest.raises(ImageError, match="not finite"):
        codec.read(encoded(Image.fromarray(pixels), "TIFF"))


def rgb_profile(primaries: tuple[float, ...], gamma: float = 2.2) -> bytes:
    """A matrix profile with these primaries, written out by hand (ICC.1:2010, section 8.4)."""
    xy = np.array(primaries).reshape(3, 2)
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in xy]).T
    white = np.array([0.9642, 1.0, 0.8249])
    columns = columns * np.linalg.solve(columns, white)

    def fixed(value: float) -> bytes:
        return round(value * 65536).to_bytes(4, "big", signed=True)

    tags = {
        b"desc": b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"test\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + b"".join(map(fixed, white)),
        **{
            name: b"XYZ " + bytes(4) + b"".join(map(fixed, columns[:, i]))
            for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
        },
        **{
            name: b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big")
            for name in (b"rTRC", b"gTRC", b"bTRC")
        },
    }
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + (offset + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content + bytes(-len(content) % 4)
    head = bytearray(128)
    head[8:12] = b"\x02\x10\0\0"
    head[12:24] = b"mntrRGB XYZ "
    head[36:40] = b"acsp"
    head[68:80] = b"".join(map(fixed, white))
    size = 132 + len(table) + len(body)
    head[0:4] = size.to_bytes(4, "big")
    return bytes(head) + len(tags).to_bytes(4, "big") + table + body


WIDE = (0.7, 0.3, 0.17, 0.8, 0.13, 0.05)  # far wider than sRGB


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_wide_profile_is_converted_towards_more_colour(kind: str) -> None:
    colour = (180, 120, 100)
    picture = Image.new("RGB", (16, 16), colour)
    plain = codec.read(encoded(picture, kind))[8, 8].astype(int)
    wide = codec.read(encoded(picture, kind, icc_profile=rgb_profile(WIDE)))[8, 8].astype(int)
    assert abs(plain - colour).max() <= 3
    assert wide[0] > plain[0] + 10
    assert np.ptp(wide) > np.ptp(plain) + 20


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = noise(16, 16, 3)
    got = codec.read(encoded(Image.fromarray(pixels), icc_profile=profile))
    assert np.abs(got.astype(int) - pixels).max() <= 1


def test_a_broken_profile_does_not_lose_the_picture() -> None:
    pixels = noise(8, 8, 3)
    got = codec.read(encoded(Image.fromarray(pixels), "TIFF", icc_profile=b"nonsense" * 40))
    np.testing.assert_array_equal(got, pixels)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_has_its_colours_the_right_way_round(kind: str) -> None:
    def seen(ink: tuple[int, int, int, int]) -> np.ndarray:
        return codec.read(encoded(Image.new("CMYK", (16, 16), ink), kind))[8, 8].astype(int)

    assert seen((0, 0, 0, 0)).min() > 250
    assert seen((0, 0, 0, 255)).max() < 70
    cyan = seen((255, 0, 0, 0))
    assert cyan[0] < 60 < cyan[1] < cyan[2]


def test_palette_and_one_bit() -> None:
    palette = Image.fromarray(noise(9, 9, 3)).quantize(16)
    np.testing.assert_array_equal(codec.read(encoded(palette)), np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(noise(9, 9)).convert("1")
    for kind in ("PNG", "TIFF", "BMP"):
        np.testing.assert_array_equal(
            codec.read(encoded(bits, kind), channels=1)[..., 0], np.asarray(bits.convert("L"))
        )


def test_alpha_is_flattened_on_the_background_or_kept() -> None:
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 4, 8))
    data = encoded(picture)
    flat = codec.read(data, background="#00ff00")
    assert flat[0, 0].tolist() == [0, 0, 255]
    assert flat[0, 7].tolist() == [0, 255, 0]
    kept = codec.read(data, channels=4)
    np.testing.assert_array_equal(kept, np.asarray(picture))
    opaque = codec.read(encoded(Image.new("RGB", (8, 8), "red")), channels=4)
    assert opaque[0, 0].tolist() == [255, 0, 0, 255]


def test_reducing_leaves_no_halo_of_hidden_colour() -> None:
    picture = Image.new("RGBA", (256, 256), (0, 0, 0, 0))  # black under transparency
    picture.paste((255, 200, 0, 255), (77, 77, 181, 181))
    small = codec.fit_square(encoded(picture), 32, channels=4).astype(int)
    edge = (small[..., 3] > 20) & (small[..., 3] < 235)
    assert edge.any()
    assert np.abs(small[edge][:, :3] - (255, 200, 0)).max() <= 6
    white = codec.fit_square(encoded(picture), 32)
    assert white[..., 0].min() >= 250  # yellow or white: red is full everywhere


def test_crop_letterbox_and_cover_frame_as_they_say() -> None:
    pixels = np.zeros((60, 120, 3), np.uint8)
    pixels[:, :30], pixels[:, 30:90], pixels[:, 90:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    data = encoded(Image.fromarray(pixels))
    crop = codec.fit_square(data, 30)
    assert (crop[:, 2:-2] == (0, 255, 0)).all()
    box = codec.fit_square(data, 40, fit="letterbox", background="#102030")
    assert (box[:10] == (16, 32, 48)).all()
    assert (box[30:] == (16, 32, 48)).all()
    assert box[20, 2].tolist() == [255, 0, 0]
    assert codec.fit_square(data, 40, fit="letterbox", channels=4)[0, 0, 3] == 0
    assert codec.fit_cover(data, (30, 30)).shape == (30, 60, 3)
    assert codec.fit_cover(encoded(Image.new("RGB", (400, 20))), (10, 10)).shape == (10, 40, 3)


def test_a_picture_gets_the_shape_that_is_asked_for() -> None:
    pixels = np.zeros((60, 120, 3), np.uint8)
    pixels[:, :30], pixels[:, 30:90], pixels[:, 90:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    data = encoded(Image.fromarray(pixels))
    wide = codec.fit_shape(data, (20, 30))  # 90 of the 120 columns: 15 red, 60 green, 15 blue
    assert wide.shape == (20, 30, 3)
    assert [wide[10, x].tolist() for x in (1, 15, 28)] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    tall = codec.fit_shape(data, (30, 20))  # 40 columns, all of them green
    assert tall.shape == (30, 20, 3)
    assert (tall[:, 2:-2] == (0, 255, 0)).all()
    longer = codec.fit_shape(data, (10, 40))  # 30 of the 60 rows, and all columns
    assert longer[5, 2].tolist() == [255, 0, 0]
    assert longer[5, -3].tolist() == [0, 0, 255]
    box = codec.fit_shape(data, (40, 60), fit="letterbox", background="#102030")
    assert (box[[0, 4, 35, 39]] == (16, 32, 48)).all()
    assert box[6, 2].tolist() == [255, 0, 0]
    assert codec.fit_cover(data, (20, 30)).shape == (20, 40, 3)
    assert codec.fit_cover(data, (30, 20)).shape == (30, 60, 3)
    assert codec.fit_cover(data, (10, 40)).shape == (20, 40, 3)


@pytest.mark.parametrize("size", [32, 100, 250])
def test_reduction_while_loading_looks_like_reduction_after_it(size: int) -> None:
    y, x = np.mgrid[0:600, 0:600] / 600
    smooth = np.stack([np.sin(30 * x), np.cos(24 * y), np.sin(20 * (x + y))], -1)
    data = encoded(Image.fromarray(np.uint8(127.5 + 127 * smooth)), "JPEG", quality=95)
    fast = codec.fit_square(data, size).astype(int)
    slow = np.asarray(Image.open(io.BytesIO(data)).resize((size, size), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(fast - slow).mean() <= 2


def test_a_drawing_is_rendered_at_the_size_that_is_wanted() -> None:
    red = b'<rect width="2" height="4" fill="red"/>'
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4">%s</svg>' % red
    pixels = codec.fit_square(svg, 64, min_side_px=8)
    assert (pixels[:, :31] == (255, 0, 0)).all()  # sharp to the edge: no 4 px picture was enlarged
    assert (pixels[:, 33:] == 255).all()
    wide = codec.fit_shape(svg, (32, 64))
    assert (wide[:, :31] == (255, 0, 0)).all()
    assert (wide[:, 33:] == 255).all()
    assert (codec.fit_shape(svg, (32, 64), fit="letterbox")[:, 17:31] == (255, 0, 0)).all()
    huge = svg.replace(b"viewBox", b'width="30000" height="30000" viewBox')
    assert codec.fit_square(huge, 16).shape == (16, 16, 3)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        got = codec.read(data)
        assert got.shape == (8, 8, 3)
        assert got[4, 4, 0] > 240
        assert got[4, 4, 2] < 15


def test_tensor_round_trip_is_exact() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    tensor = codec.to_tensor(every)
    assert tensor.shape == (1, 3, 16, 16)
    assert tensor.dtype == torch.float32
    assert (tensor.min(), tensor.max()) == (-1, 1)
    np.testing.assert_array_equal(codec.to_uint8(tensor), every)
    assert codec.to_uint8(torch.full((1, 1, 1, 1), 7.0)).item() == 255
    frozen = np.frombuffer(bytes(12), np.uint8).reshape(1, 2, 2, 3)
    assert codec.to_tensor(frozen).shape == (1, 3, 2, 2)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_saved_pictures_carry_their_metadata(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = noise(12, 10, channels)
    metadata = {"seed": "7", "model": "Sonnenblumen – 向日葵", "empty": ""}
    path = tmp_path / "new" / f"picture{suffix}"
    codec.save(pixels, path, metadata=metadata)
    assert codec.read_metadata(path) == metadata
    assert codec.read(path, channels=channels).shape == pixels.shape
    if suffix == ".png":
        np.testing.assert_array_equal(codec.read(path, channels=channels), pixels)
    assert [f.name for f in path.parent.iterdir()] == [path.name]
    codec.save(pixels, path)
    assert codec.read_metadata(path) == {}


def test_alpha_in_a_jpeg_becomes_white(tmp_path: Path) -> None:
    codec.save(np.zeros((8, 8, 4), np.uint8), tmp_path / "clear.jpg")
    assert codec.read(tmp_path / "clear.jpg").min() > 250


def test_an_unknown_suffix_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        codec.save(noise(4, 4, 3), tmp_path / "picture.xyz")
    assert ".png" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    codec.save(noise(4, 4, 3), path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        codec.save(noise(4, 4, 3, seed=1), path)
    assert path.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == ["picture.png"]


def test_saved_files_have_ordinary_permissions(tmp_path: Path) -> None:
    codec.save(noise(4, 4, 3), tmp_path / "a.png")
    (tmp_path / "b").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.png", "b")]
    assert modes[0] == modes[1]


def test_grid_places_every_picture() -> None:
    pixels = noise(5, 4, 6, 3)
    sheet = codec.grid(pixels, columns=3, gap=2)
    assert sheet.shape == (4 * 2 + 2, 6 * 3 + 4, 3)
    np.testing.assert_array_equal(sheet[6:10, 8:14], pixels[4])
    assert (sheet[6:, 16:] == 255).all()
    assert codec.grid(noise(16, 8, 8, 1), gap=0).shape == (32, 32, 1)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("count", [1, 5])
def test_animations_hold_every_frame(tmp_path: Path, suffix: str, count: int) -> None:
    frames = noise(count, 16, 16, 3)
    path = tmp_path / f"film{suffix}"
    codec.save_animation(frames, path, fps=20, hold_last_seconds=2)
    with Image.open(path) as film:
        assert getattr(film, "n_frames", 1) == count
        assert film.size == (16, 16)
    with pytest.raises(InputError):
        codec.save_animation(frames, tmp_path / "film.mp4")


def test_what_libvips_does_not_know_is_recognised_whatever_other_threads_do(tmp_path, monkeypatch):
    """Its error log is shared between threads: the detail of an error may be gone, or another file's."""
    import pyvips

    from impasto.image.decoding import open_image

    Image.fromarray(np.full((4, 5, 3), 90, np.uint8)).save(tmp_path / "a.bmp")
    whole = pyvips.Error.__init__
    monkeypatch.setattr(
        pyvips.Error, "__init__", lambda self, message, detail=None: whole(self, message, "?")
    )
    image = open_image((tmp_path / "a.bmp").read_bytes())
    assert (image.width, image.height) == (5, 4)
