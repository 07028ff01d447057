"""The page in a real browser, as a person uses it, with everything but this computer out of reach.

`make studio-test` runs it. IMPASTO_SCREENSHOTS names a folder for what it saw.
"""

import json
import os
import re
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from impasto.image.film import open_film
from tests.films import write_film

pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'impasto[studio]'")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),  # each waits for conditions, by deadlines of its own
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

    def tabs(self):
        """The names of all tabs, so that a new one is looked at, too."""
        names = self.page.get_by_role("tab").all_inner_texts()
        assert len(names) == len(set(names)) >= 5, names
        return names

    def is_at(self, name):
        tab = self.page.get_by_role("tab", name=name, exact=True)
        playwright.expect(tab).to_have_attribute("aria-selected", "true", timeout=WAIT)

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label, option):
        self.page.get_by_label(label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def pick(self, field, option):
        """Choose in a list that is given as its field."""
        field.click()
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

    def reload(self):
        """As a person does who comes back later."""
        wrong = list(self.wrong)
        self.page.reload()
        self.page.wait_for_selector("[role=tab]")
        self.wrong[:] = wrong  # what broke off because the page was left is not its fault

    def can_press(self, name, *, yes):
        """Wait until a button can be pressed, or cannot."""
        button = self.page.get_by_role("button", name=name, exact=True)
        playwright.expect(button).to_be_enabled(enabled=yes, timeout=WAIT)

    def saves(self, name):
        """The name of the file that a button saves, and where it is."""
        with self.page.expect_download() as saved:
            self.press(name)
        return saved.value.suggested_filename, saved.value.path()

    def film(self, script):
        """What a script says of the film on the page, once that is something."""
        self.page.wait_for_function(f"({script})(document.querySelector('#film video'))")
        return self.page.locator("#film video").evaluate(script)

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
    grid = page.locator("#grid img")
    playwright.expect(grid).to_have_count(12, timeout=WAIT)
    daring = page.locator("input[type=range]").nth(1)  # the first is how many
    seen.changes(lambda: daring.press("ArrowRight"))
    page.locator("#grid button").nth(2).click()
    page.wait_for_selector("#chosen img")
    name, path = seen.saves("Save PNG")
    assert name == "tiny_seed2.png"
    with Image.open(path) as picture:
        assert picture.size == (16, 16)
        assert "recipe" in picture.info
    name, path = seen.saves("Save ×4")
    assert name == "tiny_seed2_x4.png"
    with Image.open(path) as picture:
        assert picture.size == (64, 64)
    name, path = seen.saves("Save as one sheet")
    assert name == "tiny_seeds0-11_sheet.png"
    shown = seen.sources()
    seen.press("Make variations")
    seen.until("#grid", "Original")
    marked = page.locator("#grid .thumbnail-item.selected")
    playwright.expect(marked).to_have_count(1, timeout=WAIT)
    playwright.expect(marked).to_contain_text("Original", timeout=WAIT)
    seen.shoot("create")
    page.get_by_role("button", name=re.compile("^← Back")).click()
    playwright.expect(grid.first).to_have_attribute("src", shown[0], timeout=WAIT)
    playwright.expect(marked).to_have_count(0, timeout=WAIT)
    name, path = seen.saves("Save all (zip)")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"tiny_seed{seed}.png" for seed in range(12)]
    seen.press("Send to Upscale")
    seen.until("#small", r"tiny_seed2.*png")
    seen.is_at("Upscale")
    seen.choose("Upscaler", "larger")
    seen.choose("Engine", "PyTorch")
    seen.press("Upscale")
    page.wait_for_selector("#before-after img")
    seen.shoot("upscale")
    with page.expect_download() as saved:
        page.locator("#downloads a[download]").first.click()
    with Image.open(saved.value.path()) as picture:
        assert picture.size == (64, 64)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_one_broken_picture_does_not_lose_the_others(look, tmp_path, language):
    """It is named, beside the button, in the page's language, until other pictures are chosen."""
    paths = [tmp_path / name for name in ("one.png", "broken.png", "three.png", "notes.txt")]
    for path in paths:
        Image.effect_noise((32, 32), 50).save(path, "PNG")
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    paths[3].write_text("no picture")
    seen = look(language)
    zh = language != "en"
    tab, model, engine = ("放大", "放大模型", "引擎") if zh else ("Upscale", "Upscaler", "Engine")
    seen.tab(tab)
    start = seen.page.get_by_role("button", name=tab, exact=True)
    start.click()
    seen.until("#upscale-note", "请先选择图片" if zh else "Choose pictures first")
    seen.choose(model, "larger")
    seen.choose(engine, "PyTorch")
    seen.page.set_input_files("#small input[type=file]", paths)
    seen.until("#small", r"notes.*txt")
    playwright.expect(seen.page.locator("#upscale-note p")).to_have_count(0, timeout=WAIT)
    start.click()
    seen.until("#upscale-note", "broken.png：已损坏" if zh else "broken.png: is damaged")
    seen.until("#upscale-note", "notes.txt：不是可读取的图片" if zh else "notes.txt: is not a picture")
    files = seen.page.locator("#downloads a[download]")
    playwright.expect(files).to_have_count(3, timeout=WAIT)  # the zip and two pictures
    seen.shoot(f"left-out-{language}")
    with seen.page.expect_download() as saved:
        files.first.click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert archive.namelist() == ["one-1.png", "three-3.png"]
    clear = re.compile("^(Clear|清)")  # Gradio's own word
    seen.page.locator("#small").get_by_role("button", name=clear).first.click()
    playwright.expect(seen.page.locator("#upscale-note p")).to_have_count(0, timeout=WAIT)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_film_is_tried_and_then_made_whole(look, tmp_path, language):
    pytest.importorskip("av")
    path = write_film(tmp_path / "cat.mp4", frames=100)
    seen = look(language)
    zh = language != "en"
    tab, model, engine = ("放大", "放大模型", "引擎") if zh else ("Upscale", "Upscaler", "Engine")
    seen.tab(tab)
    seen.choose(model, "larger")
    seen.choose(engine, "PyTorch")
    seen.page.set_input_files("#small input[type=file]", path)
    seen.until("#small", r"cat.*mp4")
    seen.press(tab)
    seen.until("#upscale-note", "约需 1 分钟" if zh else "takes about 1 min")
    play = "one => one?.readyState > 1 && [one.videoWidth, one.videoHeight, one.duration]"
    width, height, seconds = seen.film(play)
    assert (width, height, round(seconds, 1)) == (256, 192, 3.0)
    seen.shoot(f"film-{language}")
    seen.press("放大整个视频" if zh else "Enlarge the whole film")
    seen.until("#upscale-note", "cat.mp4 已完成" if zh else "cat.mp4 is done")
    files = seen.page.locator("#downloads a[download]")
    playwright.expect(files).to_have_count(1, timeout=WAIT)
    with seen.page.expect_download() as saved:
        files.first.click()
    assert saved.value.suggested_filename == "cat.mp4"
    made = open_film(Path(saved.value.path()))
    assert (made.width, made.height, made.frames) == (256, 192, 100)
    seen.press("放大整个视频" if zh else "Enlarge the whole film")
    seen.until("#upscale-note", "/ 100" if zh else "of 100 frames")
    seen.press("取消" if zh else "Cancel")
    playwright.expect(seen.page.locator("#upscale-note p")).to_have_count(0, timeout=WAIT)


