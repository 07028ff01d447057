"""A workspace with a small model of each kind, and a studio over it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import pytest
import torch
from starlette.testclient import TestClient

from impasto.config.reading import load_config
from impasto.studio.app import create_app
from impasto.studio.settings import Limits, Settings
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.upscaling.networks import build_upscaler
from impasto.training.checkpoints import ModelInfo, save_model

BASE = "http://127.0.0.1:7860"
TINY_RUN = {"train.batch_size": 8, "train.evaluate_samples": 16, "train.checkpoint_every_seconds": 0.5}
THEMED = {
    "image.size": 32,
    "model.generator_channels": 4,
    "model.latent_dim": 32,
    "model.themes": ["food", "flags"],
}
MLP = {"image.size": 16, "model.hidden": [32]}


@pytest.fixture(scope="session")
def made(tmp_path_factory, shapes) -> Path:
    """What every test's workspace is a copy of: `tiny` (16 px), `themed` (32 px), `larger` (x4), `shapes`."""
    root = tmp_path_factory.mktemp("made")
    torch.manual_seed(0)
    config = load_config("default", THEMED)
    themed = build_generator(config.model, config.image)
    themed.learn_themes(torch.eye(2))
    save_model(root / "themed", themed.state_dict(), ModelInfo(config, 8))
    config = load_config("mlp", MLP)
    network = build_generator(config.model, config.image)
    save_model(root / "tiny", network.state_dict(), ModelInfo(config, 8))
    config = load_config("upscale-x4", {"model.channels": 8, "model.convolutions": 2})
    save_model(root / "larger", build_upscaler(config.model).deployed_weights(), ModelInfo(config, 8))
    for picture in shapes.rglob("0[0-2][0-9].png"):  # few: every test has a copy
        (root / "shapes" / picture.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, root / "shapes" / picture.parent.name)
    return root


@pytest.fixture
def workspace(made, tmp_path) -> Path:
    # Pictures are linked, not copied: no test changes one in its place.
    return Path(shutil.copytree(made, tmp_path / "workspace", copy_function=_link_pictures))


def _link_pictures(source: str, target: str) -> None:
    (os.link if source.endswith(".png") else shutil.copy2)(source, target)


@pytest.fixture
def open_client(workspace, made, tmp_path):
    """A function that opens a studio with some settings; `page=True` if it shall have one.

    The first has `workspace`, any other one a workspace of its own: one studio holds each.
    """
    clients = []

    def open_it(limits=None, page=False, **settings):
        root = workspace
        if clients:
            root = shutil.copytree(made, tmp_path / f"workspace-{len(clients)}", copy_function=_link_pictures)
        app = create_app(Settings((root,), limits=limits or Limits(), page=page, **settings))
        client = TestClient(app, base_url=BASE, raise_server_exceptions=False, follow_redirects=False)
        clients.append(client)
        client.__enter__()
        return client

    yield open_it
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_client):
    return open_client()


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class Server:
    """`impasto serve` in a process of its own."""

    def __init__(self, workspace: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "impasto", "serve", "--port", str(port)]
        # A file and no pipe: the log of many requests would fill one, and the server would wait for us.
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the server ends
        self.process = subprocess.Popen(
            [*command, "--workspace", str(workspace), *options], stdout=subprocess.DEVNULL, stderr=self.log
        )
        self.http = httpx2.Client(base_url=self.url, timeout=200)
        try:
            wait_for(self.answers)
        except BaseException:
            self.process.kill()  # nobody has it yet who would end it
            raise

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return self.http.get("/api/v1/health").status_code == 200
        except httpx2.TransportError:
            return False

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit code and the log."""
        self.process.send_signal(number)
        self.process.wait(200)
        log = self.said()
        self.log.close()
        self.http.close()
        return self.process.returncode, log

    def said(self) -> str:
        """What is in its log."""
        self.log.seek(0)
        return self.log.read().decode()


@pytest.fixture
def serve():
    servers = []

    def start(workspace: Path, *options: str, page: bool = False) -> Server:
        servers.append(Server(workspace, *options, *([] if page else ["--no-page"])))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.end(9)


def wait_for(condition, seconds=300.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
    return found
