"""Hostile uploads: each is refused with a 4xx, and leaves nothing behind."""

import io
import random
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from impasto.studio.settings import Limits
from tests.studio.conftest import everything

LIMITS = Limits(
    picture_bytes=200_000, upload_bytes=2_000_000, unpacked_bytes=400_000, picture_pixels=100_000, files=20
)


def encoded(kind="PNG", size=(16, 16), seed=0, **options):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bomb(width, height, rows=b""):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def zipped(*entries, method=zipfile.ZIP_DEFLATED, mode=None):
    """A zip of (name, content) pairs; `mode` is a Unix file type for all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if mode is not None:
                info.create_system, info.external_attr = 3, (mode | 0o644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def edited(data, old, new):
    assert old in data
    return data.replace(old, new)


def encrypted():
    data = bytearray(zipped(("a.png", encoded())))
    data[6] |= 1  # in the file's own header, and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def lying_about_size():
    """The directory says 10 bytes, the stream unpacks to 300 kB."""
    data = bytearray(zipped(("a.png", b"\0" * 300_000)))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    data[22:26] = struct.pack("<I", 10)
    return bytes(data)


def overlapping():
    """Many entries of the directory share one compressed stream."""
    data = zipped(("a.png", b"\0" * 190_000))
    at = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry, count = data[at:end], 15
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, count * len(entry), at, 0)
    return data[:at] + entry * count + tail


def huge_directory():
    return zipped(("a.png", encoded()))[:-22] + struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFF0, 0, 0
    )


def zip64():
    data = zipped(("a.png", encoded()))
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    return data[:-22] + locator + data[-22:]


def gif_of_frames():
    """Three frames, each within the limit of pixels, together beyond it."""
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("red", "green", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def pickled():
    import os
    import pickle

    class Harm:
        def __reduce__(self):
            return os.system, ("touch harm",)

    return pickle.dumps(Harm())


def in_encoding(encoding, *names):
    """A zip as other systems write it: names in an encoding of theirs, and nothing that says in which."""
    raw = [name.encode(encoding) for name in names]
    places = [chr(ord("A") + index) * len(name) for index, name in enumerate(raw)]
    made = zipped(
        *((place, encoded(seed=seed)) for seed, place in enumerate(places)), method=zipfile.ZIP_STORED
    )
    for place, name in zip(places, raw, strict=True):
        made = edited(made, place.encode(), name)
    return made


def second_name(name, first="evil.png"):
    """A zip whose entry has a name in UTF-8 beside the first one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(first)
        field = struct.pack("<BL", 1, zlib.crc32(first.encode())) + name.encode()
        info.extra = struct.pack("<HH", 0x7075, len(field)) + field
        archive.writestr(info, encoded())
    return buffer.getvalue()


