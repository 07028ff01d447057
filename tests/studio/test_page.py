"""The page's parts. What a browser sees of them is in test_browser.py."""

import io
import json
import re
import shutil
import string
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

gradio = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'impasto[studio]'")

from impasto.studio import page
from impasto.studio.app import create_app
from impasto.studio.page import create, explore, figures, learn, steering, train, upscale, wander
from impasto.studio.page.desk import Desk
from impasto.studio.page.steering import FIRST_COLOURS, STEERED, Wish, hexed, wish
from impasto.studio.page.words import WORDS, preferred, words
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
def desk(workspace):
    studio = open_studio(Settings((workspace,)))
    yield Desk(studio, "en")
    studio.queue.close()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB,zh;q=0.5", "en"), ("fr, zh;q=0.1", "zh"),
        ("fr", "en"), ("zh;q=0, en;q=0.1", "en"), ("zh;q=x", "en"), ("en;q=0.3,ZH-tw;q=0.9", "zh"),
    ],
)  # fmt: skip
def test_the_browsers_language(client, header, language):
    assert preferred(header) == language
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


def test_a_grid_fills_and_its_recipes_make_it_again(desk):
    _, old = list(create._grid(desk, [], "tiny", 0, 6, WISH))[-1]
    first, *_, (shown, made) = create._grid(desk, old, "tiny", 3, 4, replace(WISH, truncation=0.7))
    assert [one.words for one in first[1]] == ["3", "1", "2", "3"]  # the rest is still what it was
    assert [words for _, words in shown] == ["3", "4", "5", "6"]
    assert json.loads(made[1].recipe)["point"]["truncation"] == 0.7
    path, one, _, tree = create._one(made[1])
    assert json.loads(one.recipe) == tree
    with Image.open(path) as saved:
        assert json.loads(saved.text["recipe"]) == tree
        near, known = create._near(desk, one, 0.3)
        with Image.open(near[0][0]) as again:
            assert again.tobytes() == saved.tobytes()
    assert len(near) == len(known) == create.NEIGHBOURS + 1
    assert known[0].recipe == one.recipe


def test_a_wish_is_what_the_parts_say(desk):
    rest = (*FIRST_COLOURS, 1, 0, 0, 0, -2)
    assert wish(0.8, [], "own", 2, "x.png", *rest) == Wish(
        0.8, (), (), None, {"brightness": 1, "symmetry": -2}
    )
    assert wish(0.8, ["food"], "chosen_colours", 2, "x.png", *rest).colours == FIRST_COLOURS[:2]
    assert wish(0.8, None, "of_photo", 2, "x.png", *rest).photo == "x.png"
    assert len(rest) == len(FIRST_COLOURS) + len(STEERED)
    assert [hexed(text) for text in ("#0a0b0c", "rgba(9.6, 11, 12, 1)", "rgb(10, 11, 12)")] == ["#0a0b0c"] * 3


def test_themes_and_colours_are_asked_for(desk, workspace):
    themes = steering._themes(desk, "themed")
    assert (themes["choices"], themes["visible"]) == (["food", "flags"], True)
    assert steering._themes(desk, "tiny")["visible"] is False
    asked = replace(WISH, themes=("flags",), colours=("#008080",))
    (made,) = list(create._grid(desk, [], "themed", 3, 1, asked))[-1][1]
    point = json.loads(made.recipe)["point"]
    assert (point["colours"], point["start"]["themes"]) == ([["#008080", 1.0]], ["flags"])
    photo = next((workspace / "shapes").rglob("*.png"))
    (made,) = list(create._grid(desk, [], "tiny", 3, 1, replace(asked, colours=(), photo=str(photo))))[-1][1]
    assert json.loads(made.recipe)["point"]["start"]["themes"] == []  # it has none: another model had
    (workspace / "none.png").write_bytes(b"none")
    with pytest.raises(gradio.Error):
        list(create._grid(desk, [], "tiny", 3, 1, replace(WISH, photo=str(workspace / "none.png"))))


def test_what_is_refused_is_said(desk):
    with pytest.raises(gradio.Error, match="there is no model"):
        list(create._grid(desk, [], "nothing", 0, 1, WISH))


def test_pictures_are_enlarged_and_given_out(desk, tmp_path):
    paths = []
    for i, name in enumerate(("a b.png", "../c.jpg")):
        paths.append(tmp_path / f"{i}" / Path(name).name)
        paths[-1].parent.mkdir()
        Image.new("RGB", (20, 12 + i), "teal").save(paths[-1])
    told = []
    progress = lambda share, desc: told.append(share)  # noqa: E731
    pair, made = upscale._enlarge(desk, [str(path) for path in paths], "larger", 0, "png", "torch", progress)
    with Image.open(pair[0]) as before, Image.open(pair[1]) as after:
        assert before.size == after.size == (80, 48)
    assert [Path(path).name for path in made] == ["impasto.zip", "a-b-1.png", "c-2.png"]
    with zipfile.ZipFile(made[0]) as archive:
        assert archive.namelist() == ["a-b-1.png", "c-2.png"]
        with Image.open(io.BytesIO(archive.read("c-2.png"))) as last:
            assert last.size == (80, 52)
    assert told


