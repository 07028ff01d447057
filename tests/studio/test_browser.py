"""The page in a real browser, as a person uses it, with everything but this computer out of reach.

`make studio-test` runs it. IMPASTO_SCREENSHOTS names a folder for what it saw.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'impasto[studio]'")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]
WAIT = 120_000  # milliseconds: the machine may be training beside


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        options = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


class Seen:
    """A page and all that went wrong on it."""

    def __init__(self, chromium, url, language, width=1440, scheme="light"):
        self.url, self.wrong = url, []
        context = chromium.new_context(
            locale=language, viewport={"width": width, "height": 1000}, color_scheme=scheme
        )
        context.set_default_timeout(WAIT)
        self.page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self.page.goto(url)
        self.page.wait_for_selector("[role=tab]")

    def _said(self, message):
        if message.type == "error":
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request):
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.wrong.append(f"elsewhere: {request.url}")

    def _answered(self, response):
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")

    def tab(self, name):
        self.page.get_by_role("tab", name=name, exact=True).click()

    def is_at(self, name):
        tab = self.page.get_by_role("tab", name=name, exact=True)
        playwright.expect(tab).to_have_attribute("aria-selected", "true", timeout=WAIT)

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label, option):
        self.page.get_by_label(label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def until(self, selector, words):
        """Wait for words that a pattern describes."""
        playwright.expect(self.page.locator(selector)).to_contain_text(re.compile(words), timeout=WAIT)

    def changes(self, act):
        """Do something after which all twelve pictures are others."""
        before = self.sources()
        act()
        self.page.wait_for_function(
            "was => { const now = [...document.querySelectorAll('#grid img')].map(one => one.src);"
            " return now.length === 12 && now.every((one, i) => one !== was[i]) }", arg=before,
        )  # fmt: skip

    def shoot(self, name):
        if folder := os.environ.get("IMPASTO_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def sources(self):
        return self.page.locator("#grid img").evaluate_all("all => all.map(one => one.src)")


@pytest.fixture
def look(chromium, serve, workspace):
    pages = []
    server = serve(workspace, page=True)

    def open_it(language="en", **how):
        pages.append(Seen(chromium, server.url, language, **how))
        return pages[-1]

    yield open_it
    for seen in pages:
        seen.page.context.close()
    assert [seen.wrong for seen in pages] == [[]] * len(pages)


def test_from_a_seed_to_a_large_picture(look, tmp_path):
    seen = look()
    page = seen.page
    playwright.expect(page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    daring = page.locator("input[type=range]").nth(1)  # the first is how many
    seen.changes(lambda: daring.press("ArrowRight"))
    page.locator("#grid button").nth(2).click()
    page.wait_for_selector("#chosen img")
    with page.expect_download() as saved:
        seen.press("Save PNG")
    with Image.open(saved.value.path()) as picture:
        assert picture.size == (16, 16)
        assert "recipe" in picture.info
    seen.press("Neighbours")
    seen.until("#grid", "start")
    seen.shoot("create")
    seen.press("To Upscale")
    seen.until("#small", r"impasto.*png")
    seen.is_at("Upscale")
    seen.choose("Upscaler", "larger")
    seen.choose("Engine", "PyTorch")
    seen.press("Enlarge")
    page.wait_for_selector("#before-after img")
    seen.shoot("upscale")
    with page.expect_download() as saved:
        page.locator("#made a[download]").first.click()
    with Image.open(saved.value.path()) as picture:
        assert picture.size == (64, 64)


def test_a_theme_and_colours(look, workspace):
    seen = look()
    page = seen.page
    playwright.expect(page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    seen.choose("Model", "themed")
    seen.choose("Theme", "flags")
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^Colours")).click()
    seen.changes(lambda: page.get_by_label("these", exact=True).check())
    page.get_by_role("button", name="Colour 1", exact=True).click()
    hexadecimal = page.locator(".color-picker input[type=text]")
    hexadecimal.fill("#008080")
    seen.changes(lambda: hexadecimal.press("Enter"))
    seen.shoot("picker")
    page.get_by_role("heading", name="Impasto").click()  # closes the picker
    page.wait_for_timeout(1_000)
    page.locator("#grid button").nth(2).click()
    page.wait_for_selector("#chosen img")
    with page.expect_download() as saved:
        seen.press("Save PNG")
    with Image.open(saved.value.path()) as picture:
        point = json.loads(picture.info["recipe"])["point"]
    assert (point["colours"][0][0], point["start"]["themes"]) == ("#008080", ["flags"])
    seen.shoot("colours")
    photo = next((workspace / "shapes").rglob("*.png"))
    page.get_by_label("a photo's", exact=True).check()
    seen.changes(lambda: page.set_input_files("#palette input[type=file]", photo))


def test_a_way_between_two_pictures(look):
    seen = look()
    page = seen.page
    playwright.expect(page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    for i in (1, 2):
        shown = page.locator("#chosen img").get_attribute("src") if i > 1 else ""
        page.locator("#grid button").nth(i).click()
        playwright.expect(page.locator("#chosen img")).not_to_have_attribute("src", shown, timeout=WAIT)
        seen.press("Keep for Explore")
        page.get_by_text(f"Kept for Explore: {i}").wait_for()
    seen.tab("Explore")
    playwright.expect(page.locator("#kept img")).to_have_count(2, timeout=WAIT)
    seen.press("Go the way")
    playwright.expect(page.locator("#seen img")).to_have_attribute("src", re.compile("webp$"), timeout=WAIT)
    seen.shoot("explore")
    seen.press("Mix")
    playwright.expect(page.locator("#seen img")).to_have_attribute("src", re.compile("png$"), timeout=WAIT)
    playwright.expect(page.locator("#kept img")).to_have_count(3, timeout=WAIT)


def test_wandering_on_the_map(look):
    seen = look()
    page = seen.page
    playwright.expect(page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    seen.tab("Explore")
    tiles = page.locator("#map img")
    playwright.expect(tiles).to_have_count(35, timeout=WAIT)
    seen.press("Right")
    page.wait_for_timeout(1_000)
    playwright.expect(tiles).to_have_count(35, timeout=WAIT)
    here = page.locator("#here img")
    for _ in range(3):  # the same place of the screen, each time another picture
        shown = here.get_attribute("src") if here.count() else ""
        page.locator("#map button").nth(9).click()
        playwright.expect(here).not_to_have_attribute("src", shown, timeout=WAIT)
        page.wait_for_timeout(1_000)
    seen.shoot("map")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save PNG", exact=True).last.click()
    with Image.open(saved.value.path()) as picture:
        assert "between" in picture.info["recipe"]
    seen.press("Keep")
    playwright.expect(page.locator("#kept img")).to_have_count(1, timeout=WAIT)


def test_a_game_from_round_to_round(look):
    seen = look()
    seen.tab("Learn")
    seen.press("Play")
    seen.until("#plane", r"Round [1-9]\d\d\.")
    seen.until("#verdict", "Under way|Converged|Oscillating|Collapsed|Diverged")
    seen.choose("Loss", "WGAN-GP")
    seen.press("Pause")
    seen.shoot("learn")
    seen.press("Begin anew")
    seen.until("#verdict", "Beginning")
    seen.press("Pause")


def test_a_training_from_pictures_to_pictures(look, workspace):
    seen = look()
    seen.tab("Train")
    seen.page.set_input_files("#set input[type=file]", sorted((workspace / "shapes").rglob("*.png")))
    seen.until("#report", "30 pictures were taken in")
    seen.press("Look at them")
    seen.until("#report", "Suggested preset: few-shot")
    seen.choose("Preset", "mlp")
    seen.choose("Size, px", "32")
    seen.press("Start training")
    seen.until("#state", "in training: [1-9]")
    seen.page.wait_for_selector("#samples img")
    seen.press("Stop and save")
    seen.until("#state", "stopped: [1-9]")
    seen.shoot("train")
    seen.press("To Create")
    seen.is_at("Create")
    playwright.expect(seen.page.get_by_label("Model", exact=True)).to_have_value(re.compile("runs/"))
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    seen.tab("Train")
    seen.press("Go on")
    seen.until("#state", "in training")
    again = look()  # a page that is opened later finds it
    again.tab("Train")
    again.until("#state", "in training")
    again.press("Stop and save")
    again.until("#state", "stopped")
    seen.until("#state", "stopped")


@pytest.mark.parametrize("width", [390, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_chinese_at_any_width(look, width, scheme):
    seen = look("zh-CN", width=width, scheme=scheme)
    playwright.expect(seen.page.locator("html")).to_have_attribute("lang", "zh")
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    for name in ("创作", "探索", "放大", "训练", "学习"):
        seen.tab(name)
        assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        seen.page.wait_for_timeout(500)  # for what slides in
        seen.shoot(f"{name}-{width}-{scheme}")
        seen.page.keyboard.press("Tab")
        focused = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert focused == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(look, scheme):
    package = pytest.importorskip("axe_playwright_python", reason="needs axe-core, which that package has")
    axe = Path(package.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    seen = look(scheme=scheme)
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    seen.page.evaluate(axe)
    found = {}
    for name in ("Create", "Explore", "Upscale", "Train", "Learn"):
        seen.tab(name)
        seen.page.wait_for_timeout(500)
        told = seen.page.evaluate("axe.run()")["violations"]
        for one in told:
            if one["impact"] in ("serious", "critical"):
                found[name, one["id"]] = [node["html"][:200] for node in one["nodes"]]
    assert found == {}
