"""What a picture carries beside its pixels stays with the larger one, is true of it, or is named."""

import io
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, PngImagePlugin

from impasto.errors import ImageError, InputError
from impasto.image import codec, profiles
from impasto.tasks.generation.sampling.recipe import KEY, read_recipes
from impasto.tasks.upscaling.inference import metadata, pictures
from impasto.tasks.upscaling.inference.upscalers import load_upscaler
from tests.encoded import encoded, tiff, with_chunks
from tests.pictures import painting

ALL = ("png", "jpg", "webp", "tif", "avif")
ORIENTATION, ACROSS, UNIT = 0x0112, 0x011A, 0x0128


@pytest.fixture
def told():
    return []


@pytest.fixture
def upscaler(tiny, told):
    return replace(load_upscaler(tiny, engine="torch"), warn=told.append)


def larger(upscaler, tmp_path, source, suffix, **options):
    path = tmp_path / f"larger.{suffix}"
    upscaler.file(source if isinstance(source, bytes) else tmp_path / source, path, **options)
    return path


def dpi_of(path):
    """What Pillow, another reader, says of the resolution; None where the file has none."""
    with Image.open(path) as made:
        given = made.info.get("dpi") or (made.getexif().get(ACROSS),)
        return None if not given[0] or made.info.get("resolution_unit", 2) == 1 else float(given[0])


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("scale", [4, 3])
def test_resolution_stays(upscaler, tmp_path, kind, suffix, scale):
    data = encoded(Image.fromarray(painting(8, 10)), kind, dpi=(300, 300))
    assert dpi_of(larger(upscaler, tmp_path, data, suffix, scale=scale)) == pytest.approx(300, abs=0.1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif"])
@pytest.mark.parametrize("text", ["", "a fir"])
def test_exif_has_the_resolution_whatever_else_it_has(upscaler, tmp_path, suffix, text):
    """Without one EXIF means 72 pixels per inch, whatever JFIF and pHYs say."""
    texts = PngImagePlugin.PngInfo()
    if text:
        texts.add_text("title", text)
    data = encoded(Image.fromarray(painting(8, 10)), "PNG", dpi=(300, 300), pnginfo=texts)
    with Image.open(larger(upscaler, tmp_path, data, suffix)) as made:
        found = made.getexif()
        assert (found[ACROSS], found[UNIT]) == (pytest.approx(300, abs=0.1), 2)


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("scale", [4, 3])
def test_nothing_is_invented(upscaler, tmp_path, told, suffix, scale):
    path = larger(upscaler, tmp_path, encoded(Image.fromarray(painting(8, 10))), suffix, scale=scale)
    with Image.open(path) as made:
        if suffix == "tif":
            assert made.tag_v2[296] == 1  # a resolution without a unit: TIFF must say something
        else:
            assert dict(made.getexif()) == {}
            assert "dpi" not in made.info
    assert told == []


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_is_true_of_the_larger_picture(upscaler, tmp_path, kind, suffix):
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010E], exif[0x0100] = 6, "a fir", 10
    exif[0x8769] = {0xA002: 10, 0xA003: 8, 0x9003: "2026:01:02 03:04:05"}
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    data = encoded(Image.fromarray(painting(8, 10)), kind, exif=exif)
    with Image.open(larger(upscaler, tmp_path, data, suffix)) as made:
        found = made.getexif()
        inner = found.get_ifd(0x8769)
        assert made.size == (32, 40)
        assert (found.get(ORIENTATION, 1), found[0x010E]) == (1, "a fir")
        assert (inner[0xA002], inner[0xA003], inner[0x9003]) == (32, 40, "2026:01:02 03:04:05")
        assert found.get(0x0100, 32) == 32
        assert found.get_ifd(0x8825)[2] == (1.0, 2.0, 3.0)


