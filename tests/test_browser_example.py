"""The web page of examples/browser in Chromium: an exported generator makes pictures there.

`make studio-test` runs it. IMPASTO_SCREENSHOTS names a folder for what it saw.
"""

import functools
import os
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import impasto
from impasto.export.files import export_generator

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
pytest.importorskip("onnxscript", reason="needs pip install 'impasto[engines]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EXAMPLE = Path(__file__).parent.parent / "examples" / "browser"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm"),
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    for path in EXAMPLE.glob("*.*"):
        if path.suffix in {".html", ".js", ".json"} and path.is_file():
            shutil.copy(path, folder)
    modules = EXAMPLE / "node_modules"
    if modules.is_dir():
        (folder / "node_modules").symlink_to(modules)
    else:
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install: {done.stderr[-200:]}")
    for name in ("openmoji-64", "fashion-32"):
        export_generator(impasto.load(impasto.training.checkpoints.find_model(name)), "onnx", folder / name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(site):
    with playwright.sync_playwright() as started:
        options = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": 900, "height": 760})
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on(
            "request",
            lambda sent: None if sent.url.startswith((site, "data:", "blob:")) else wrong.append(sent.url),
        )
        yield page
        browser.close()
        assert [words for words in wrong if "favicon" not in words and "404" not in words] == []


SPREAD = """() => [...document.querySelectorAll("canvas")].map(c => {
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let low = 255, high = 0;
  for (let i = 0; i < d.length; i += 4) { low = Math.min(low, d[i]); high = Math.max(high, d[i]); }
  return high - low;
})"""


FIRST = "() => document.querySelector('canvas').toDataURL()"


def made(page, site, model=""):
    page.goto(f"{site}/?model={model}" if model else site)
    playwright.expect(page.locator("#said")).to_contain_text("12 pictures in", timeout=120_000)
    spreads = page.evaluate(SPREAD)
    assert len(spreads) == 12
    assert min(spreads) > 60  # a picture, and not one colour


def test_pictures_of_a_theme(page, site):
    made(page, site)
    for theme in ("flags", "animals-nature"):
        before = page.evaluate(FIRST)
        page.get_by_label("Theme").select_option(theme)
        page.wait_for_function(f"before => ({FIRST})() !== before", arg=before, timeout=120_000)
    if folder := os.environ.get("IMPASTO_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "browser-example.png")


def test_grey_pictures_of_another_model(page, site):
    made(page, site, "fashion-32")


def test_a_model_that_is_not_there_is_said(page, site):
    page.goto(f"{site}/?model=nothing")
    playwright.expect(page.locator("#said")).to_contain_text(
        "Are nothing.onnx and nothing.json beside this page?"
    )
