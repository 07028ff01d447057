"""Models to and from a hub: a small server on loopback that answers as Hugging Face's does."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from impasto.errors import CheckpointError, InputError
from impasto.tasks import load_model
from impasto.training.checkpoints import CARD, WEIGHTS
from tests.small_models import tiny_model

pytest.importorskip("huggingface_hub", reason="needs pip install 'impasto[hub]'")
import huggingface_hub.constants  # noqa: F401 - the library's own address is fixed before a test sets one

from impasto.export.hub import FILES, pull, push

COMMIT = "0" * 40


class Hub(BaseHTTPRequestHandler):
    """What uploading small files and downloading takes of the hub's API."""

    def log_message(self, *_):
        pass

    def answer(self, code, tree=None, data=b"", **headers):
        body = data if tree is None else json.dumps(tree).encode()
        self.send_response(code)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        files, where = self.server.files, f"http://127.0.0.1:{self.server.server_port}"
        if self.headers.get("Authorization") != "Bearer hf_right":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path == "/api/repos/create":
            asked = json.loads(said)
            self.server.private = asked.get("private") or asked.get("visibility") == "private"
            name = f"{asked.get('organization', 'me')}/{asked['name']}"
            return self.answer(200, {"url": f"{where}/{name}", "name": name})
        if self.path.endswith("/preupload/main"):
            how = {"uploadMode": "regular", "shouldIgnore": False}
            named = [{"path": f["path"]} | how for f in json.loads(said)["files"]]
            return self.answer(200, {"files": named})
        if "/commit/main" in self.path:
            for line in said.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            tree = {"commitUrl": f"{where}/me/one/commit/{COMMIT}", "commitOid": COMMIT}
            return self.answer(200, tree | {"pullRequestUrl": None})
        return self.answer(200, {})

    def do_GET(self):
        name = self.path.partition("/resolve/main/")[2]
        if self.path.startswith("/api/models/me/one") and self.server.private is not None:
            return self.answer(200, {"id": "me/one", "sha": COMMIT, "siblings": [], "private": False})
        if not self.path.startswith("/me/one/") or name not in self.server.files:
            code = "EntryNotFound" if self.path.startswith("/me/one/") else "RepoNotFound"
            return self.answer(404, {}, X_Error_Code=code)
        data = self.server.files[name]
        tag = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X_Repo_Commit": COMMIT}
        return self.answer(200, data=data, **tag)

    do_HEAD = do_GET


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.private = {}, None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    yield server
    server.shutdown()
    server.server_close()


def test_there_and_back(hub, tmp_path):
    model = tiny_model(tmp_path / "model")
    (model / "notes.txt").write_text("not for others")
    assert push(model, "me/one", private=True).endswith("me/one")
    assert hub.private
    assert set(hub.files) == set(FILES)
    pull("me/one", tmp_path / "back")
    assert {p.name for p in (tmp_path / "back").iterdir()} == set(FILES)
    for name in FILES:
        assert (tmp_path / "back" / name).read_bytes() == (model / name).read_bytes()
    load_model(tmp_path / "back")
    with pytest.raises(InputError, match="are there already"):
        pull("me/one", tmp_path / "back")
    pull("me/one", tmp_path / "back", overwrite=True)  # a newer version over the one before


def test_what_is_no_model_is_not_written(hub, tmp_path):
    hub.files |= {WEIGHTS: b"no weights", CARD: b"{}", "README.md": b""}
    with pytest.raises(CheckpointError, match="'me/one' on the hub is no model of Impasto"):
        pull("me/one", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    with pytest.raises(CheckpointError):
        push(tmp_path, "me/one")


def test_refusals_in_words(hub, tmp_path, monkeypatch):
    model = tiny_model(tmp_path / "model")
    with pytest.raises(InputError, match="the hub has no model 'me/other' that you may see"):
        pull("me/other", tmp_path / "back")
    with pytest.raises(InputError, match="the hub has no model 'me/one'"):  # empty
        pull("me/one", tmp_path / "back")
    for nonsense in ("nonsense", "hf:me/one", "me/one/two", "me/", "http://x/me"):
        with pytest.raises(InputError, match=f"'{nonsense}' is no place on the hub"):
            push(model, nonsense)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").touch()
    with pytest.raises(InputError, match="is there already, and not a model"):
        pull("me/one", tmp_path / "mine")
    push(model, "me/one")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    for place in ("me/one", "me/new"):
        with pytest.raises(InputError, match=r"the hub refused.*401"):
            push(model, place)
    hub.shutdown()
    hub.server_close()
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the library's attempts
    with pytest.raises(InputError, match="the hub cannot be reached"):
        push(model, "me/one")
    with pytest.raises(InputError, match="the hub cannot be reached"):
        pull("me/one", tmp_path / "back")