@pytest.mark.parametrize("content", [b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_picture_is_not_enlarged(desk, tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(gradio.Error):
        upscale._enlarge(desk, [str(tmp_path / "x.png")], "larger", 0, "png", "torch", lambda *a, **k: None)
    assert list(desk.out.iterdir()) == []


def test_a_game_begun_anew_is_not_put_back_by_rounds_that_were_still_played():
    first = learn._played(learn.going_on(None, 0), "textbook", "pair", -3, -3)
    assert learn.going_on((0, first), 0) is first
    # The button counts on to 1 while a round of 0 is played, and that round writes its game afterwards.
    assert learn.going_on((0, first), 1) is None
    assert learn._played(learn.going_on((0, first), 1), "textbook", "pair", -3, -3).step == learn.ROUNDS


def test_a_game_is_played_and_drawn(desk):
    game = learn._played(None, "textbook", "pair", -3, -3)
    assert (game.step, game.rules.generator_lr) == (learn.ROUNDS, 1e-3)
    again = learn._played(game, "minimax", "pair", -3.5, -3)
    assert (again is game, game.step, game.rules.kind) == (True, 2 * learn.ROUNDS, "minimax")
    plane, losses, verdict = learn._seen(desk, game)
    assert (plane.count(figures.BLUE), plane.count(figures.ORANGE) > 200) == (256, True)
    assert losses.count("<polyline") == 2
    assert "Beginning" in verdict


def test_every_verdict_has_words(desk):
    from impasto.studio.game import Verdict

    figures = {"step": 1.0, "found": 1.0, "clumps": 8.0, "distance": 0.1, "spread": 0.2, "move": 0.3}
    for state in ("beginning", "under way", "converged", "oscillating", "collapsed", "diverged"):
        given = {"step": 1.0, "spread": 6.0} if state == "diverged" else figures
        assert desk.say(state, **Verdict(state, given).evidence).startswith("**")


def test_lines_leave_out_what_is_not_finite():
    drawn = figures.lines("<b>", [[(0, 1.0), (1, float("nan")), (2, 3.0)], [(0, float("inf"))]])
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert "<b>" not in drawn
    assert figures.lines("too little", [[], [(1, 2.0)], [(1, 3.0)]]) == ""


def test_a_full_queue_is_said(desk, monkeypatch):
    def refuse(work, who):
        raise Refused(429, "32 pieces of work are waiting already", "come again in 3 s")

    monkeypatch.setattr(desk.studio.queue, "enter", refuse)
    with pytest.raises(gradio.Error, match="come again in 3 s"):
        desk.do(lambda check: 1)


def test_pictures_are_taken_in_looked_at_and_trained_on(desk, workspace):
    paths = [str(path) for path in sorted((workspace / "shapes").rglob("*.png"))]
    sets, cleared, words = train._take(desk, paths)
    assert (cleared, "30 pictures" in words) == (None, True)
    assert dict(sets["choices"])["001"] == sets["value"]
    report = train._report(desk, sets["value"], 64)
    assert "**30 pictures**" in report
    assert "few-shot" in report
    jobs = train._begin(desk, sets["value"], "mlp", 32, 50)
    job = jobs["value"]
    known, state, *_ = train._seen(desk, job, ())
    assert "in training" in state
    with pytest.raises(gradio.Error, match="in training already"):
        train._begin(desk, sets["value"], "mlp", 32, 50)
    with pytest.raises(gradio.Error, match="no model yet"):
        train._to_create(desk, job)
    train._stop(desk, job)
    wait_for(lambda: desk.studio.jobs.get(job).state == "stopped")
    known, state, *_ = train._seen(desk, job, known)
    assert "stopped" in state
    assert train._seen(desk, job, known)[1]["__type__"] == "update"  # as it was: nothing to show


def test_samples_have_a_history(desk, tmp_path):
    grids = [tmp_path / f"{images:010}.png" for images in (64, 128, 256)]
    for i, path in enumerate(grids):
        Image.new("L", (2, 2), i).save(path)
    for when, shade, images in ((0, 0, "64"), (45, 1, "128"), (100, 2, "256")):
        shown = train._grid(desk, grids, when)
        with Image.open(shown["value"]) as grid:
            assert grid.getpixel((0, 0)) == shade
        assert f"after {images} images" in shown["label"]
    assert train._grid(desk, [], 100) is None


def test_what_a_training_says_is_shown(desk):
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
    drawn = train._curves(desk, events)
    assert drawn.count("<figure") == 1  # no accuracies, and one distance: no figures of them
    told = train._verdicts(desk, events)
    assert "<strong>collapse</strong>" in told
    assert "<b>" not in told
    assert "No sign" in train._verdicts(desk, [*events, {"event": "recovered", "kind": "collapse"}])
    assert train._verdicts(desk, []) == ""


@pytest.mark.parametrize("ask", [train._begin, train._report, train._stop, train._go_on, train._to_create])
def test_what_is_missing_is_said(desk, ask):
    given = {train._begin: (None, "", 64, 1), train._report: (None, 64), train._go_on: (None, 5)}
    with pytest.raises(gradio.Error, match="choose"):
        ask(desk, *given.get(ask, (None,)))


@pytest.mark.parametrize(("condition", "limits"), [("minutes", ["--minutes", "7.0"]), ("interrupted", [])])
def test_going_on_adds_minutes_to_what_is_finished(desk, workspace, monkeypatch, condition, limits):
    folder = workspace / "runs" / "x"
    folder.mkdir(parents=True)
    about = {"name": "x", "pictures": "shapes", "created": 1, "preset": "mlp", "size": 16, "limits": None}
    (folder / "job.json").write_text(json.dumps(about))
    ended = {"event": "stopped", "condition": condition, "words": "", "seconds": 120.0, "unix_time": 1}
    (folder / "events.jsonl").write_text(json.dumps(ended) + "\n")
    (folder / "state.safetensors").touch()
    started = []
    monkeypatch.setattr(desk.studio.jobs, "_start", lambda id_, command: started.append(command))
    train._go_on(desk, "x", 5)
    assert [word for word in started[0] if word in limits] == limits


def test_minutes_that_are_no_number_are_refused(desk, workspace):
    for minutes in (float("nan"), float("inf"), -1, 1e300):
        with pytest.raises(gradio.Error, match="minutes"):
            train._begin(desk, "shapes", "mlp", 32, minutes)
    assert not (workspace / "runs").exists()


def kept(desk, *seeds):
    return list(create._grid(desk, [], "tiny", seeds[0], len(seeds), WISH))[-1][1]


def test_pictures_are_kept_once(desk):
    one, other = kept(desk, 1, 2)
    _, once, *_ = explore._keep(desk, [], one)
    _, both, structure, detail = explore._keep(desk, once, other)
    assert [made.words for made in both] == ["1", "2"]
    assert (structure["value"], detail["value"], structure["choices"]) == ("1", "2", ["1", "2"])
    assert explore._keep(desk, both, one)[1] == both
    with pytest.raises(gradio.Error, match="choose"):
        explore._keep(desk, [], None)
    with pytest.raises(gradio.Error, match="more than 16"):
        explore._keep(desk, both * 8, kept(desk, 3)[0])


def test_a_way_and_a_mixture_of_what_was_kept(desk):
    both = kept(desk, 1, 2)
    path, save = explore._way(desk, both, 8, loop=False)
    with Image.open(path) as way:
        assert (way.format, way.n_frames, save["value"]) == ("WEBP", 8, path)
    path, _, _, more, *_ = explore._mixed(desk, both, "1", "2", True)
    assert len(more) == 3
    with Image.open(path) as mixed:
        assert mixed.text["recipe"] == more[2].recipe
    asks = (
        lambda: explore._way(desk, both[:1], 8, loop=False),
        lambda: explore._mixed(desk, [], "", "", True),
    )
    for ask in asks:
        with pytest.raises(gradio.Error, match="two pictures"):
            ask()


def test_the_map_is_wandered_in(desk):
    here = wander.Place()
    _, shown = list(wander._seen(desk, [], here, "tiny", WISH))[-1]
    assert len(shown) == wander.COLUMNS * wander.ROWS
    there, path, one, _ = wander._picked(here, shown, 4)  # one to the right of the middle, two up
    assert there == here.moved(1, -2)
    _, again = list(wander._seen(desk, shown, there, "tiny", WISH))[-1]
    middle = again[len(again) // 2]
    assert middle.recipe == one.recipe  # it is in the middle now
    with Image.open(path) as chosen, Image.open(middle.path) as seen:
        assert chosen.tobytes() == seen.tobytes()
    first, *_ = wander._seen(desk, again, there, "tiny", WISH)
    assert first[1][1:] == again[1:]  # until a new one is made, the old one stays


def test_a_map_goes_no_closer_than_it_can():
    place = wander.Place(x=-6, y=4, per=4)
    assert place.scaled(1) == wander.Place(-12, 8, 8)
    assert place.scaled(-1) == wander.Place(-3, 2, 2)
    assert place.scaled(99).per == wander.SCALES[-1]
    assert place.scaled(99).scaled(-99).per == wander.SCALES[0]
    assert place.around()[len(place.around()) // 2] == (-6, 4)
