"""Every path of the API, as a program uses it."""

import base64
import io
import json
import zipfile

import pytest
from PIL import Image

import impasto

GENERATE = {"model": "tiny", "seeds": [3]}


def picture(response):
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def png(size=(12, 10), colour=(200, 30, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_health(client):
    assert client.get("/api/v1/health").json() == {"status": "ok", "running": 0, "waiting": 0, "places": 32}


def test_models_of_the_package_and_the_workspace(client, workspace):
    found = {model["name"]: model for model in client.get("/api/v1/models").json()}
    assert found["photo-x4"]["kind"] == "upscaler"
    assert found["photo-x4"]["shipped"]
    assert (found["tiny"]["size"], found["larger"]["scale"]) == (16, 4)
    assert str(workspace) not in json.dumps(found)


def test_a_picture_is_the_one_that_python_makes(client, workspace):
    made = picture(client.post("/api/v1/generate", json={**GENERATE, "truncation": 0.5}))
    assert made.tobytes() == impasto.load(workspace / "tiny").generate([3], truncation=0.5)[0].tobytes()
    assert json.loads(made.text["recipe"])["point"] == {
        "kind": "seed", "seed": 3, "truncation": 0.5, "truncation_at": {}, "themes": [],
    }  # fmt: skip


def test_themes_and_colours_are_asked_for_as_in_python(client, workspace):
    themes = {one["name"]: one["themes"] for one in client.get("/api/v1/models").json()}
    assert (themes["themed"], themes["tiny"]) == (["food", "flags"], [])
    asked = {"theme": ["flags"], "colours": ["teal", "#f4c20d"]}
    made = picture(client.post("/api/v1/generate", json={"model": "themed", "seeds": [3], **asked}))
    model = impasto.load(workspace / "themed")
    assert made.tobytes() == model.generate([3], **asked)[0].tobytes()
    point = json.loads(made.text["recipe"])["point"]
    assert point["colours"] == [["#008080", 1.0], ["#f4c20d", 1.0]]
    assert point["start"]["themes"] == ["flags"]
    photo = png((40, 30), (10, 90, 200))
    asked = {"model": "tiny", "seeds": [3], "palette_from": base64.b64encode(photo).decode()}
    made = picture(client.post("/api/v1/generate", json=asked))
    assert json.loads(made.text["recipe"])["point"]["colours"] == [["#0a5ac8", 1.0]]


def test_several_pictures_are_a_sheet_or_json_with_recipes(client):
    sheet = picture(client.post("/api/v1/generate", json={"model": "tiny", "seeds": [0, 1, 2, 3]}))
    assert sheet.size == (34, 34)
    asked = {"model": "tiny", "seeds": [0, 1], "format": "json"}
    first, second = client.post("/api/v1/generate", json=asked).json()["pictures"]
    assert first["recipe"]["point"]["seed"] == 0
    again = {"model": "tiny", "recipes": [second["recipe"]]}
    assert client.post("/api/v1/generate", json=again).content == base64.b64decode(second["png"])


def test_a_way_is_an_animation(client):
    asked = {"model": "tiny", "stops": [1, 2], "frames": 4}
    made = client.post("/api/v1/interpolate", json=asked)
    assert made.headers["content-type"] == "image/webp"
    assert picture(made).n_frames == 4
    frames = client.post("/api/v1/interpolate", json={**asked, "format": "json"}).json()["pictures"]
    assert [f["recipe"]["point"].get("seed") for f in frames] == [1, None, None, 2]


def test_a_photo_is_found(client):
    form = {"model": "tiny", "steps": "2", "candidates": "16"}
    found = client.post("/api/v1/project", data=form, files={"photo": ("p.png", png())})
    assert found.status_code == 200, found.text
    assert found.json()["figures"]["found"]["psnr"] > 0
    again = client.post("/api/v1/generate", json={"model": "tiny", "recipes": [found.json()["recipe"]]})
    assert again.content == base64.b64decode(found.json()["png"])


@pytest.mark.parametrize(("format_", "kind"), [("png", "PNG"), ("webp", "WEBP"), ("jpg", "JPEG")])
def test_a_picture_becomes_larger(client, format_, kind):
    form = {"model": "larger", "engine": "torch", "format": format_, "scale": "3"}
    made = picture(client.post("/api/v1/upscale", data=form, files={"picture": ("p.png", png())}))
    assert (made.size, made.format) == ((36, 30), kind)


def test_pictures_become_a_data_set_with_themes(client, workspace):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(4):
            archive.writestr(f"all/{'red, deep' if i else 'blue'}/{i}.png", png(colour=(60 * i, 0, 99)))
        archive.writestr("all/notes.txt", "not a picture")
        archive.writestr("__MACOSX/all/0.png", b"rubbish")
        archive.writestr("all/blue/broken.jpg", b"rubbish")
    files = [("files", ("mine.zip", buffer.getvalue())), ("files", ("one.png", png()))]
    made = client.post("/api/v1/datasets", files=files)
    assert made.status_code == 201, made.text
    about = made.json()
    assert (about["title"], about["pictures"]) == ("mine", 5)
    assert about["themes"] == {"blue": 1, "red deep": 3}
    assert list(about["rejected"]) == ["all/blue/broken.jpg"]
    assert {p.name for p in (workspace / about["name"]).glob("*.png")} == {f"{i:06}.png" for i in range(1, 6)}
    found = client.get(made.headers["location"]).json()
    assert (found["pictures"], found["themes"]) == (5, {"red deep": 3, "blue": 1})
    listed = client.get("/api/v1/datasets").json()
    assert {(one["name"], one["pictures"]) for one in listed} == {(about["name"], 5), ("shapes", 30), *(
        (f"shapes/{theme}", 15) for theme in ("discs", "squares")
    )}  # fmt: skip
    assert client.delete(f"/api/v1/datasets/{about['id']}").status_code == 204
    assert not (workspace / about["name"]).exists()
    assert client.delete(f"/api/v1/datasets/{about['id']}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("generate", {"model": "nothing", "seeds": [1]}, 404, "no model that makes pictures 'nothing'"),
        ("generate", {"model": "larger", "seeds": [1]}, 404, "makes pictures"),
        ("generate", {"model": "tiny"}, 422, "seeds, or recipes"),
        ("generate", {"model": "tiny", "seeds": [-1]}, 422, "greater than or equal to 0"),
        ("generate", {"model": "tiny", "seeds": [1], "trunkation": 1}, 422, "trunkation"),
        ("generate", {"model": "tiny", "seeds": [1], "directions": {"warmth": 99}}, 422, "warmth"),
        ("generate", {"model": "tiny", "recipes": [{}]}, 422, "not a recipe"),
        ("generate", {"model": "tiny", "recipes": [{}], "colours": ["teal"]}, 422, "steer seeds"),
        ("generate", {"model": "tiny", "seeds": [1], "theme": ["food"]}, 422, "cannot be asked for themes"),
        ("generate", {"model": "themed", "seeds": [1], "theme": ["fodo"]}, 422, "there is no theme 'fodo'"),
        ("generate", {"model": "tiny", "seeds": [1], "colours": ["tael"]}, 422, "'tael' is not a colour"),
        ("generate", {"model": "tiny", "seeds": [1], "colours": ["red"] * 6}, 422, "at most 5"),
        ("generate", {"model": "tiny", "seeds": [1], "palette_from": "abc"}, 422, "palette_from"),
        ("generate", {"model": "tiny", "seeds": [1], "palette_from": "bm9uZQ=="}, 415, "palette_from"),
        ("interpolate", {"model": "tiny", "stops": [1]}, 422, "at least 2"),
        ("interpolate", {"model": "tiny", "stops": [1, 2, 3], "frames": 2}, 422, "2 frames are out of range"),
        ("jobs", {"pictures": "nowhere"}, 404, "no folder"),
        ("jobs", {"pictures": "shapes", "preset": "nothing"}, 422, "nothing"),
        ("jobs", {"pictures": "shapes", "settings": {"no.such": 1}}, 422, "unknown setting 'no'"),
        ("jobs", {"pictures": "shapes", "settings": {"data.themes": "/etc/passwd"}}, 422, "settings"),
        ("jobs", {"pictures": "shapes", "begin_with": "nothing"}, 404, "nothing"),
    ],
)  # fmt: skip
def test_errors_are_problem_details(client, path, body, status, words):
    answer = client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "hint"}
    assert words in problem["detail"]
    assert (problem["status"], problem["type"]) == (status, "about:blank")


