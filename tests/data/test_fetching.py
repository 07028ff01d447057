"""Shards that come over the wire or out of a command; the server is on loopback."""

import functools
import shutil
import socket
import threading
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from impasto.cli import app
from impasto.config.shared import DataConfig, ImageConfig
from impasto.data import fetching
from impasto.data.opening import open_pictures
from impasto.data.packing import pack_folder
from impasto.errors import DataError
from tests.small_runs import NETWORKS, SMALL

IMAGE, DATA = ImageConfig(size=16), DataConfig()


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, counts what is asked for, and does what `trouble` says, once for each entry."""

    asked: Counter[str]
    trouble: list[str]

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        self.asked[name] += 1
        what = self.trouble.pop() if self.trouble and name.endswith(".tar") else ""
        if what == "busy":
            self.send_error(503)
        elif what == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
        else:
            super().do_GET()

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(shapes: Path, tmp_path: Path, monkeypatch):
    pack_folder(shapes, tmp_path / "shards", DATA, IMAGE, per_shard=10)
    monkeypatch.setattr(fetching, "RETRIES_AFTER_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(Handler, "asked", Counter(), raising=False)
    monkeypatch.setattr(Handler, "trouble", [], raising=False)
    handler = functools.partial(Handler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/shards"
        httpd.shutdown()


def opened(place: str):
    return open_pictures(place, DATA, IMAGE, seed=0)


def test_shards_are_fetched_when_needed_and_once(server: str, tmp_path: Path, monkeypatch) -> None:
    here = opened(str(tmp_path / "shards"))
    expected = here.train_array()
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "another"))
    there = opened(f"{server}/shard-{{000000..000009}}.tar")
    assert (there.fingerprint, there.themes) == (here.fingerprint, here.themes)
    assert Handler.asked.total() <= 1 + 2  # the index, and where the held-out ones end
    np.testing.assert_array_equal(there.train_array(), expected)
    there.holdout_pixels()
    assert Handler.asked == Counter({f"shard-{i:06}.tar": 1 for i in range(10)} | {"index.json": 1})
    opened(server).train_array()
    opened(f"{server}/index.json").train_array()
    assert Handler.asked.total() == 11 + 2
    assert not list((tmp_path / "another").rglob("*.tmp"))


def test_a_bad_connection_is_tried_again(server: str) -> None:
    Handler.trouble[:] = ["cut", "busy"]
    assert len(opened(server).holdout_pixels()) == 16
    Handler.trouble[:] = ["busy"] * 9
    with pytest.raises(DataError, match="503"):
        opened(server).train_array()


def test_without_an_index_the_server_s_shards_are_read_through(server: str, tmp_path: Path) -> None:
    everything = opened(str(tmp_path / "shards"))
    (tmp_path / "shards" / "index.json").unlink()
    found = opened(f"{server}/shard-{{000000..000003}}.tar")
    assert len(found.pixels) == 40
    np.testing.assert_array_equal(found.pixels.take(np.arange(40)), everything.pixels.take(np.arange(40)))
    with pytest.raises(DataError, match=r"000010.tar.*404"):
        opened(f"{server}/shard-{{000008..000011}}.tar")
    with pytest.raises(DataError, match=r"no '.*index\.json'"):
        opened(server)


def test_no_server_no_traceback(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{free.getsockname()[1]}/x-{{0..3}}.tar"
    with pytest.raises(DataError, match="cannot be fetched") as caught:
        opened(place)
    assert "connection" in caught.value.hint


def test_a_changed_shard_is_refused(server: str, tmp_path: Path) -> None:
    found = opened(server)
    shutil.copy(tmp_path / "shards" / "shard-000008.tar", tmp_path / "shards" / "shard-000009.tar")
    with pytest.raises(DataError, match=r"shard-000009.*sends more than"):
        found.train_array()


def test_a_pipe_is_read_as_its_command_prints(server: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = opened("pipe:cat shards/shard-00000{0..9}.tar")
    assert len(first.pixels) == 96
    assert sorted(map(bytes, first.train_array())) == sorted(
        map(bytes, opened("pipe:cat shards/shard-00000{0..9}.tar").train_array())
    )
    with pytest.raises(DataError, match=r"exit code 1: .*absent"):
        opened("pipe:cat absent.tar")
    with pytest.raises(DataError, match="cannot be read"):
        opened("pipe:echo no tar")
    words = ["train", "pipe:cat shards/shard-00000{0..9}.tar", "--out", "run", "--images", "16"]
    settings = SMALL | NETWORKS["dcgan"]
    words += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    done = CliRunner().invoke(app, [*words, "--preset", "dcgan"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "model.safetensors").exists() or list((tmp_path / "run").rglob("model.json"))
