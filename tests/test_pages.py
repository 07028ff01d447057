"""The chart of both the demo and the studio; and that no page is made without the templates."""

import ast
import re
from pathlib import Path

import pytest

import impasto
from impasto import pages
from impasto.pages import HEIGHT, LEFT, chart, render

SOURCE = Path(impasto.__file__).parent
ICON = "look.py"  # one drawing that never changes


def lines_of(drawn):
    found = re.findall(r'<polyline points="([^"]*)"', drawn)
    return [[tuple(map(float, point.split(","))) for point in points.split()] for points in found]


def test_points_are_where_they_belong():
    (line,) = lines_of(chart("up", [[(5, 2.0), (10, 4.0)]]))
    assert line == [(LEFT, HEIGHT - pages.BOTTOM), (pages.WIDTH - 8, pages.TOP)]
    drawn = chart(
        "up", [[(5, 0.5), (10, 1.0)]], names=["up"], from_zero=True, highest=2, level=1, unit="steps"
    )
    ((x0, _), (x1, y1)), top, base = lines_of(drawn)[0], pages.TOP + pages.NAMES, HEIGHT - pages.BOTTOM
    assert (x0, x1) == ((LEFT + pages.WIDTH - 8) / 2, pages.WIDTH - 8)
    assert y1 == pytest.approx((top + base) / 2)
    assert f'd="M{LEFT} {y1}H' in drawn  # the level
    for words in (">up: 1.00 at last<", ">10 steps<", ">0<", ">2<"):
        assert words in drawn


def test_what_is_not_finite_is_left_out_and_little_is_not_drawn():
    drawn = chart("x", [[(0, 1.0), (1, float("nan")), (2, 3.0)], [(0, float("inf"))]])
    assert [len(line) for line in lines_of(drawn)] == [2, 0]
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert chart("too little", [[], [(1, 2.0)], [(1, 3.0)]]) == ""
    assert chart("too little", [[]], names=["a"], from_zero=True) == ""
    assert "a: 2.00 at last" in chart("enough", [[(1, 2.0)], []], names=["a", "b"], from_zero=True)
    assert len(lines_of(chart("x", [[(i, i) for i in range(10_000)]]))[0]) <= 400
    drawn = chart("below", [[(1, -0.2), (2, -0.1)]], from_zero=True)
    assert lines_of(drawn)[0][0][1] == HEIGHT - pages.BOTTOM
    assert ">-0.2<" in drawn
    for from_zero in (True, False):
        assert len(lines_of(chart("flat", [[(0, 0), (1, 0)]], from_zero=from_zero))[0]) == 2


@pytest.mark.parametrize("count", [3, 6, 20])
def test_any_number_of_lines_is_drawn_each_with_its_name_and_its_look(count):
    names = [f"line {i}" for i in range(count)]
    drawn = chart("many", [[(0, i), (1, i + 1)] for i in range(count)], names=names)
    assert len(lines_of(drawn)) == count
    looks = re.findall(r'<g class="line\d+" color="([^"]+)"(?: stroke-dasharray="([^"]+)")?>', drawn)
    assert len(set(looks)) == len(looks) == count
    heights = [int(y) for y in re.findall(r'y="(\d+)"[^>]*>line \d+: ', drawn)]
    assert len(set(heights)) == count
    top = min(y for line in lines_of(drawn) for _, y in line)
    assert max(heights) < top  # no name lies on the lines
    assert max(y for line in lines_of(drawn) for _, y in line) == HEIGHT + 17 * (count - 2) - pages.BOTTOM


def test_lines_without_a_name_are_drawn():
    drawn = chart("some", [[(0, 1), (1, 2)]] * 3, names=["a"])
    assert len(lines_of(drawn)) == 3
    assert drawn.count(" at last") == 1
    assert len(lines_of(chart("none", [[(0, 1), (1, 2)]] * 3))) == 3


@pytest.mark.parametrize("door", ["caption", "names", "unit"])
def test_words_of_a_chart_are_text(door):
    evil = '"><script>alert(1)</script>'
    drawn = chart(**{"caption": "a", "lines": [[(0, 1), (1, 2)]], door: [evil] if door == "names" else evil})
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


def test_every_template_escapes():
    """One text is put in as it is: a card's licence, in Markdown, without its HTML."""
    assert pages._TEMPLATES.autoescape is True
    free = {
        path.name: re.findall(r"\{\{[^}]*\|\s*safe[^}]*\}\}|autoescape", path.read_text())
        for path in (SOURCE / "templates").iterdir()
    }
    assert {name: found for name, found in free.items() if found} == {
        "card.md": ['{{ licence.replace("<", "&lt;") | safe }}']
    }
    assert "<script" not in render("login.html", words="<script>")


def test_no_other_file_writes_markup():
    for path in SOURCE.rglob("*.py"):
        texts = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if path.name != ICON:
            tag = r"</?(html|head|body|svg|div|span|p|a|b|i|strong|h\d|table|t[rdh]|img|figure|script)[ >/]"
            assert not [text for text in texts if re.search(tag, text)], path
