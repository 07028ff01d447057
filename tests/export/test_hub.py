"""Models to and from a hub: a small server on loopback that answers as Hugging Face's does."""

import threading
from http.server import ThreadingHTTPServer

import pytest

from impasto.errors import CheckpointError, InputError
from impasto.tasks import load_model
from impasto.training.checkpoints import CARD, WEIGHTS
from tests.small_models import tiny_model

pytest.importorskip("huggingface_hub", reason="needs pip install 'impasto[hub]'")
import huggingface_hub.constants  # noqa: F401 - the library's own address is fixed before a test sets one

from impasto.export.hub import FILES, pull, push
from tests.export.hub import Hub


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
