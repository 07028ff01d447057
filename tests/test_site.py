"""The documentation as a site: it builds strictly, and its pages fetch nothing from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|link)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)"""
)


def build(folder):
    environment = os.environ | {"NO_COLOR": "1"}
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def sources(tmp_path):
    """The repository's pages, settings and source, in a folder of the test's own."""
    pytest.importorskip("zensical", reason="the site is built by `make docs`")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("zoo", "__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def test_the_site_is_whole_and_fetches_nothing(sources):
    done = build(sources)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = sorted((sources / "site").rglob("*.html"))
    assert len(pages) > len(list((sources / "docs").rglob("*.md")))  # and one for what is not found
    for page in pages:
        assert FETCHED.findall(page.read_text()) == [], page
    for style in (sources / "site").rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", style.read_text()), style
    reference = (sources / "site" / "reference" / "losses.html").read_text()
    assert "generator_non_saturating" in reference
    assert "what D minimises (Goodfellow et al. 2014" in reference


@pytest.mark.slow
def test_a_link_to_a_function_that_is_gone_breaks_the_build(sources):
    page = sources / "docs" / "how-a-gan-works.md"
    page.write_text(page.read_text().replace("gan_step.gan_step)", "gan_step.gone)"))
    assert build(sources).returncode != 0
