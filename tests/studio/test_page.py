"""The page's parts. What a browser sees of them is in test_browser.py."""

import ast
import io
import json
import re
import shutil
import string
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

gradio = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'impasto[studio]'")

from impasto.config.reading import load_config, preset_names
from impasto.data.folder import open_folder
from impasto.pages import BLUE, ORANGE
from impasto.studio import page
from impasto.studio.app import create_app
from impasto.studio.page import (
    create,
    errors,
    explore,
    favourites,
    latent_map,
    learn,
    models,
    notes,
    preparing,
    steering,
    train,
    upscale,
)  # fmt: skip
from impasto.studio.page.context import PageContext
from impasto.studio.page.favourites import Collection
from impasto.studio.page.steering import FIRST_COLOURS, STEERED, Wish, to_hex, wish
from impasto.studio.page.words import WORDS, choose_language, words
from impasto.studio.problems import Refused
from impasto.studio.settings import Settings
from impasto.studio.studio import open_studio
from tests.studio.conftest import BASE, wait_for

WISH = Wish(1.0, (), (), None, {})


@pytest.fixture(scope="module")
def client(made, tmp_path_factory):
    """The page over a workspace that nothing changes; it takes a second or two to build."""
    workspace = shutil.copytree(made, tmp_path_factory.mktemp("page") / "workspace")
    app = create_app(Settings((workspace,)))
    with TestClient(app, base_url=BASE, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def context(workspace):
    studio = open_studio(Settings((workspace,)))
    yield PageContext(studio, "en")
    studio.queue.close()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB,zh;q=0.5", "en"), ("fr, zh;q=0.1", "zh"),
        ("fr", "en"), ("zh;q=0, en;q=0.1", "en"), ("zh;q=x", "en"), ("en;q=0.3,ZH-tw;q=0.9", "zh"),
    ],
)  # fmt: skip
def test_the_browsers_language(client, header, language):
    assert choose_language(header) == language
    answer = client.get("/", headers={"accept-language": header})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/{language}/")


def test_both_languages_say_the_same():
    parts = lambda text: sorted(str(p[1]) for p in string.Formatter().parse(text) if p[1])  # noqa: E731
    assert {key for key, (one, other) in WORDS.items() if parts(one) != parts(other)} == set()
    assert {key for key, both in WORDS.items() if not all(both)} == set()


def test_all_words_are_said():
    source = "".join(path.read_text() for path in Path(page.__file__).parent.glob("*.py"))
    source = source.replace((Path(page.__file__).parent / "words.py").read_text(), "")
    asked = set(re.findall(r'say\(\s*"([^"]+)"', source))
    assert asked <= set(WORDS)
    assert set(words("zh")) == set(WORDS)


