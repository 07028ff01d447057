import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from impasto.data import duplicates
from impasto.data.duplicates import _pairs, drop_duplicates, find_duplicates, find_groups
from impasto.data.scan import Picture, Scan, scan_folder


def paths(groups: tuple[tuple[Picture, ...], ...]) -> list[list[str]]:
    return [[p.path for p in group] for group in groups]


def smooth(seed: int, size: int = 256) -> Image.Image:
    """Something like a photograph: random at low frequencies."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def test_copies_are_found_however_they_were_saved(tmp_path: Path) -> None:
    for seed in range(20):
        smooth(seed).save(tmp_path / f"{seed:02}.png")
    shutil.copy(tmp_path / "03.png", tmp_path / "03-copy.png")
    smooth(5).save(tmp_path / "05-worse.jpg", quality=60)
    smooth(7, 170).save(tmp_path / "07-small.webp", quality=70)
    smooth(9).point(lambda value: min(255, int(value * 1.03))).save(tmp_path / "09-brighter.png")
    scan = scan_folder(tmp_path)
    found = find_duplicates(scan)
    assert paths(found.exact) == [["03-copy.png", "03.png"]]
    assert sorted(map(sorted, paths(found.near))) == [
        ["05-worse.jpg", "05.png"],
        ["07-small.webp", "07.png"],
        ["09-brighter.png", "09.png"],
    ]
    left = drop_duplicates(scan)
    assert len(left.pictures) == 20
    assert "03-copy.png" in {p.path for p in left.pictures}  # the first of its group


def test_blank_pictures_of_other_colours_are_not_copies(tmp_path: Path) -> None:
    for index, shade in enumerate((0, 40, 80, 120, 255)):
        Image.new("RGB", (32, 32), (shade, shade, 90)).save(tmp_path / f"{index}.png")
    for index in range(5):  # a small mark on white is all that tells them apart
        page = Image.new("RGB", (64, 64), "white")
        page.paste("black", (10 * index, 30, 10 * index + 8, 38))
        page.save(tmp_path / f"mark{index}.png")
    found = find_duplicates(scan_folder(tmp_path))
    assert found.near == ()


def test_shades_of_one_colour_are_no_copies(tmp_path: Path) -> None:
    for index in range(40):
        Image.new("RGB", (64, 64), (40 + 4 * index, 90, 200 - 4 * index)).save(tmp_path / f"a{index:02}.png")
        Image.new("RGB", (64, 64), (90, 90 + index, 90)).save(tmp_path / f"b{index:02}.png")  # level by level
    Image.new("RGB", (32, 32), (40, 90, 200)).save(tmp_path / "again.png")
    found = find_duplicates(scan_folder(tmp_path))
    assert paths(found.near) == [["a00.png", "again.png"]]


def test_a_chain_is_no_group(tmp_path: Path) -> None:
    """Each is like the one before; the last is another picture than the first."""
    one, other = (np.asarray(smooth(seed), np.float32) for seed in (0, 1))
    for index in range(25):
        mixed = one + (other - one) * index / 24
        Image.fromarray(mixed.astype(np.uint8)).save(tmp_path / f"{index:02}.png")
    groups = paths(find_duplicates(scan_folder(tmp_path)).near)
    assert 4 <= len(groups) <= 12
    assert sum(map(len, groups)) >= 20
    first = [group[0] for group in groups]
    assert first == sorted(first)
    assert max(int(group[-1][:2]) - int(group[0][:2]) for group in groups) <= 6


def test_the_quick_search_misses_no_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_CHUNK", 7)
    thumbs = np.random.default_rng(0).integers(0, 6, (3000, 192), dtype=np.uint8) * 50
    thumbs[1500:1600] = thumbs[:100] + 3
    pictures = tuple(
        Picture(str(i), None, "png", 9, 9, str(i), thumb.tobytes()) for i, thumb in enumerate(thumbs)
    )
    pairs = {tuple(sorted(pair)) for pair in _pairs(Scan(tmp_path, pictures, (), 0), np.arange(3000))}
    assert pairs == {(i, 1500 + i) for i in range(100)}


def test_a_film_of_like_frames_is_one_group(tmp_path: Path) -> None:
    frame = smooth(0)
    for index in range(40):
        moved = frame.copy()
        moved.putpixel((index, index), (255, 0, 0))
        moved.save(tmp_path / f"{index:02}.png")
    found = find_duplicates(scan_folder(tmp_path))
    assert [len(group) for group in found.near] == [40]


def test_real_drawings_are_not_taken_for_copies(emoji: Path) -> None:
    copies = pictures = 0
    for theme in ("people-body", "smileys-emotion", "food-drink"):  # the most alike, and the most liked
        scan = scan_folder(emoji / theme)
        pictures += len(scan.pictures)
        copies += sum(len(group) - 1 for group in find_duplicates(scan).near)
    assert pictures > 600
    assert 1 <= copies <= 0.015 * pictures  # these are true: one couple is drawn twice


@pytest.mark.realdata
def test_paintings(realdata: Path) -> None:
    found = find_duplicates(scan_folder(realdata / "vangogh"))
    assert paths(found.exact) == [["00001.jpg", "00421.jpg"], ["00117.jpg", "00537.jpg"]]
    assert found.near == ()


@pytest.mark.realdata
def test_a_painting_saved_anew_is_found(realdata: Path, tmp_path: Path) -> None:
    for path in sorted((realdata / "vangogh").glob("*.jpg"))[10:40]:
        buffer = io.BytesIO()
        with Image.open(path) as painting:
            painting.resize((170, 170)).save(buffer, "JPEG", quality=70)
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / f"{path.stem}-copy.jpg").write_bytes(buffer.getvalue())
    assert len(find_duplicates(scan_folder(tmp_path)).near) >= 27


def test_groups_hold_copies_near_copies_and_mirror_images(tmp_path: Path) -> None:
    for seed in range(12):
        smooth(seed).save(tmp_path / f"{seed:02}.png")
    shutil.copy(tmp_path / "03.png", tmp_path / "03-copy.png")
    smooth(5).save(tmp_path / "05-worse.jpg", quality=60)
    ImageOps.mirror(smooth(7, 170)).save(tmp_path / "07-mirrored.webp", quality=70)
    ImageOps.mirror(smooth(5)).save(tmp_path / "05-mirrored.png")
    scan = scan_folder(tmp_path)
    groups: dict[str, list[str]] = {}
    for picture, name in zip(scan.pictures, find_groups(scan), strict=True):
        groups.setdefault(name, []).append(picture.path)
    assert sorted(group for group in groups.values() if len(group) > 1) == [
        ["03-copy.png", "03.png"],
        ["05-mirrored.png", "05-worse.jpg", "05.png"],
        ["07-mirrored.webp", "07.png"],
    ]
    assert len(groups) == 12
    assert set(groups) <= {picture.content_hash for picture in scan.pictures}


def test_mirrored_pairs_are_those_of_all_pairs(tmp_path: Path) -> None:
    """The search along a line misses none that a search among all pairs finds."""
    thumbs = np.random.default_rng(0).integers(0, 256, (600, 8, 8, 3), dtype=np.uint8)
    thumbs[1::3] = thumbs[::3, :, ::-1]
    pictures = tuple(Picture(f"{i}", None, "png", 8, 8, f"{i}", t.tobytes()) for i, t in enumerate(thumbs))
    found = {
        tuple(sorted(pair))
        for pair in _pairs(Scan(tmp_path, pictures, (), 0), np.arange(len(thumbs)), mirrored=True)
    }
    assert found == {(i, i + 1) for i in range(0, 600, 3)}
