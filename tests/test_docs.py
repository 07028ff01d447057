"""The documentation says what is true: links lead somewhere, commands and settings exist."""

import re
from pathlib import Path

import pytest

from impasto.config import load_config, preset_names

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("https://", "#")):
            assert (page.parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_commands_and_settings_exist(name):
    from impasto.cli import app

    text = (ROOT / name).read_text()
    verbs = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert set(re.findall(r"bin/impasto ([a-z]+)", text)) <= verbs
    assert set(re.findall(r"make ([a-z]+)", text)) <= set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    )
    load_config("dcgan", re.findall(r"--set ([a-z_.]+=[\w-]+)", text))
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.M)) == set(preset_names())


def test_both_readmes_have_the_same_commands_and_figures():
    blocks = [
        re.findall(r"```(?:sh|python)\n(.*?)```", (ROOT / name).read_text(), re.S)
        for name in ("README.md", "README.zh-CN.md")
    ]
    commands = [[re.sub(r"\s*#.*", "", line) for b in part for line in b.splitlines()] for part in blocks]
    assert commands[0] == commands[1]
    figures = [
        re.findall(r"^\|.*\d.*\|$", (ROOT / name).read_text(), re.M)
        for name in ("README.md", "README.zh-CN.md")
    ]
    numbers = [[re.findall(r"\d[\d.,]*\d|\d", row) for row in part] for part in figures]
    assert numbers[0] == numbers[1]


def test_the_architecture_page_names_every_source_file():
    page = (ROOT / "docs" / "architecture.md").read_text()
    missing = [
        path.name
        for path in (ROOT / "src" / "impasto").rglob("*.py")
        if path.parent.name != "cli"
        and path.name not in ("__init__.py", "__main__.py")
        and path.name not in page
    ]
    assert missing == []