def test_a_turned_pictures_resolution_is_turned(upscaler, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(Image.fromarray(painting(8, 10)), "PNG", dpi=(300, 150), exif=exif)
    with Image.open(larger(upscaler, tmp_path, data, "png")) as made:
        assert made.info["dpi"] == pytest.approx((150, 300), abs=0.1)


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" xmlns:xmp="http://x/"'
    b' xmp:Rating="5" hdrgm:Version="1.0"><tiff:ImageWidth>10</tiff:ImageWidth>'
    b"<Container:Directory><rdf:Seq/></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_xmp_does_not_turn_a_turned_picture_again(upscaler, tmp_path, suffix):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(Image.fromarray(painting(8, 10)), "JPEG", exif=exif, xmp=XMP)
    path = larger(upscaler, tmp_path, data, suffix)
    xmp = pyvips.Image.new_from_file(str(path)).get("xmp-data")
    assert b'tiff:Orientation="1"' in xmp
    assert b'xmp:Rating="5"' in xmp
    assert b"<tiff:ImageWidth>32<" in xmp
    assert b"hdrgm:Version" not in xmp  # there is no gain map any more
    assert b"Container:Directory" not in xmp
    assert metadata.xmp_for(XMP, (1, 1), turned=False).count(b'Orientation="6"') == 1


def test_texts_of_a_png_stay(upscaler, tmp_path):
    recipe = json.dumps({"a": "向日葵"})
    chunks = (
        (b"tEXt", b"parameters\0a fir, steps: 20"),
        (b"iTXt", b"impasto\0\0\0\0\0" + recipe.encode()),
        (b"tEXt", b"long\0" + b"x" * 70_000),
    )
    data = with_chunks(encoded(Image.fromarray(painting(8, 10))), *chunks)
    for scale in (4, 3):
        path = larger(upscaler, tmp_path, data, "png", scale=scale)
        found = codec.read_metadata(path)
        assert (found["parameters"], found["impasto"]) == ("a fir, steps: 20", recipe)
        assert len(found["long"]) == 70_000
    short = with_chunks(encoded(Image.fromarray(painting(8, 10))), *chunks[:2])
    for suffix in ("jpg", "webp"):
        found = codec.read_metadata(larger(upscaler, tmp_path, short, suffix))
        assert found == {"parameters": "a fir, steps: 20", "impasto": recipe}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("given", [".png", ".jpg", ".webp"])
def test_a_recipe_survives_being_enlarged(upscaler, tmp_path, given, suffix):
    text = json.dumps(
        {
            "format": "impasto-recipe",
            "format_version": 1,
            "model": "a model",
            "weights": "0" * 64,
            "engine": "torch",
            "point": {"kind": "seed", "seed": 7},
        }
    )
    codec.save(painting(8, 10), tmp_path / f"a{given}", metadata={KEY: text})
    before = read_recipes(tmp_path / f"a{given}")
    assert read_recipes(larger(upscaler, tmp_path, f"a{given}", suffix)) == before


# --- colours


def colour_of(path):
    """The middle as sRGB, through LittleCMS."""
    with Image.open(path) as made:
        if "icc_profile" in made.info:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(made.info["icc_profile"]))
            srgb = ImageCms.createProfile("sRGB")
            made = ImageCms.profileToProfile(made.convert("RGB"), profile, srgb)
        return np.asarray(made.convert("RGB"))[12:20, 12:20].mean((0, 1))


@pytest.mark.parametrize("suffix", [*ALL, "gif"])
@pytest.mark.parametrize("how", ["cICP", "gAMA", "profile"])
def test_colours_are_shown_as_they_were(upscaler, tmp_path, capfd, how, suffix):
    data = encoded(Image.new("RGB", (8, 8), (150, 90, 60)))
    if how == "profile":
        p3 = profiles.from_code_points(12, 13, grey=False)
        data = encoded(Image.new("RGB", (8, 8), (150, 90, 60)), icc_profile=p3)
    else:
        chunk = bytes((12, 13, 0, 1)) if how == "cICP" else struct.pack(">I", 100_000)
        data = with_chunks(data, (how.encode(), chunk))
    meant = codec.read(data)[4, 4].astype(float)
    assert np.abs(meant - (150, 90, 60)).max() > 8
    for scale in (4, 3):
        got = colour_of(larger(upscaler, tmp_path, data, suffix, scale=scale))
        assert np.abs(got - meant).max() < 4, (got, meant)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("deep", [False, True])
def test_grey_with_a_profile_of_colour_stays_grey(upscaler, tmp_path, told, capfd, deep):
    linear = profiles.from_code_points(1, 8, grey=False)
    pixels = np.full((8, 8), 64 * 257 if deep else 64, np.uint16 if deep else np.uint8)
    data = encoded(Image.fromarray(pixels), icc_profile=linear)
    for suffix in ("png", "jpg", "tif"):
        path = larger(upscaler, tmp_path, data, suffix)
        made = pyvips.Image.new_from_file(str(path))
        assert made.bands == 1
        assert not made.get_typeof("icc-profile-data")
        top = 257 if made.format == "ushort" else 1
        assert abs(made.numpy()[12:20, 12:20].mean() / top - 137.2) < 3
    assert capfd.readouterr().err == ""