def test_a_body_nested_too_deep_is_refused(client):
    deep = '{"model": "tiny", "recipes": [' + '{"point": ' * 50_000 + "1" + "}" * 50_000 + "]}"
    answer = client.post("/api/v1/generate", content=deep, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500


def test_what_is_not_there_is_a_problem_too(client):
    for answer in (client.get("/api/v1/nothing"), client.put("/api/v1/models")):
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../",
        "%2e%2e",
        "..%2f..%2fetc",
        "/etc",
        "%2fetc",
        "shapes/../..",
        "shapes%00",
        "link",
        "x" * 5000,
    ],
)
def test_no_name_leads_out_of_the_workspace(client, workspace, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(png())
    (workspace / "link").symlink_to(outside)
    assert client.get(f"/api/v1/datasets/{name}").status_code == 404
    for path, key in (("generate", "model"), ("jobs", "pictures")):
        body = {key: name, "seeds": [1]} if path == "generate" else {key: name}
        assert client.post(f"/api/v1/{path}", json=body).status_code in (404, 422)
    assert not (workspace / "runs").exists()


def test_a_model_that_is_linked_from_elsewhere_is_not_reached(client, workspace, tmp_path):
    (workspace / "tiny").rename(tmp_path / "secret")
    (workspace / "tiny").symlink_to(tmp_path / "secret")
    assert client.post("/api/v1/generate", json=GENERATE).status_code == 404
    (workspace / "tiny").unlink()
    (workspace / "link").symlink_to(tmp_path)  # a folder above it
    assert client.post("/api/v1/generate", json={**GENERATE, "model": "link/secret"}).status_code == 404
    (workspace / "tiny").mkdir()
    for name in ("model.json", "model.safetensors"):
        (workspace / "tiny" / name).symlink_to(tmp_path / "secret" / name)
    assert client.post("/api/v1/generate", json=GENERATE).status_code == 404


def test_a_damaged_model_is_no_mistake_of_ours(client, workspace):
    (workspace / "tiny" / "model.safetensors").write_bytes(b"rubbish")
    answer = client.post("/api/v1/generate", json=GENERATE)
    assert (answer.status_code, "cannot be read" in answer.json()["detail"]) == (422, True)


def test_a_model_that_was_trained_on_is_loaded_anew(client, workspace, made):
    before = client.post("/api/v1/generate", json=GENERATE).content
    import torch

    from impasto.tasks import load_model
    from impasto.training.checkpoints import save_model

    weights, info = load_model(workspace / "tiny")
    save_model(workspace / "tiny", {name: torch.zeros_like(w) for name, w in weights.items()}, info)
    assert client.post("/api/v1/generate", json=GENERATE).content != before


def test_between_pictures_a_model_heeds_whether_anybody_waits(workspace):
    from impasto.studio.catalogue import Catalogue
    from impasto.studio.queue import Left

    passes = []

    def check_cancelled():
        passes.append(1)
        if len(passes) == 3:
            raise Left("nobody waits")

    with pytest.raises(Left):
        Catalogue([workspace], check_cancelled=check_cancelled).generator("tiny").generate(range(10))
    assert len(passes) == 3