def test_create_opens_on_a_finished_model(look, workspace):
    """What is in training, or was stopped early, is there too, and says so."""
    shutil.copytree(workspace / "tiny", workspace / "early" / "last")
    record = {"event": "progress", "images_seen": 8, "unix_time": 1.0}
    (workspace / "early" / "events.jsonl").write_text(json.dumps(record) + "\n")
    os.utime(workspace / "early" / "last" / "model.safetensors")  # newer than all others
    seen = look()
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    model = seen.page.get_by_label("Model", exact=True)
    playwright.expect(model).to_have_value(re.compile("^(tiny|themed)$"), timeout=WAIT)
    seen.choose("Model", "early (still training)")
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)


def test_adjustments_are_prepared_in_sight(look):
    seen = look()
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    seen.page.get_by_role("button", name=re.compile("^Adjust")).click()
    playwright.expect(seen.page.locator("#fitted progress")).to_be_visible(timeout=WAIT)
    seen.shoot("adjust")
    playwright.expect(seen.page.locator("#fitted p")).to_have_count(0, timeout=WAIT)
    moves = seen.page.locator("#adjust input[type=range]")
    states = moves.evaluate_all("all => all.map(one => one.disabled)")
    reasons = seen.page.locator("#adjust").get_by_text("Changes nothing in this model's pictures")
    assert len(states) == 5
    playwright.expect(reasons).to_have_count(sum(states), timeout=WAIT)
    if not all(states):
        seen.changes(lambda: moves.nth(states.index(False)).press("End"))


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
    playwright.expect(hexadecimal).to_have_count(0, timeout=WAIT)

    def saved_point():
        page.locator("#grid button").nth(2).click()
        page.wait_for_selector("#chosen img")
        with page.expect_download() as saved:
            seen.press("Save PNG")
        with Image.open(saved.value.path()) as picture:
            return json.loads(picture.info["recipe"])["point"]

    # On a busy machine the pictures that came last may be those of the colour before, which come first.
    deadline = time.monotonic() + WAIT / 1000
    while (point := saved_point())["colours"][0][0] != "#008080" and time.monotonic() < deadline:
        page.wait_for_timeout(500)
    assert (point["colours"][0][0], point["start"]["themes"]) == ("#008080", ["flags"])
    seen.shoot("colours")
    photo = next((workspace / "shapes").rglob("*.png"))
    page.get_by_label("a photo's", exact=True).check()
    seen.changes(lambda: page.set_input_files("#palette input[type=file]", photo))