class Fetched(HTMLParser):
    """What a browser fetches for a page, without being asked."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "srcset", "data", "poster")]
        self.found += [value for name, value in attributes if name == "href" and tag in ("link", "base")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_comes_from_elsewhere(client, language):
    """And what scripts would fetch, the browser refuses (test_browser.py looks on)."""
    answer = client.get(f"/{language}/")
    found = Fetched(answer.text).found
    assert len(found) > 3
    assert [one for one in found if one and re.match(r"(https?:)?//", one) and not one.startswith(BASE)] == []
    styles = client.get(f"/{language}/theme.css").text
    assert len(styles) > 1_000
    assert re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//\S*", styles + answer.text) == []
    rules = dict(part.split(maxsplit=1) for part in answer.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["connect-src"] == "'self'"
    assert "http" not in answer.headers["content-security-policy"]


OUTSIDE = [
    "/etc/passwd", "{workspace}/larger/model.json", "../../etc/passwd", "{uploads}/../../etc/passwd",
    "http://elsewhere.example/x.png", "//elsewhere.example/x.png", "x.png\0", "",
]  # fmt: skip


def join_with(client, ask):
    return client.post("/en/gradio_api/queue/join", json=ask)


def join(client, file):
    """Ask for something to be done with a file, as the page asks."""
    ask = {
        "fn_index": 0,
        "session_hash": "x",
        "data": [[{"path": file, "meta": {"_type": "gradio.FileData"}}]],
    }
    return client.post("/en/gradio_api/queue/join", json=ask)


@pytest.mark.parametrize("path", OUTSIDE)
def test_the_page_takes_and_gives_no_other_files(client, path):
    uploads = gradio.utils.get_upload_folder()
    path = path.format(workspace=client.app.state.studio.workspace, uploads=uploads)
    assert join(client, path).status_code == 403
    for language in ("en", "zh"):
        answer = client.get(f"/{language}/gradio_api/file={path}".rstrip("\0"))
        assert answer.status_code in (403, 404)


def test_the_page_keeps_few_requests_of_a_kind_waiting(client):
    """Gradio would keep any number of grids, and others would wait for all of them."""
    from gradio.queueing import EventQueue

    (page,) = [
        one
        for middleware in client.app.user_middleware
        for one in middleware.kwargs.get("pages", {}).values()
    ][:1]

    class Event:
        def __init__(self, session, host="10.0.0.1"):
            self.session_hash = session
            self.request = type("Request", (), {"scope": {"client": (host, 1)}})
            self.fn = type("Fn", (), {"_id": 0})

    queue = page._queue.event_queue_per_concurrency_id
    for events in ([Event("x")] * 4, [Event("y", "testclient")] * 8, [Event("z")] * 32):
        queue["test"] = EventQueue("test", 0)
        queue["test"].queue = list(events)
        try:
            answer = join_with(client, {"fn_index": 0, "session_hash": "x", "data": []})
            assert (answer.status_code, "waiting already" in answer.json()["detail"]) == (429, True)
            assert join_with(client, {"fn_index": 1, "session_hash": "w", "data": []}).status_code != 429
        finally:
            del queue["test"]


def test_the_page_takes_what_was_uploaded_to_it(client):
    (path,) = client.post("/en/gradio_api/upload", files={"files": ("x.png", b"x")}).json()
    assert join(client, path).status_code == 200
    assert client.get(f"/en/gradio_api/file={path}").content == b"x"
    ask = {"content": "{", "headers": {"content-type": "application/json"}}
    assert client.post("/en/gradio_api/queue/join", **ask).status_code == 403
    assert client.post("/en/gradio_api/queue/join", json=[[]] * 9).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "proxy=http://elsewhere.example/",
        "call/x",
        "info",
        "queue/status",
        "run/predict",
        "api",
        "../monitoring",
    ],
)
def test_the_rest_of_gradio_cannot_be_reached(client, path):
    assert client.get(f"/en/gradio_api/{path}").status_code == 404
    assert client.post(f"/en/gradio_api/{path}", json={}).status_code == 404


def test_the_page_is_behind_the_token(open_client):
    client = open_client(page=True, token="a token of sixteen characters and more")
    for path in ("/en/", "/zh/", "/en/config", "/en/gradio_api/info", "/en/gradio_api/queue/data"):
        assert client.get(path).status_code == 401, path
    assert client.post("/en/gradio_api/upload", files={"files": b"x"}).status_code == 401


def test_another_site_cannot_use_it(client):
    headers = {"origin": "https://elsewhere.example"}
    assert client.post("/en/gradio_api/queue/join", json={}, headers=headers).status_code == 403


def test_a_grid_fills_and_its_recipes_make_it_again(context):
    _, old = list(create._draw_grid(context, [], "tiny", 0, 6, WISH))[-1]
    first, *_, (shown, made) = create._draw_grid(context, old, "tiny", 3, 4, replace(WISH, truncation=0.7))
    assert [one.words for one in first[1]] == ["3", "1", "2", "3"]  # the rest is still what it was
    (_, other), *_ = create._draw_grid(context, old, "themed", 3, 4, WISH)
    assert [one.model for one in other] == ["themed"]  # none of another model stays among them
    assert [words for _, words in shown["value"]] == ["3", "4", "5", "6"]
    assert [Path(one.path).name for one in made] == [f"tiny_seed{seed}.png" for seed in (3, 4, 5, 6)]
    assert json.loads(made[1].recipe)["point"]["truncation"] == 0.7
    path, one, _, tree = create._show_one(made[1])
    assert json.loads(one.recipe) == tree
    with Image.open(path) as saved:
        assert json.loads(saved.text["recipe"]) == tree
        near, known, before, back = create._vary(context, one, 0.3, made, [])
        with Image.open(near["value"][0][0]) as again:
            assert again.tobytes() == saved.tobytes()
    assert len(near["value"]) == len(known) == create.VARIATIONS + 1
    assert (known[0].recipe, known[0].words) == (one.recipe, "Original")
    assert Path(known[3].path).name == "tiny_seed4_variation3.png"
    assert (near["selected_index"], before, back["visible"]) == (0, made, True)  # the original is marked
    _, _, before, _ = create._vary(context, known[2], 0.3, known, made)  # of a variation
    assert before == made
    assert create._show_before(before)[1:3] == (made, [])


def test_a_wish_is_what_the_parts_say(context):
    rest = (*FIRST_COLOURS, 1, 0, 0, 0, -2)
    assert wish(0.8, [], "own", 2, "x.png", *rest) == Wish(
        0.8, (), (), None, {"brightness": 1, "symmetry": -2}
    )
    assert wish(0.8, ["food"], "chosen_colours", 2, "x.png", *rest).colours == FIRST_COLOURS[:2]
    assert wish(0.8, None, "of_photo", 2, "x.png", *rest).photo == "x.png"
    assert len(rest) == len(FIRST_COLOURS) + len(STEERED)
    assert [to_hex(text) for text in ("#0a0b0c", "rgba(9.6, 11, 12, 1)", "rgb(10, 11, 12)")] == [
        "#0a0b0c"
    ] * 3


def test_themes_and_colours_are_asked_for(context, workspace):
    themes = steering._list_themes(context, "themed")
    assert (themes["choices"], themes["visible"]) == (["food", "flags"], True)
    assert steering._list_themes(context, "tiny")["visible"] is False
    asked = replace(WISH, themes=("flags",), colours=("#008080",))
    (made,) = list(create._draw_grid(context, [], "themed", 3, 1, asked))[-1][1]
    point = json.loads(made.recipe)["point"]
    assert (point["colours"], point["start"]["themes"]) == ([["#008080", 1.0]], ["flags"])
    photo = next((workspace / "shapes").rglob("*.png"))
    (made,) = list(
        create._draw_grid(context, [], "tiny", 3, 1, replace(asked, colours=(), photo=str(photo)))
    )[-1][1]
    assert json.loads(made.recipe)["point"]["start"]["themes"] == []  # it has none: another model had
    (workspace / "none.png").write_bytes(b"none")
    with pytest.raises(gradio.Error):
        list(create._draw_grid(context, [], "tiny", 3, 1, replace(WISH, photo=str(workspace / "none.png"))))


def test_what_is_refused_is_said(context):
    with pytest.raises(gradio.Error, match="There is no model “nothing” any more"):
        list(create._draw_grid(context, [], "nothing", 0, 1, WISH))


def enlarged(context, paths, model="larger"):
    """What the tab has in the end, and all that it said meanwhile."""
    told = []
    progress = lambda share, desc: told.append(share)  # noqa: E731
    ends = list(upscale._enlarge(context, [str(path) for path in paths], model, 0, "png", "torch", progress))
    slider, downloads, *_ = ends[-1].values
    return slider["value"], downloads, ends[-1].words, told


def test_pictures_are_enlarged_and_given_out(context, tmp_path):
    paths = []
    for i, name in enumerate(("a b.png", "../c.jpg")):
        paths.append(tmp_path / f"{i}" / Path(name).name)
        paths[-1].parent.mkdir()
        Image.new("RGB", (20, 12 + i), "teal").save(paths[-1])
    pair, made, words, told = enlarged(context, paths)
    with Image.open(pair[0]) as before, Image.open(pair[1]) as after:
        assert before.size == after.size == (80, 48)
    assert [Path(path).name for path in made] == ["impasto.zip", "a-b-1.png", "c-2.png"]
    with zipfile.ZipFile(made[0]) as archive:
        assert archive.namelist() == ["a-b-1.png", "c-2.png"]
        with Image.open(io.BytesIO(archive.read("c-2.png"))) as last:
            assert last.size == (80, 52)
    assert told
    assert words == ""


@pytest.mark.parametrize("content", [b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", None])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_cannot_be_enlarged_is_left_out_and_named(context, tmp_path, content, language):
    context = PageContext(context.studio, language)
    paths = [tmp_path / name for name in ("a.png", "broken.png", "c.png")]
    for path in paths:
        Image.effect_noise((64, 64), 50).save(path)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: len(whole) // 2] if content is None else content)
    pair, made, words, _ = enlarged(context, paths)
    assert [Path(path).name for path in made] == ["impasto.zip", "a-1.png", "c-3.png"]
    assert pair is not None
    assert "broken.png" in words
    if language == "zh":
        assert not re.search(r"[a-z]{5,}", re.sub(r"<[^>]+>|broken\.png|role|status", "", words))
    pair, made, words, _ = enlarged(context, paths[1:2])
    assert (pair, made) == (None, [])


def test_a_model_that_is_gone_is_no_fault_of_the_pictures(context, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    with pytest.raises(gradio.Error, match="There is no model “gone”"):
        enlarged(context, [tmp_path / "x.png"], "gone")
    for files, model in (([], "larger"), ([tmp_path / "x.png"] * 65, "larger"), ([tmp_path / "x.png"], "")):
        with pytest.raises(gradio.Error):
            enlarged(context, files, model)


def test_a_game_begun_anew_is_not_put_back_by_rounds_that_were_still_played():
    first = learn._play(learn.continue_game(None, 0), "textbook", "pair", -3, -3)
    assert learn.continue_game((0, first), 0) is first
    # The button counts on to 1 while a round of 0 is played, and that round writes its game afterwards.
    assert learn.continue_game((0, first), 1) is None
    assert learn._play(learn.continue_game((0, first), 1), "textbook", "pair", -3, -3).step == learn.ROUNDS


def test_a_game_is_played_and_drawn(context):
    game = learn._play(None, "textbook", "pair", -3, -3)
    assert (game.step, game.rules.generator_lr) == (learn.ROUNDS, 1e-3)
    again = learn._play(game, "minimax", "pair", -3.5, -3)
    assert (again is game, game.step, game.rules.kind) == (True, 2 * learn.ROUNDS, "minimax")
    plane, losses, verdict = learn._draw(context, game)
    assert (plane.count(BLUE), plane.count(ORANGE) > 200) == (256, True)
    assert losses.count("<polyline") == 2
    assert "Beginning" in verdict


def test_every_verdict_has_words(context):
    from impasto.studio.game import Verdict

    figures = {"step": 1.0, "found": 1.0, "clumps": 8.0, "distance": 0.1, "spread": 0.2, "move": 0.3}
    for state in ("beginning", "under way", "converged", "oscillating", "collapsed", "diverged"):
        given = {"step": 1.0, "spread": 6.0} if state == "diverged" else figures
        assert context.say(state, **Verdict(state, given).evidence).startswith("**")


def test_a_full_queue_is_said(context, monkeypatch):
    def refuse(work, who):
        raise Refused(429, "32 pieces of work are waiting already", "come again in 3 s")

    monkeypatch.setattr(context.studio.queue, "enter", refuse)
    with pytest.raises(gradio.Error, match="The studio is busy; try again in a moment"):
        context.do(lambda check: 1)


def allowed(seen):
    """Of what `train._show` gives: whether stop, resume, use in Create and start can be pressed; why not."""
    *buttons, why = seen[5:]
    return tuple(button["interactive"] for button in buttons), re.sub(r"<[^>]+>", "", why)


def test_every_preset_that_makes_pictures_can_be_chosen():
    made = {name for name in preset_names() if load_config(name).task == "generation"}
    assert set(train.PRESETS) == made, "PRESETS of studio/page/train.py"


def test_pictures_are_taken_in_looked_at_and_trained_on(context, workspace):
    paths = [str(path) for path in sorted((workspace / "shapes").rglob("*.png"))]
    took = train._upload(context, paths)
    sets, cleared, report = took.values
    assert (cleared, report, "30 pictures" in took.words) == (None, "", True)
    assert dict(sets["choices"])["30 pictures"] == sets["value"]
    report = train._report(context, sets["value"], 64)
    assert "**30 pictures: 30 pictures**" in report
    assert "few-shot" in report
    assert train._check_data(context, sets["value"]) == ("", "")
    jobs, name = train._begin(context, sets["value"], " spring ", "mlp", 32, 50)
    job = jobs["value"]
    assert (name, [words.split(" · ")[0] for words, _ in jobs["choices"]]) == ("", ["spring"])
    seen = train._show(context, job, ())
    assert "spring" in seen[1]
    if preparing.is_preparing(context.studio.jobs.get(job)):  # on a busy machine it may be beyond that by now
        assert "progress" in seen[1]
    assert allowed(seen) == (
        (True, False, False, False), "Another training is running (“spring”); stop it first."
    )  # fmt: skip
    with pytest.raises(gradio.Error, match="Another training is running; stop it first"):
        train._begin(context, sets["value"], "", "mlp", 32, 50)
    with pytest.raises(gradio.Error, match="no model yet"):
        train._to_create(context, job, 0)
    with pytest.raises(gradio.Error, match="using it"):
        train._data_file(context, sets["value"])
    with pytest.raises(gradio.Error, match="using it"):
        train._job_file(context, job)
    train._stop(context, job)
    wait_for(lambda: context.studio.jobs.get(job).state == "stopped")
    known, state, *_ = seen = train._show(context, job, seen[0])
    assert "stopped" in state
    assert allowed(seen)[0][:2] == (False, True)
    assert train._show(context, job, known)[1]["__type__"] == "update"  # as it was: nothing to show


def a_job(workspace, id_, images=0, ended=None, created=1.0, **about):
    """A training as it lies on the disk, without a process."""
    folder = workspace / "runs" / id_
    folder.mkdir(parents=True)
    about = {
        "name": id_, "pictures": "shapes", "created": created, "preset": "mlp", "size": 16, "limits": [],
        "folder": str(workspace / "shapes"), "arguments": [], **about,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(about))
    events = [{"event": "progress", "images_seen": images, "unix_time": 2.0, "images_per_second": 1.0,
               "eta_seconds": 1.0}] if images else []  # fmt: skip
    if ended:
        events.append(
            {"event": "stopped", "condition": ended, "words": "", "seconds": 60.0, "unix_time": 3.0}
        )
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


@pytest.mark.parametrize(
    ("images", "ended", "log", "buttons"),
    [
        (64, "interrupted", "", (False, True, True, True)),
        (64, "minutes", "", (False, True, True, True)),
        (64, "unhealthy", "", (False, True, True, True)),
        (0, None, "impasto: the folder has 3 different pictures, and at least 24 are needed\n",
         (False, False, False, True)),
        (64, None, "", (False, True, True, True)),  # killed
    ],
)  # fmt: skip
def test_only_what_makes_sense_can_be_pressed(context, workspace, images, ended, log, buttons):
    folder = a_job(workspace, "x", images, ended)
    (folder / "job.log").write_text(log)
    if images:
        shutil.copytree(workspace / "tiny", folder / "best")
    seen = train._show(context, "x", ())
    assert allowed(seen) == (buttons, "")
    if log:
        assert "At least 24 pictures are needed; you have 3" in seen[1]
    assert allowed(train._show(context, None, ())) == ((False, False, False, True), "")


def test_the_size_can_be_that_of_most_pictures(context, workspace, monkeypatch):
    """Squares of 32 px: 64; larger ones of 3:2 another."""
    begun = []
    job = context.studio.jobs.get(a_job(workspace, "x").name)
    monkeypatch.setattr(type(context.studio.jobs), "create", lambda jobs, plan: begun.append(plan) or job)
    wide = workspace / "wide"
    wide.mkdir()
    for i in range(26):
        pixels = np.random.default_rng(i).integers(0, 256, (200, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(wide / f"{i}.png")
    for name, size in (("shapes", "64"), ("wide", "192x128")):
        train._begin(context, name, "", "", train.USUAL, 1)
        assert begun[-1].size == size
    assert "about 3:2: the size 192x128" in train._report(context, "wide", 64)
    assert "3:2" not in train._report(context, "wide", train.USUAL)


def test_sizes_that_cannot_be_are_explained(context):
    for preset, size, said in (
        ("dcgan", "96x64", "These networks draw squares alone"),
        ("", "300x200", "Pictures cannot have this size"),
    ):
        with pytest.raises(gradio.Error, match=said):
            train._begin(context, "shapes", "", preset, size, 1)


def test_of_large_pictures_the_part_is_said(context, workspace):
    job = context.studio.jobs.get(a_job(workspace, "x", 64).name)
    second = replace(job, state="running", part=2, images_per_second=1.0)
    assert "in training, part 2 of 2 (30% of the time): 64 images" in train._state(context, second)
    assert "part" not in train._state(context, replace(job, part=2))


def test_too_few_pictures_are_said_before_a_training_is_started(context, workspace):
    few = workspace / "three"
    few.mkdir()
    for i, path in enumerate(sorted((workspace / "shapes").rglob("*.png"))[:3]):
        shutil.copy(path, few / f"{i}.png")
    why = "At least 24 pictures are needed; you have 3."
    assert train._check_data(context, "three") == (why, "")
    assert allowed(train._show(context, None, (), 100, why)) == ((False, False, False, False), why)
    with pytest.raises(gradio.Error, match="you have 3"):  # a button that a page left enabled
        train._begin(context, "three", "", "mlp", 32, 1)
    assert context.studio.jobs.all() == []
    assert (
        "至少需要 24 张图片，现在只有 3 张"
        in train._check_data(PageContext(context.studio, "zh"), "three")[0]
    )


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), None, 0, -1, 1e9])
def test_minutes_that_are_none_start_nothing(context, workspace, minutes):
    with pytest.raises(gradio.Error, match="Minutes must be a number"):
        train._begin(context, "shapes", "", "mlp", 32, minutes)
    a_job(workspace, "x", 64, "minutes")
    with pytest.raises(gradio.Error, match="Minutes must be a number"):
        train._resume(context, "x", minutes)
    assert [job.state for job in context.studio.jobs.all()] == ["finished"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_do_not_come_in(client, number):
    ask = f'{{"fn_index": 0, "session_hash": "x", "data": [{number}]}}'
    answer = client.post(
        "/en/gradio_api/queue/join", content=ask, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 403


def test_a_failed_upload_leaves_nothing_chosen(context, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    failed = train._upload(context, [str(tmp_path / "notes.txt")])
    assert (failed.values[0]["value"], failed.values[1:]) == (None, (None, ""))
    assert "notes.txt was not uploaded" in failed.words


def test_what_was_left_out_of_an_upload_is_named(context, workspace, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    paths = [*sorted((workspace / "shapes").rglob("*.png"))[:2], tmp_path / "notes.txt"]
    took = train._upload(context, [str(path) for path in paths])
    assert "notes.txt: is not a picture that Impasto can read" in took.words


def test_runs_and_uploads_are_renamed_deleted_and_brought_back(context, workspace):
    from impasto.studio import trash

    a_job(workspace, "x", 64, "minutes")
    assert trash.rename(train._job_file(context, "x"), " my\n flowers ") == "my flowers"
    assert train._jobs(context)["choices"][0][0].startswith("my flowers · ")
    place = trash.put_away(train._job_file(context, "x").parent, context.studio.workspace)
    assert context.studio.jobs.all() == []
    assert [
        one.entry.name for one in models.list_models(context, "generator") if "trash" in one.entry.name
    ] == []
    trash.bring_back(place, context.studio.workspace)
    assert [job.name for job in context.studio.jobs.all()] == ["my flowers"]
    for wrong in ("", " \n", "\0"):
        with pytest.raises(Refused):
            trash.rename(train._job_file(context, "x"), wrong)
    with pytest.raises(Refused):  # not out of the trash
        trash.bring_back(workspace / "shapes", context.studio.workspace)
    paths = [str(path) for path in sorted((workspace / "shapes").rglob("*.png"))]
    sets = train._upload(context, paths).values[0]
    trash.rename(train._data_file(context, sets["value"]), "leaves")
    assert ("leaves", sets["value"]) in train._sets(context)["choices"]
    with pytest.raises(gradio.Error, match="your own"):
        train._data_file(context, "shapes")
    place = trash.put_away(train._data_file(context, sets["value"]).parent, context.studio.workspace)
    assert context.studio.uploads.all() == []
    trash.bring_back(place, context.studio.workspace)
    assert train._refresh_sets(context, place.name)["value"] == sets["value"]


def test_a_finished_model_comes_first(context, workspace):
    for id_, ended in (("ready", "minutes"), ("early", "interrupted"), ("now", None)):
        folder = a_job(workspace, id_, 64, ended)
        shutil.copytree(workspace / "tiny", folder / "best")
    run = workspace / "by-hand"  # of the command line, under way
    shutil.copytree(workspace / "tiny", run / "last")
    shutil.copy(workspace / "runs" / "now" / "events.jsonl", run)
    chosen = models.update_choices(context)
    names = {name: words for words, name in chosen["choices"]}
    assert names["runs/early"] == "early (not finished)"
    assert names["by-hand"] == "by-hand (still training)"
    assert (names["runs/ready"], names["openmoji-64"]) == ("ready", "openmoji-64")
    order = list(names)
    assert max(map(order.index, ("runs/ready", "tiny", "openmoji-64"))) < min(
        map(order.index, ("runs/early", "runs/now", "by-hand"))
    )
    assert chosen["value"] not in ("runs/early", "runs/now", "by-hand")


def test_a_model_that_was_trained_further_is_shown_anew(context, workspace):
    """The same name, other weights: pictures that are shown are of the state before."""
    import os

    import torch

    from impasto.tasks import load_model
    from impasto.training.checkpoints import save_model

    stamp = models.stamp(context, "tiny")
    fresh, redraw = create._refresh_models(context, "tiny", stamp, 0)
    assert redraw["__type__"] == "update"  # nothing to redraw
    assert "value" not in fresh  # what was chosen after the tab was opened stays chosen
    assert create._refresh_models(context, "gone", 0.0, 0)[0]["value"] == "tiny"
    (old,) = kept(context, 3)
    path = workspace / "tiny" / "model.safetensors"
    weights, info = load_model(path.parent)
    save_model(
        path.parent, {name: value + 0.1 * torch.randn_like(value) for name, value in weights.items()}, info
    )
    os.utime(path, (stamp + 5, stamp + 5))
    assert create._refresh_models(context, "tiny", stamp, 0)[1] == 1
    (new,) = kept(context, 3)
    assert Path(new.path).read_bytes() != Path(old.path).read_bytes()
    with pytest.raises(gradio.Error, match="earlier state of the model"):
        create._vary(context, old, 0.3, [], [])


def test_samples_have_a_history(context, tmp_path):
    grids = [tmp_path / f"{images:010}.png" for images in (64, 128, 256)]
    for i, path in enumerate(grids):
        Image.new("L", (2, 2), i).save(path)
    for when, shade, images in ((0, 0, "64"), (45, 1, "128"), (100, 2, "256")):
        shown = train._grid(context, grids, when)
        with Image.open(shown["value"]) as grid:
            assert grid.getpixel((0, 0)) == shade
        assert f"after {images} images" in shown["label"]
    assert train._grid(context, [], 100) is None


def test_what_a_training_says_is_shown(context):
    events = [
        *(
            {"event": "progress", "images_seen": i, "discriminator_loss": 1 / i, "generator_loss": None}
            for i in (1, 2)
        ),
        {"event": "evaluated", "images_seen": 2, "distance": 0.5},
        {
            "event": "verdict",
            "kind": "collapse",
            "severity": "bad",
            "evidence": "<b>all alike</b>.",
            "advice": "Stop.",
        },
    ]
    drawn = train._curves(context, events)
    assert drawn.count("<figure") == 1  # no accuracies, and one distance: no figures of them
    told = train._verdicts(context, events)
    assert "<strong>collapse</strong>" in told
    assert "<b>" not in told
    assert "No sign" in train._verdicts(context, [*events, {"event": "recovered", "kind": "collapse"}])
    assert train._verdicts(context, []) == ""


def test_a_training_says_how_new_its_samples_are_and_is_not_called_healthy_that_covers_little(context):
    newest = {
        "event": "evaluated",
        "images_seen": 2,
        "coverage": 0.06,
        "sourced": 0.31,
        "sourced_chance": 0.05,
    }
    told = train._verdicts(context, [newest])
    assert "No sign" not in told
    assert "only 6%" in told
    assert "Of 100 samples 31 are one of your pictures drawn again; 5 would be by chance." in told
    well = train._verdicts(context, [{**newest, "coverage": 0.5}])
    assert "No sign" in well
    assert "31" in well


@pytest.mark.parametrize("ask", [train._begin, train._report, train._stop, train._resume, train._to_create])
def test_what_is_missing_is_said(context, ask):
    given = {
        train._begin: (None, "", "", 64, 1), train._report: (None, 64), train._resume: (None, 5),
        train._to_create: (None, 0),
    }  # fmt: skip
    with pytest.raises(gradio.Error, match="Choose"):
        ask(context, *given.get(ask, (None,)))


@pytest.mark.parametrize(("condition", "limits"), [("minutes", ["--minutes", "7.0"]), ("interrupted", [])])
def test_going_on_adds_minutes_to_what_is_finished(context, workspace, monkeypatch, condition, limits):
    folder = a_job(workspace, "x", limits=None)
    ended = {"event": "stopped", "condition": condition, "words": "", "seconds": 120.0, "unix_time": 1}
    (folder / "events.jsonl").write_text(json.dumps(ended) + "\n")
    (folder / "state.safetensors").touch()
    started = []
    monkeypatch.setattr(
        context.studio.jobs.launches, "start", lambda folder, command: started.append(command)
    )
    train._resume(context, "x", 5)
    assert [word for word in started[0] if word in limits] == limits


def test_more_minutes_than_may_be_are_refused_in_words(context, workspace):
    folder = a_job(workspace, "x")
    ended = {"event": "stopped", "condition": "minutes", "words": "", "seconds": 1e9, "unix_time": 1}
    (folder / "events.jsonl").write_text(json.dumps(ended) + "\n")
    with pytest.raises(gradio.Error, match="A limit of the training is out of range"):
        train._resume(context, "x", 5)


def test_minutes_that_are_no_number_are_refused(context, workspace):
    for minutes in (float("nan"), float("inf"), -1, 1e300):
        with pytest.raises(gradio.Error, match="Minutes"):
            train._begin(context, "shapes", "", "mlp", 32, minutes)
    assert not (workspace / "runs").exists()


def kept(context, *seeds):
    return list(create._draw_grid(context, [], "tiny", seeds[0], len(seeds), WISH))[-1][1]


def known(outputs):
    """The favourites after something was done with them."""
    return (outputs.values if isinstance(outputs, notes.Reply) else outputs)[1]


def test_favourites_are_kept_once(context):
    one, other = kept(context, 1, 2)
    once = known(favourites.add(context, Collection(), one))
    told = favourites.add(context, once, other)
    _, both, stored, structure, detail, *_ = told.values
    assert "2 favourites" in told.words
    assert [made.words for made in both.pictures] == ["1", "2"]
    assert stored == [{"model": "tiny", "recipe": made.recipe} for made in (one, other)]
    assert (structure["value"], detail["value"], structure["choices"]) == ("1", "2", ["1", "2"])
    assert known(favourites.add(context, both, one)).pictures == both.pictures
    with pytest.raises(gradio.Error, match="Choose"):
        favourites.add(context, Collection(), None)
    with pytest.raises(gradio.Error, match="room for 16"):
        favourites.add(context, Collection(both.pictures * 8), kept(context, 3)[0])


def test_favourites_are_removed_one_by_one_or_all_and_come_back(context):
    all_ = Collection(tuple(kept(context, 1, 2, 3)))
    recipes = [one.recipe for one in all_.pictures]
    less = known(favourites.remove(all_, 1))
    assert [one.recipe for one in less.pictures] == [recipes[0], recipes[2]]
    assert [one.recipe for one in known(favourites.undo(less)).pictures] == recipes
    none = known(favourites.clear(all_))
    assert (none.pictures, none.stored) == ((), [])
    assert [one.recipe for one in known(favourites.undo(none)).pictures] == recipes
    assert known(favourites.undo(all_)).pictures == known(favourites.show(all_)).pictures  # nothing to undo
    assert len(known(favourites.remove(all_, 7)).pictures) == 3


def test_favourites_are_made_again_after_a_reload(context):
    one, other = kept(context, 1, 2)
    gone = {"model": "gone", "recipe": one.recipe}
    stored = [*known(favourites.show(Collection((one, other)))).stored, gone]
    (again,) = favourites.restore(context, stored)
    made = known(again).pictures
    assert [Path(each.path).read_bytes() for each in made] == [
        Path(each.path).read_bytes() for each in (one, other)
    ]
    assert known(again).stored == stored  # what cannot be shown stays
    assert "1 favourites cannot be shown" in again.words


@pytest.mark.parametrize(
    "stored",
    [None, "x", {}, [1], [{}], [{"model": 1, "recipe": "{}"}], [{"model": "tiny", "recipe": "{"}] * 99],
)
def test_a_browser_may_have_kept_anything(context, stored):
    (again,) = favourites.restore(context, stored)
    assert known(again).pictures == ()


def test_a_way_and_a_mixture_of_what_was_kept(context):
    both = Collection(tuple(kept(context, 1, 2)))
    path, save = explore._make_film(context, both, 8, loop=False)
    with Image.open(path) as way:
        assert (way.format, way.n_frames, save["value"]) == ("WEBP", 8, path)
    path, _, _, more, *_ = explore._mix(context, both, "1", "2", True)
    assert len(more.pictures) == 3
    with Image.open(path) as mixed:
        assert mixed.text["recipe"] == more.pictures[2].recipe
    foreign = replace(both.pictures[0], model="themed")
    asks = (
        lambda: explore._make_film(context, Collection(both.pictures[:1]), 8, loop=False),
        lambda: explore._make_film(context, Collection((both.pictures[0], foreign)), 8, loop=False),
        lambda: explore._mix(context, Collection(), "", "", True),
        lambda: explore._mix(context, Collection((both.pictures[0], foreign)), "1", "2", True),
    )
    for ask in asks:
        with pytest.raises(gradio.Error, match="two pictures"):
            ask()


def test_all_pictures_are_saved_at_once(context):
    from impasto.tasks.generation.sampling.recipe import read_recipes

    made = kept(context, 5, 6, 7)
    archive = create._save_all(context, made)
    assert Path(archive).name == "tiny_seeds5-7.zip"
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [f"tiny_seed{seed}.png" for seed in (5, 6, 7)]
    sheet = Path(create._save_sheet(context, made))
    assert sheet.name == "tiny_seeds5-7_sheet.png"
    assert [recipe.to_json() for recipe in read_recipes(sheet)] == [one.recipe for one in made]
    with zipfile.ZipFile(favourites._save_all(context, Collection((made[0], made[0])))) as opened:
        assert opened.namelist() == ["tiny_seed5.png", "tiny_seed5-2.png"]
    for ask in (lambda: create._save_all(context, []), lambda: favourites._save_all(context, Collection())):
        with pytest.raises(gradio.Error, match="no pictures"):
            ask()


def test_a_picture_is_saved_larger(context, monkeypatch):
    monkeypatch.setattr(create, "UPSCALER", "larger")
    (made,) = kept(context, 5)
    *_, path = create._enlarge(context, made)
    assert Path(path).name == "tiny_seed5_x4.png"
    with Image.open(path) as larger:
        assert larger.size == (64, 64)


def test_a_pictures_nearest_training_pictures_are_shown(context, workspace, monkeypatch):
    (made,) = kept(context, 5)
    with pytest.raises(gradio.Error, match="tiny was not trained in this studio"):
        list(create._find_nearest(context, made))

    model = context.studio.catalogue.generator(made.model)
    fingerprint = open_folder(
        workspace / "shapes",
        model.info.config.data,
        model.info.config.image,
        seed=model.info.config.train.seed,
    ).fingerprint
    monkeypatch.setattr(models, "pictures_of", lambda context, name: "shapes")
    monkeypatch.setitem(model.info.data, "fingerprint", fingerprint)
    *_, noted = create._find_nearest(context, made)
    (gallery,) = noted.values
    assert [words for _, words in gallery["value"]] == ["by layout", "by content"]
    shapes = [np.asarray(Image.open(p).convert("RGB").resize((16, 16))) for p in workspace.glob("shapes/*/*")]
    for path, _ in gallery["value"]:
        with Image.open(path) as near:
            apart = [np.abs(np.asarray(near.convert("RGB")).astype(int) - x).mean() for x in shapes]
        assert min(apart) < 10, "it is one of the training pictures"
    assert "not new" in noted.words

    context.studio.catalogue._loaded.clear()  # read again, the model says that it learnt from other pictures
    with pytest.raises(gradio.Error, match="have been changed since"):
        list(create._find_nearest(context, made))


def test_adjustments_are_prepared_and_those_that_change_nothing_cannot_be_moved(context, monkeypatch):
    from impasto.tasks.generation.sampling import directions

    monkeypatch.setattr(directions, "SAMPLES", 256)
    monkeypatch.setattr(directions, "TRIALS", 32)
    asked = replace(WISH, directions={"warmth": 1.0})
    first, *_ = create._draw_grid(context, [], "tiny", 0, 1, asked)
    assert "<progress" in first.words  # before anything else happens
    assert steering._recall_sliders(context, "tiny")[0]["interactive"]
    first, *_, last = steering._fit_sliders(context, "tiny", len(STEERED))
    assert (first.values[0]["interactive"], "<progress" in first.words) == (False, True)
    found = steering.find_useful(context, "tiny")
    assert [move["interactive"] for move in last] == [name in found for name in STEERED]
    context.useful[context.studio.catalogue.generator("tiny").digest] = frozenset({"warmth"})
    moves = dict(zip(STEERED, steering._recall_sliders(context, "tiny"), strict=True))
    assert moves["warmth"]["interactive"]
    assert (moves["contrast"]["interactive"], moves["contrast"]["value"]) == (False, 0)
    assert moves["contrast"]["info"] == "Changes nothing in this model's pictures"


@pytest.mark.parametrize("seed", [-1, 0.5, 2**60])
def test_a_seed_that_is_none_is_refused(context, seed):
    with pytest.raises(gradio.Error, match="whole number"):
        list(create._draw_grid(context, [], "tiny", seed, 1, WISH))


def test_errors_are_lasting_and_go_when_all_is_well(context):
    place = notes.build_note()
    asked = []

    def act(wrong):
        asked.append(wrong)
        if wrong:
            raise wrong
        return 1, 2

    handler = notes.note_errors(context, act, place)
    assert handler(None) == (1, 2, "")
    said = handler(context.error("no_chosen"))
    assert list(said) == [place]
    assert "Choose a picture first." in said[place]
    assert 'role="alert"' in said[place]
    assert "server&#39;s log" in handler(ValueError("/secret/place"))[place]
    assert "disk is full" in handler(OSError(28, "No space left on device"))[place]

    def stream(wrong):
        yield from (act(wrong),)

    assert list(notes.note_errors(context, stream, place)(None)) == [(1, 2, "")]
    assert "Choose" in next(notes.note_errors(context, stream, place)(context.error("no_chosen")))[place]


def test_names_of_files_are_text(context, workspace, tmp_path):
    evil = "<script>alert(1)<!--.png"
    for write in (notes.note, notes.bar):
        assert "&lt;script&gt;" in write(evil)
        assert "<script" not in write(f'"><script>{evil}')
    assert notes.note("it **is** so", "good") == (
        '<p class="impasto-verdict good" role="status">it <strong>is</strong> so</p>'
    )
    (tmp_path / evil).write_text("no picture")
    failed = train._upload(context, [str(tmp_path / evil)])
    assert "&lt;script&gt;" in failed.words
    assert "<script" not in failed.words
    good = shutil.copy(sorted((workspace / "shapes").rglob("*.png"))[0], tmp_path / f"1{evil}")
    assert "<script" not in train._upload(context, [str(good), str(tmp_path / evil)]).words
    name = train._upload(context, [str(good)]).values[0]["value"]
    assert r"\<script\>" in train._report(context, name, 64)


SOURCE = Path(page.__file__).parents[2]
WALKED = [
    *(SOURCE / "studio" / name for name in ("catalogue.py", "jobs.py", "queue.py", "uploads.py", "zips.py")),
    *(
        SOURCE / "studio" / name
        for name in ("launches.py", "records.py", "samples.py", "work.py", "trash.py")
    ),
    *(SOURCE / name for name in ("image/decoding.py", "training/checkpoints.py", "data/batches.py")),
    *(SOURCE / "tasks/generation/sampling" / name for name in ("model.py", "latents.py", "writer.py")),
    *(SOURCE / "tasks/upscaling/inference" / name for name in ("upscale.py", "pictures.py", "films.py")),
    *(SOURCE / name for name in ("image/film.py", "image/remux.py", "studio/films.py")),
]
# Their words go on after a model's name (`Task.saved_network`).
OF_A_MODEL = list((SOURCE / "tasks").glob("*/networks.py"))
NOT_MET = {  # on the page: arguments of the API and of the command line
    "a preset is named, not given as a file", "there are no seeds to make pictures of",
    "a way needs two stops at least", "a theme can be asked of seeds alone", "there is no level of",
    "a name needs a letter or a digit", "is there already", "a Pillow picture of mode",
}  # fmt: skip
RAISED = {
    "Refused": 1,
    "NotHere": 0,
    "ImageError": 0,
    "InputError": 0,
    "DataError": 0,
    "CheckpointError": 0,
    "SoundError": 0,
}


def messages(path):
    """What a file's errors say, with some value in every place."""
    for node in ast.walk(ast.parse(path.read_text())):
        name = getattr(getattr(node, "func", None), "id", "") if isinstance(node, ast.Call) else ""
        if name in RAISED and len(node.args) > RAISED[name]:
            said = node.args[RAISED[name]]
            if isinstance(said, ast.BinOp):
                said = said.left
            if isinstance(said, ast.Constant):
                yield said.value
            elif isinstance(said, ast.JoinedStr):
                yield "".join(
                    part.value if isinstance(part, ast.Constant) else value_for(part) for part in said.values
                )