# --- frames


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "avif"])
def test_a_still_format_holds_the_first_frame(upscaler, tmp_path, told, kind, suffix):
    frames = [Image.new("RGB", (12, 8), colour) for colour in ("red", "blue", "lime")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    path = larger(upscaler, tmp_path, data, suffix)
    assert codec.header(path).height == 32
    assert np.abs(codec.read(path)[16, 24].astype(int) - (255, 0, 0)).max() < 12
    assert told == [f"only the first of its 3 frames is kept: {suffix} holds one, gif and webp hold all"]


def test_an_animation_in_python_gives_its_first_frame(upscaler, told):
    frames = [Image.new("RGB", (12, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert upscaler(data).size == (48, 32)
    assert len(told) == 1


def test_other_files_of_several_pictures_are_named(upscaler, tmp_path, told):
    pages = [Image.new("RGB", (12, 8), colour) for colour in ("red", "blue", "lime")]
    for kind, words in (
        ("TIFF", "only the first of its 3 pages is read"),
        ("PNG", "only the first of its 3 frames is read; save an animated PNG as WebP to have all"),
    ):
        told.clear()
        data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
        assert codec.read(larger(upscaler, tmp_path, data, "png"))[16, 24, 0] > 240
        assert told == [words]


def test_frames_are_bounded(upscaler, tmp_path, monkeypatch):
    frames = [Image.new("L", (2, 2), 10 * i) for i in range(9)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert upscaler.file(data, tmp_path / "a.gif") == (8, 8)
    with pytest.raises(ImageError, match="is too large: its 9 frames have 36 pixels"):
        upscaler.file(data, tmp_path / "a.gif", max_pixels=35)
    monkeypatch.setattr(pictures, "MAX_FRAMES", 8)
    with pytest.raises(ImageError, match="is too long: 9 frames, the limit is 8"):
        upscaler.file(data, tmp_path / "a.gif")


# --- depth


def test_what_depth_becomes_is_said(upscaler, tmp_path, told):
    deep = encoded(Image.fromarray(painting(8, 10)[..., 0].astype(np.uint16) * 257))
    for suffix, words in (
        ("png", []),
        ("tif", []),
        ("avif", ["its 16 bits become 12: avif holds no more"]),
        ("jpg", ["its 16 bits become 8: jpg holds no more"]),
        ("webp", ["its 16 bits become 8: webp holds no more"]),
    ):
        told.clear()
        larger(upscaler, tmp_path, deep, suffix)
        assert told == words


def test_deep_colour_stays_deep(upscaler, tmp_path, told):
    fine = painting(8, 10).astype(np.uint16) * 257 + 100
    image = pyvips.Image.new_from_array(fine).copy(interpretation="rgb16")
    ten = image.heifsave_buffer(compression="av1", bitdepth=10, Q=100)
    path = larger(upscaler, tmp_path, ten, "avif")
    made = pyvips.Image.new_from_file(str(path))
    assert (made.format, made.get("bits-per-sample")) == ("ushort", 10)
    ppm = b"P6 10 8 65535\n" + fine.astype(">u2").tobytes()
    made = pyvips.Image.new_from_file(str(larger(upscaler, tmp_path, ppm, "png")))
    assert (made.format, made.bands) == ("ushort", 3)
    assert len(np.unique(made.numpy() % 257)) > 50
    assert told == []
    made = pyvips.Image.new_from_file(
        str(larger(upscaler, tmp_path, tiff(painting(8, 10)[..., :1] / np.float32(255)), "tif"))
    )
    assert (made.format, made.bands) == ("ushort", 1)
    assert told == ["its floats become 16 bits"]


# --- Pillow's pictures


def test_pictures_of_pillow_are_taken_for_their_files(upscaler, tmp_path):
    grey = painting(8, 10)[..., 0]
    steps = {
        "I": Image.fromarray(grey.astype(np.int32) * 257),
        "F": Image.fromarray((grey / 255).astype(np.float32)),
        "L": Image.fromarray(grey),
    }
    made = {mode: np.asarray(upscaler(given), float) for mode, given in steps.items()}
    for mode in ("I", "F"):
        assert np.abs(made[mode] / 257 - made["L"]).mean() < 1
    clear = Image.merge("LA", (Image.fromarray(grey), Image.new("L", (10, 8), 255)))
    assert np.array_equal(upscaler(clear.convert("La")), upscaler(clear))
    colour = Image.fromarray(painting(8, 10)).convert("RGBA")
    assert np.array_equal(upscaler(colour.convert("RGBa")), upscaler(colour))
    with pytest.raises(InputError, match="of mode RGB cannot be enlarged"):
        upscaler(Image.new("RGB", (0, 5)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_photograph_held_sideways_is_upright_from_pillow_too(upscaler, tmp_path, kind):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(Image.fromarray(painting(8, 10)), kind, exif=exif)
    from_file, from_pillow = upscaler(data), upscaler(Image.open(io.BytesIO(data)))
    assert from_file.size == from_pillow.size == (32, 40)
    assert np.array_equal(from_file, from_pillow)