def test_favourites_and_a_film(look):
    """They are there after a reload, removed singly or all, and both can be undone."""
    seen = look()
    page = seen.page
    playwright.expect(page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    for i in (1, 2, 3):
        shown = page.locator("#chosen img").get_attribute("src") if i > 1 else ""
        page.locator("#grid button").nth(i).click()
        playwright.expect(page.locator("#chosen img")).not_to_have_attribute("src", shown, timeout=WAIT)
        page.get_by_role("button", name="Add to favourites", exact=True).first.click()
        seen.until("#chosen-note", f"{i} favourites")
    seen.reload()
    seen.tab("Explore")
    kept = page.locator("#kept img")
    playwright.expect(kept).to_have_count(3, timeout=WAIT)
    page.locator("#kept button").nth(1).click()
    seen.press("Remove")
    playwright.expect(kept).to_have_count(2, timeout=WAIT)
    seen.press("Undo")
    playwright.expect(kept).to_have_count(3, timeout=WAIT)
    seen.press("Clear all")
    playwright.expect(kept).to_have_count(0, timeout=WAIT)
    seen.can_press("Clear all", yes=False)
    seen.press("Undo")
    playwright.expect(kept).to_have_count(3, timeout=WAIT)
    name, path = seen.saves("Save all (zip)")
    assert name == "tiny_favourites.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"tiny_seed{seed}.png" for seed in (1, 2, 3)]
    seen.press("Make film")
    playwright.expect(page.locator("#seen img")).to_have_attribute("src", re.compile("webp$"), timeout=WAIT)
    seen.shoot("explore")
    seen.press("Mix")
    playwright.expect(page.locator("#seen img")).to_have_attribute("src", re.compile("png$"), timeout=WAIT)
    playwright.expect(kept).to_have_count(4, timeout=WAIT)
    seen.reload()
    seen.tab("Explore")
    playwright.expect(kept).to_have_count(4, timeout=WAIT)
    seen.press("Clear all")
    playwright.expect(kept).to_have_count(0, timeout=WAIT)
    seen.press("Make film")
    seen.until("#film-note", "Add at least two pictures")


def test_moving_over_the_map(look):
    seen = look()
    page = seen.page
    playwright.expect(page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    seen.tab("Explore")
    tiles = page.locator("#map img")
    playwright.expect(tiles).to_have_count(35, timeout=WAIT)
    ahead = tiles.nth(3).get_attribute("src")
    seen.press("Right")  # by three
    playwright.expect(tiles.nth(0)).to_have_attribute("src", ahead, timeout=WAIT)
    playwright.expect(tiles).to_have_count(35, timeout=WAIT)
    here = page.locator("#here img")
    for _ in range(3):  # the same place of the screen, each time another picture
        shown = here.get_attribute("src") if here.count() else ""
        page.locator("#map button").nth(9).click()
        playwright.expect(here).not_to_have_attribute("src", shown, timeout=WAIT)
        middle = here.get_attribute("src")  # where it goes to, after all tiles before that place
        playwright.expect(tiles.nth(17)).to_have_attribute("src", middle, timeout=WAIT)
    seen.shoot("map")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save PNG", exact=True).last.click()
    with Image.open(saved.value.path()) as picture:
        assert "between" in picture.info["recipe"]
    page.get_by_role("button", name="Add to favourites", exact=True).last.click()
    playwright.expect(page.locator("#kept img")).to_have_count(1, timeout=WAIT)


def test_a_game_from_round_to_round(look):
    seen = look()
    seen.tab("Learn")
    seen.until("#plane", "Before the first round")  # drawn without being asked
    playwright.expect(seen.page.locator("#plane circle")).not_to_have_count(0, timeout=WAIT)
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
    seen.until("#data-note", "30 pictures uploaded")
    seen.press("Check pictures")
    seen.until("#report", "Suggested preset: few-shot")
    seen.page.get_by_label("Name", exact=True).fill("spring")
    seen.choose("Preset", "mlp")
    seen.choose("Size, px", "32")
    seen.can_press("Start training", yes=True)
    seen.press("Start training")
    seen.until("#state", "spring: preparing")
    seen.page.wait_for_selector("#state progress")
    seen.can_press("Start training", yes=False)
    seen.until("#blocked", "Another training is running")
    seen.can_press("Resume", yes=False)
    seen.until("#state", "in training: [1-9]")
    seen.page.wait_for_selector("#samples img")
    seen.press("Stop and save")
    seen.until("#state", "stopped: [1-9]")
    for button, yes in (("Stop and save", False), ("Resume", True), ("Start training", True)):
        seen.can_press(button, yes=yes)
    seen.shoot("train")
    seen.changes(lambda: seen.press("Use in Create"))  # those of another model were there before
    seen.is_at("Create")
    model = seen.page.get_by_label("Model", exact=True)
    playwright.expect(model).to_have_value(re.compile("^spring"), timeout=WAIT)
    seen.until("#grid", "11")
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    seen.page.locator("#grid button").nth(2).click()
    seen.page.wait_for_selector("#chosen img")
    seen.press("Nearest of yours")
    playwright.expect(seen.page.locator("#yours img")).to_have_count(2, timeout=WAIT)
    seen.until("#yours", "by layout.*by content")
    seen.shoot("nearest")
    seen.page.locator("#grid button").nth(3).click()
    playwright.expect(seen.page.locator("#yours img")).to_have_count(0, timeout=WAIT)
    seen.tab("Train")
    seen.press("Resume")
    seen.until("#state", "preparing|in training")
    again = look()  # a page that is opened later finds it
    again.tab("Train")
    again.until("#state", "in training: [1-9]")
    again.can_press("Use in Create", yes=True)
    again.press("Stop and save")
    again.until("#state", "stopped")
    seen.until("#state", "stopped")
    seen.changes(lambda: seen.press("Use in Create"))  # its pictures are those of what it has become
    seen.is_at("Create")


def test_what_cannot_be_trained_is_not_started(look, workspace, tmp_path):
    """Too few pictures; an upload that failed; minutes that are none."""
    (workspace / "three").mkdir()
    for path in sorted((workspace / "shapes").rglob("*.png"))[:3]:
        shutil.copy(path, workspace / "three" / f"{path.parent.name}-{path.name}")
    (tmp_path / "notes.txt").write_text("no picture")
    seen = look()
    page = seen.page
    seen.tab("Train")
    for button in ("Stop and save", "Resume", "Use in Create"):
        seen.can_press(button, yes=False)
    data = page.get_by_role("combobox", name="Pictures", exact=True)
    seen.pick(data, "three")
    seen.until("#blocked", "At least 24 pictures are needed; you have 3")
    seen.can_press("Start training", yes=False)
    seen.shoot("blocked")
    seen.pick(data, "shapes")
    seen.can_press("Start training", yes=True)
    playwright.expect(page.locator("#blocked p")).to_have_count(0, timeout=WAIT)
    seen.press("Check pictures")
    seen.until("#report", "shapes: 30 pictures")
    page.set_input_files("#set input[type=file]", tmp_path / "notes.txt")
    seen.until("#data-note", "notes.txt was not uploaded")
    playwright.expect(page.locator("#report")).not_to_contain_text("pictures", timeout=WAIT)
    playwright.expect(data).to_have_value("", timeout=WAIT)
    seen.can_press("Start training", yes=False)
    seen.press("Check pictures")
    seen.until("#data-note", "Choose pictures first")
    seen.pick(data, "shapes")
    playwright.expect(page.locator("#data-note p")).to_have_count(0, timeout=WAIT)
    seen.can_press("Start training", yes=True)
    page.get_by_label("Minutes", exact=True).fill("")
    seen.press("Start training")
    seen.until("#begin-note", "Minutes must be a number")
    assert not (workspace / "runs").exists()


def test_runs_are_renamed_deleted_and_brought_back(look, workspace):
    run = workspace / "runs" / "x"
    shutil.copytree(workspace / "tiny", run / "best")
    about = {
        "name": "spring", "pictures": "shapes", "created": 1, "preset": "mlp", "size": 16, "limits": [],
        "folder": str(workspace / "shapes"), "arguments": [],
    }  # fmt: skip
    (run / "job.json").write_text(json.dumps(about))
    ended = {
        "event": "stopped",
        "condition": "minutes",
        "words": "",
        "seconds": 60,
        "unix_time": 2,
        "images_seen": 8,
    }
    (run / "events.jsonl").write_text(json.dumps(ended) + "\n")
    seen = look()
    page = seen.page
    seen.tab("Train")
    job = page.get_by_label("Training", exact=True)
    playwright.expect(job).to_have_value(re.compile("^spring"), timeout=WAIT)
    page.get_by_role("button", name=re.compile("^Rename or delete this training")).click()
    manage = page.locator("#manage-job")
    manage.get_by_label("New name").fill("my flowers")
    manage.get_by_role("button", name="Rename", exact=True).click()
    playwright.expect(job).to_have_value(re.compile("^my flowers"), timeout=WAIT)
    manage.get_by_role("button", name="Delete", exact=True).click()
    manage.get_by_role("button", name="Cancel", exact=True).click()
    manage.get_by_role("button", name="Delete", exact=True).click()
    manage.get_by_role("button", name="Yes, delete", exact=True).click()
    playwright.expect(job).to_have_value("", timeout=WAIT)
    assert not run.exists()
    seen.can_press("Use in Create", yes=False)
    seen.shoot("deleted")
    manage.get_by_role("button", name="Undo delete", exact=True).click()
    playwright.expect(job).to_have_value(re.compile("^my flowers"), timeout=WAIT)
    assert run.is_dir()
    seen.press("Use in Create")
    playwright.expect(page.get_by_label("Model", exact=True)).to_have_value("my flowers", timeout=WAIT)


def test_the_chinese_page_says_in_chinese_what_is_wrong(look, workspace):
    (workspace / "three").mkdir()
    for path in sorted((workspace / "shapes").rglob("*.png"))[:3]:
        shutil.copy(path, workspace / "three" / f"{path.parent.name}-{path.name}")
    seen = look("zh-CN")
    page = seen.page
    seen.tab("训练")
    data = page.get_by_role("combobox", name="图片", exact=True)
    seen.pick(data, "three")
    seen.until("#blocked", "至少需要 24 张图片，现在只有 3 张")
    page.get_by_role("button", name="检查图片", exact=True).click()
    seen.until("#report", "无法开始训练：至少需要 24 张图片")
    told = page.locator("#report").inner_text().replace("few-shot", "").replace("three", "")
    assert re.findall("[A-Za-z]{3,}", told) == []
    seen.shoot("chinese")


@pytest.mark.parametrize("width", [390, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_chinese_at_any_width(look, width, scheme):
    seen = look("zh-CN", width=width, scheme=scheme)
    playwright.expect(seen.page.locator("html")).to_have_attribute("lang", "zh")
    playwright.expect(seen.page.locator("#grid img")).to_have_count(12, timeout=WAIT)
    for name in seen.tabs():
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
    for name in seen.tabs():
        seen.tab(name)
        seen.page.wait_for_timeout(500)
        told = seen.page.evaluate("axe.run()")["violations"]
        for one in told:
            if one["impact"] in ("serious", "critical"):
                found[name, one["id"]] = [node["html"][:200] for node in one["nodes"]]
    assert found == {}
