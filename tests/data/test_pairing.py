"""Which files of two folders belong together, and what is said of those that do not."""

from pathlib import Path

import pytest

from impasto.data.pairing import bare_stem_of, name_all, pair_up
from impasto.data.scan import Picture, Rejected

FOLDERS = Path("layouts"), Path("pictures")


def files(*names, size=(8, 8)):
    return [Picture(name, None, "png", *size, content_hash=name, thumb=b"") for name in names]


def paired(here, there):
    found = pair_up(here, there, FOLDERS)
    pairs = [(one.path, other.path) for one, other in found.pairs]
    return pairs, *({f.path: f.reason for f in left} for left in (found.left_here, found.left_there))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("a/1.png", "a/1.jpg"),
        ("1_B.jpg", "1_A.jpg"),
        ("1-layout.png", "1.webp"),
        ("1.png", "1-photo.jpg"),
        ("hof 3 label.png", "hof 3 picture.png"),
        ("x_label_map.png", "x.png"),
    ],
)
def test_one_stem_is_one_pair(here, there):
    assert paired(files(here), files(there)) == ([(here, there)], {}, {})


def test_the_same_stem_comes_before_one_without_its_ending():
    pairs, *left = paired(files("1.png", "1_A.png"), files("1.jpg", "1_A.jpg"))
    assert pairs == [("1.png", "1.jpg"), ("1_A.png", "1_A.jpg")]
    assert left == [{}, {}]


def test_no_ending_is_taken_for_a_name():
    assert bare_stem_of("_A.png") == "_A"
    assert bare_stem_of("folder/A.png") == "folder/A"
    assert bare_stem_of("lamp.png") == "lamp"


def test_what_is_doubled_is_named_and_never_guessed():
    pairs, here, there = paired(files("1_A.png", "1_x.png", "2.png"), files("1_B.png", "2.jpg"))
    assert pairs == [("2.png", "2.jpg")]
    assert set(here) == {"1_A.png", "1_x.png"}
    assert set(there) == {"1_B.png"}
    assert "may belong to '1_B.png' in 'pictures', and so may '1_x.png'" in here["1_A.png"]
    assert "'1_A.png', '1_x.png'" in there["1_B.png"]


def test_two_suffixes_of_one_stem_are_a_double():
    pairs, here, there = paired(files("1.png", "1.jpg"), files("1.webp"))
    assert pairs == []
    assert set(here) == {"1.png", "1.jpg"}
    assert set(there) == {"1.webp"}


def test_what_has_no_partner_is_named_on_both_sides():
    pairs, here, there = paired(files("1.png", "2.png"), files("2.png", "3.png"))
    assert pairs == [("2.png", "2.png")]
    assert here == {"1.png": "has no pair of its name in 'pictures'"}
    assert there == {"3.png": "has no pair of its name in 'layouts'"}


def test_different_sizes_are_named_with_both():
    pairs, here, there = paired(files("1.png"), files("1.png", size=(8, 9)))
    assert pairs == []
    assert here == {"1.png": "has 8 x 8 px and its pair '1.png' 8 x 9"}
    assert there == {"1.png": "has 8 x 9 px and its pair '1.png' 8 x 8"}


def test_every_file_is_named_and_very_many_are_counted():
    words = name_all("of 'x'", [Rejected(f"{i}.png", "is alone") for i in range(23)])
    assert words.startswith("Left out of 'x', 23: 0.png is alone; 1.png is alone")
    assert words.endswith("19.png is alone; and 3 more.")
    assert name_all("of 'x'", []) == ""