PNG = encoded()
HOSTILE = {
    "empty": b"",
    "one byte": b"\x89",
    "text": b"not a picture at all",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>1</script></svg>",
    "svg that reads a file": b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&x;</text></svg>",
    "svg of entities": b"<!DOCTYPE s [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
    b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&b;</text></svg>",
    "svgz": zlib.compress(b"<svg/>", wbits=31),
    "gzip": zlib.compress(b"\0" * 100_000, wbits=31),
    "pickle": pickled(),
    "elf": b"\x7fELF" + b"\0" * 200,
    "shell": b"#!/bin/sh\ntouch harm\n",
    "pdf": b"%PDF-1.7\n1 0 obj << >> endobj\n%%EOF",
    "safetensors": struct.pack("<Q", 2) + b"{}",
    "tar": b"a.png" + b"\0" * 252 + b"ustar\x0000" + b"\0" * 400,
    "png cut off": PNG[: len(PNG) // 2],
    "png of 3.6 gigapixels": png_bomb(60_000, 60_000),
    "png wider than any": png_bomb(2**31 - 1, 2**31 - 1),
    "png of no width": png_bomb(0, 10),
    "png without pixels": png_bomb(16, 16),
    "png over the limit of pixels": encoded(size=(400, 300)),
    "jpeg cut off": encoded("JPEG", (64, 64))[:400],
    "jpeg header alone": b"\xff\xd8\xff\xe0",
    "jpeg of 4.3 gigapixels": edited(
        encoded("JPEG"), struct.pack(">HH", 16, 16) + b"\x03", struct.pack(">HH", 65_535, 65_535) + b"\x03"
    ),
    "webp cut off": encoded("WEBP")[:40],
    "tiff of nonsense": b"II*\0\xff\xff\xff\xff" + b"\0" * 64,
    "bmp of a negative size": b"BM" + b"\0" * 16 + struct.pack("<ii", -(2**31), -(2**31)) + b"\0" * 30,
    "heic of nonsense": b"\0\0\0\x18ftypheic" + b"\0" * 100,
    "larger than may be": b"\x89PNG\r\n\x1a\n" + random.Random(0).randbytes(250_000),
}
HOSTILE_ZIPS = {
    "empty zip": zipped(),
    "no picture in it": zipped(("readme.txt", b"hello")),
    "text named as a picture": zipped(("a.png", b"hello")),
    "zip in a zip": zipped(("inner.zip", zipped(("a.png", PNG)))),
    "cut off": zipped(("a.png", PNG))[:-30],
    "only its first bytes": b"PK\x03\x04" + b"\0" * 40,
    "wrong checksum": edited(zipped(("a.png", PNG), method=zipfile.ZIP_STORED), PNG[40:60], b"\0" * 20),
    "upwards": zipped(("../../evil.png", PNG)),
    "upwards within": zipped(("a/../../evil.png", PNG)),
    "absolute": zipped(("/tmp/evil.png", PNG)),
    "drive": zipped(("C:/evil.png", PNG)),
    "backslashes": zipped(("..\\..\\evil.png", PNG)),
    "backslashes within": zipped(("a\\..\\..\\evil.png", PNG)),
    "a share": zipped(("\\\\server\\evil.png", PNG)),
    "a drive and backslashes": zipped(("C:\\evil.png", PNG)),
    "upwards in a second name": second_name("../evil.png"),
    "zero byte in a name": edited(zipped(("evilX.png", PNG)), b"evilX.png", b"evil\0.png"),
    "symbolic link": zipped(("a.png", PNG), mode=stat.S_IFLNK),
    "device": zipped(("a.png", PNG), mode=stat.S_IFCHR),
    "pipe": zipped(("a.png", PNG), mode=stat.S_IFIFO),
    "encrypted": encrypted(),
    "one bomb": zipped(("a.png", b"\0" * 300_000)),
    "many small bombs": zipped(*((f"{i}.png", b"\0" * 190_000) for i in range(4))),
    "a lie about its size": lying_about_size(),
    "overlapping": overlapping(),
    "a huge directory": huge_directory(),
    "zip64": zip64(),
    "lzma": zipped(("a.png", PNG), method=zipfile.ZIP_LZMA),
    "bzip2": zipped(("a.png", PNG), method=zipfile.ZIP_BZIP2),
    "too many pictures": zipped(*((f"{i}.png", PNG) for i in range(21))),
    "too many files": zipped(*((f"{i}.txt", b"") for i in range(41))),
    "good ones and then harm": zipped(("1.png", PNG), ("2.png", PNG), ("3.png", b"\0" * 300_000)),
    "good ones and a link": zipped(("1.png", PNG), ("../2.png", PNG)),
}


@pytest.fixture
def small(open_client):
    return open_client(LIMITS)


@pytest.fixture
def nothing_left(workspace, tmp_path, monkeypatch):
    """Nothing is new, neither in the workspace nor where temporary files go."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = everything(tmp_path) | {"workspace/datasets"}
    yield
    assert everything(tmp_path) <= before


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pictures(small, nothing_left, kind):
    for path, field in (("upscale", "picture"), ("project", "photo"), ("datasets", "files")):
        form = {"model": "larger" if path == "upscale" else "tiny", "steps": "0", "candidates": "16"}
        form |= {"engine": "torch"} if path == "upscale" else {}
        form = {} if path == "datasets" else form
        answer = small.post(f"/api/v1/{path}", data=form, files={field: ("a.png", HOSTILE[kind])})
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@pytest.mark.parametrize("kind", HOSTILE_ZIPS)
def test_hostile_zips(small, nothing_left, kind):
    given = ("files", ("a.zip", HOSTILE_ZIPS[kind]))
    uploads = [[given]]
    if kind not in HARMLESS:  # what is harmless is left out, and a picture beside it taken in
        uploads.append([("files", ("b.png", PNG)), given])
    for files in uploads:
        answer = small.post("/api/v1/datasets", files=files)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["detail"]


HARMLESS = ("empty zip", "no picture in it", "text named as a picture", "zip in a zip")


@pytest.mark.parametrize(
    "name",
    [
        "../../../evil.png", "/etc/cron.d/evil.png", "..\\..\\evil.png", "a\0.png", "CON.png",
        "x" * 3_000 + ".png",
        "a.php", ".htaccess", "\u202egnp.exe", "a/b/c.png", "-rf.png", "",
    ],
)  # fmt: skip
def test_no_name_becomes_a_path(small, workspace, tmp_path, name):
    before = everything(tmp_path)
    answer = small.post("/api/v1/datasets", files=[("files", (name or "x", PNG))])
    if answer.status_code == 201:
        made = answer.json()["name"]
        allowed = {"workspace/datasets", f"workspace/{made}"} | {
            f"workspace/{made}/{file}" for file in ("000001.png", "dataset.json")
        }
        assert everything(tmp_path) - before == allowed
    else:
        assert 400 <= answer.status_code < 500
        assert everything(tmp_path) - before <= {"workspace/datasets"}


def test_what_a_killed_server_left_is_removed(open_client, workspace):
    leftover = workspace / "datasets" / ".incoming-0123"
    leftover.mkdir(parents=True)
    (leftover / "000001.png").write_bytes(PNG)
    assert open_client().get("/api/v1/datasets").status_code == 200
    assert not leftover.exists()


def test_good_ones_are_taken_in(small):
    for data in (PNG, encoded("JPEG"), encoded("WEBP"), encoded("BMP"), encoded("TIFF"), encoded("GIF")):
        assert small.post("/api/v1/datasets", files={"files": ("a", data)}).status_code == 201


@pytest.mark.parametrize("kind", ["a huge directory", "zip64"])
def test_a_long_list_of_contents_is_refused_before_it_is_read(small, kind):
    answer = small.post("/api/v1/datasets", files={"files": ("a.zip", HOSTILE_ZIPS[kind])})
    assert (answer.status_code, answer.json()["detail"]) == (413, "the zip holds too many files")


def test_an_animation_counts_with_all_its_frames(small):
    form = {"model": "larger", "engine": "torch", "format": "webp"}
    picture = {"picture": ("a.gif", gif_of_frames())}
    answer = small.post("/api/v1/upscale", data=form, files=picture)
    assert (answer.status_code, "3 frames" in answer.json()["detail"]) == (415, True)
    answer = small.post("/api/v1/upscale", data=form | {"format": "png"}, files=picture)  # it holds one frame
    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as made:
        assert made.size == (1200, 1200)


def test_only_so_many_come_in_at_once(open_client):
    client = open_client(Limits(uploads_at_once=0))
    answer = client.post("/api/v1/datasets", files={"files": ("a.png", PNG)})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")


@pytest.mark.parametrize(
    ("encoding", "names", "themes"),
    [
        ("utf-8", ("all\\cats\\1.png", "all\\dogs\\2.png"), {"cats": 1, "dogs": 1}),  # Windows' own
        (
            "cp932",
            ("表示/ソ.png", "予定/十.png"),
            {"表示": 1, "予定": 1},
        ),  # second bytes that are backslashes
        ("cp932", ("犬\\表.png", "猫\\ソファ.png"), {"犬": 1, "猫": 1}),  # ... beside true ones
        ("gb18030", ("动物/1.png", "风景/2.png", "风景/3.png"), {"动物": 1, "风景": 2}),
        ("cp950", ("動物/1.png", "許功蓋/2.png"), {"動物": 1, "許功蓋": 1}),
        ("cp949", ("고양이/1.png", "강아지/2.png"), {"고양이": 1, "강아지": 1}),
        ("cp866", ("Кошки/1.png", "Собаки/2.png"), {"Кошки": 1, "Собаки": 1}),
        ("cp1251", ("Кошки/1.png", "Собаки/2.png"), {"Кошки": 1, "Собаки": 1}),
        ("cp850", ("Vögel/1.png", "Café/2.png"), {"Vögel": 1, "Café": 1}),
        ("utf-8", ("Vögel/1.png", "猫/2.png"), {"Vögel": 1, "猫": 1}),  # without the flag, as macOS writes it
    ],
)
def test_names_in_a_zip_are_read_as_they_were_written(small, encoding, names, themes):
    answer = small.post("/api/v1/datasets", files={"files": ("a.zip", in_encoding(encoding, *names))})
    assert answer.status_code == 201, answer.text
    assert answer.json()["themes"] == themes
    assert answer.json()["notes"] == []


def test_a_decomposed_name_is_the_same_theme(small):
    made = zipped(
        ("cafe\u0301/1.png", PNG), ("caf\u00e9/2.png", encoded(seed=1)), ("x；y/3.png", encoded(seed=2))
    )
    answer = small.post("/api/v1/datasets", files={"files": ("a.zip", made)})
    assert answer.json()["themes"] == {"café": 2, "x y": 1}


def test_names_that_nobody_can_read_are_said_and_lose_nothing(small):
    """Bytes that are words in no encoding, and one character that is one in several."""
    for raw in (b"\xff\xfe\xfd", "犬".encode("cp932")):
        name = raw.decode("cp437")
        made = in_encoding("cp437", f"{name}/1.png", "b/2.png")
        answer = small.post("/api/v1/datasets", files={"files": ("a.zip", made)})
        assert answer.status_code == 201, answer.text
        assert set(answer.json()["themes"]) == {" ".join(name.split()), "b"}
        assert "cannot be told in which encoding" in answer.json()["notes"][0]


def test_a_second_name_in_utf8_is_taken(small):
    made = second_name("猫/1.png", "??/1.png")
    answer = small.post("/api/v1/datasets", files=[("files", ("a.zip", made))])
    assert (answer.status_code, answer.json()["notes"]) == (201, [])


def test_what_systems_put_into_a_zip_is_left_out_and_said(small):
    made = zipped(
        ("a/1.png", PNG), ("__MACOSX/a/._1.png", b"x"), ("a/._1.png", b"x"), ("a/@eaDir/1.png", b"x"),
        ("a/.thumbnails/1.png", b"x"), ("a/Thumbs.db", b"x"), ("@eaDir/x/2.png", b"x"),
    )  # fmt: skip
    answer = small.post("/api/v1/datasets", files={"files": ("a.zip", made)})
    assert (answer.status_code, answer.json()["pictures"], answer.json()["rejected"]) == (201, 1, {})
    assert answer.json()["notes"] == [
        "Left out: 4 system folders ('__MACOSX', '@eaDir', '.thumbnails'), "
        "1 file of macOS beside a picture ('a/._1.png')."
    ]
