"""The documentation says what is true: links lead somewhere, commands, settings and quoted code exist."""

import importlib.util
import re
from pathlib import Path

import pytest

import impasto
from impasto.config.reading import load_config, preset_names

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def exists(dotted):
    """Whether `impasto.training.engine.Engine.fit` leads to something."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
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
    rows = set(re.findall(r"^\| `([\w-]+)` \|", text, re.M))
    assert rows == set(preset_names()), f"each preset has a row in {name}'s table"


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


def test_a_file_that_the_page_of_files_does_not_list_is_noticed(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("listing", ROOT / "tools" / "listing.py")
    listing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(listing)
    listing.main(["--check"])
    page = tmp_path / "files.md"
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    page.write_text(text.replace("    whitening.py ", "    bleaching.py "), encoding="utf-8")
    monkeypatch.setattr(listing, "PAGE", page)
    with pytest.raises(SystemExit, match="make fmt"):
        listing.main(["--check"])
    listing.main()
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_quoted_code_is_the_code_that_runs(page):
    """A block with a file's path as its title stands in that file, line by line."""
    for title, block in re.findall(r'^```python title="([^"]+)"\n(.*?)^```', page.read_text(), re.S | re.M):
        assert block in (ROOT / title).read_text(), f"{title} has not:\n{block}"


def test_how_a_gan_works_quotes_every_line_of_the_algorithm():
    page = (DOCS / "how-a-gan-works.md").read_text()
    titles = re.findall(r'title="src/impasto/([^"]+)"', page)
    assert {"tasks/generation/gan_step.py", "nn/losses/adversarial.py", "training/stopping.py"} <= set(titles)
    assert {f"Line {n}" for n in (3, 4, 5, 7, 8)} <= set(re.findall(r"Line \d", page))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.relative_to(DOCS)))
def test_named_parts_of_the_library_exist(page):
    text = page.read_text()
    names = re.findall(r"^::: ([\w.]+)$", text, re.M) + re.findall(r"#(impasto\.[\w.]+)\)", text)
    assert [name for name in names if not exists(name)] == []


HOUSE = [
    ROOT / "CONTRIBUTING.md",
    DOCS / "architecture.md",
    DOCS / "inside.md",
    *sorted((DOCS / "reference").glob("*.md")),
]


def files_called(named):
    """The files that a page means: by the path from the root, or by the end of one in the package."""
    return [*ROOT.glob(named), *(ROOT / "src" / "impasto").rglob(named)]


@pytest.mark.parametrize("page", HOUSE, ids=lambda p: p.name)
def test_named_files_exist_and_hold_what_is_said_of_them(page):
    text = page.read_text()
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
    assert [name for name in named if not files_called(name)] == []
    for part, name in re.findall(r"`(\w+)`(?:\s+of\s+|\s+\()`((?:\w+/)+\w+\.py)`", text):
        assert any(re.search(rf"\b{part}\b", file.read_text()) for file in files_called(name)), (part, name)


def test_the_public_reference_names_everything_public():
    page = (DOCS / "reference" / "public.md").read_text()
    named = {name.rsplit(".", 1)[1] for name in re.findall(r"^::: ([\w.]+)$", page, re.M)}
    assert named == set(impasto.__all__) - {"__version__"}


def test_the_navigation_has_every_page_once():
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