def value_for(part):
    """Something that may stand in a place of a message."""
    text = ast.unparse(part.value)
    if text.endswith(".message") or text == "message":
        return "is empty"
    if "format" in text and "upper" in text:
        return "SVG"
    if text == "what":
        return "upscaler"
    return "7"


def test_every_error_that_the_page_meets_has_words():
    """In both languages: a message that is missing in page/errors.py would be English on the Chinese page."""
    found = {message for path in WALKED for message in messages(path)}
    found |= {f"'7' {message}" for path in OF_A_MODEL for message in messages(path)}
    assert len(found) > 60
    zh = {message: errors.reason_in_words(message, "zh") for message in found}
    unknown = {message for message, words in zh.items() if words.startswith("操作无法完成")}
    assert {message for message in unknown if not any(part in message for part in NOT_MET)} == set()


def test_errors_are_said_in_chinese(context):
    zh = PageContext(context.studio, "zh")
    with pytest.raises(gradio.Error, match="模型“nothing”已不存在"):
        list(create._draw_grid(zh, [], "nothing", 0, 1, WISH))
    assert errors.reason_in_words("it ended without a word: killed, or a power cut", "zh").startswith(
        "训练被外部终止"
    )
    assert errors.explain(Refused(415, "x y.png is truncated: 3 of 9 bytes", "save it anew"), "zh") == (
        "x y.png 已损坏，请重新导出。"
    )
    assert (
        errors.explain(Refused(422, "something new"), "zh")
        == "操作无法完成。详细信息（英文）：something new。"
    )
    assert errors.explain(Refused(422, "something new", "do this"), "en") == "Something new. do this."


def test_advice_is_said_in_chinese(context, workspace):
    report = train._report(PageContext(context.studio, "zh"), "shapes", 64)
    names = ("few-shot", "shapes", "discs", "squares")
    assert set(re.findall("[a-z-]{3,}", report.lower())) <= {*names}


def test_every_line_of_advice_has_words():
    from impasto.data import inspect as inspecting

    source = ast.parse(Path(inspecting.__file__).read_text())
    advice = next(n for n in source.body if isinstance(n, ast.FunctionDef) and n.name == "_advice")
    lines = []
    for node in ast.walk(advice):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append":
            said = node.args[0]
            parts = said.values if isinstance(said, ast.JoinedStr) else [said]
            lines.append("".join(advice_part(part) for part in parts))
    assert len(lines) > 9
    assert [line for line in lines if errors.advice_in_words(line, "zh").startswith("操作")] == []


def advice_part(part):
    """Words as they stand, or a value that may stand in their place."""
    if isinstance(part, ast.Constant):
        return part.value
    text = ast.unparse(part)
    return "7 pictures" if "_some" in text else "70%" if "%" in text else "7"


def test_every_verdict_of_health_has_chinese_words():
    from typing import get_args

    from impasto.training.health.diagnosis import Kind, Severity

    assert set(errors.VERDICTS) >= set(get_args(Kind))
    assert set(errors.SEVERITIES) >= set(get_args(Severity))


def test_the_game_is_drawn_before_its_first_round(context):
    plane, losses, verdict = learn._draw(context, learn._begin("textbook", "ring", -3, -3))
    assert "Before the first round" in plane
    assert plane.count("<circle") > 256
    assert (losses, "Beginning" in verdict) == ("", True)


def test_the_map_is_moved_over(context):
    here = latent_map.MapView()
    _, shown = list(latent_map._draw(context, [], here, "tiny", WISH))[-1]
    assert len(shown) == latent_map.COLUMNS * latent_map.ROWS
    there, path, one, _ = latent_map._pick(here, shown, 4)  # one to the right of the middle, two up
    assert there == here.move(1, -2)
    _, again = list(latent_map._draw(context, shown, there, "tiny", WISH))[-1]
    middle = again[len(again) // 2]
    assert middle.recipe == one.recipe  # it is in the middle now
    with Image.open(path) as chosen, Image.open(middle.path) as seen:
        assert chosen.tobytes() == seen.tobytes()
    first, *_ = latent_map._draw(context, again, there, "tiny", WISH)
    assert first[1][1:] == again[1:]  # until a new one is made, the old one stays
    first, *_ = latent_map._draw(context, again, there, "themed", WISH)
    assert [one.model for one in first[1]] == ["themed"]  # but none of another model


def test_a_map_that_another_follows_shows_no_more_tiles():
    latest = latent_map.Latest()
    first = latent_map._while_latest(latest, iter(["a", "b", "c"]))
    assert next(first) == "a"
    second = latent_map._while_latest(latest, iter(["d", "e"]))
    assert next(second) == "d"
    (last,) = first
    assert last.values == (gradio.skip(), gradio.skip())
    assert list(second) == ["e"]


def test_a_map_goes_no_closer_than_it_can():
    place = latent_map.MapView(x=-6, y=4, per=4)
    assert place.zoom(1) == latent_map.MapView(-12, 8, 8)
    assert place.zoom(-1) == latent_map.MapView(-3, 2, 2)
    assert place.zoom(99).per == latent_map.SCALES[-1]
    assert place.zoom(99).zoom(-99).per == latent_map.SCALES[0]
    assert place.around()[len(place.around()) // 2] == (-6, 4)
