"""Every command of docs/api.md is run, as it is written, against a real server."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_page(serve, workspace, tmp_path):
    (workspace / "runs").mkdir()
    (workspace / "tiny").rename(workspace / "runs" / "flowers")
    (workspace / "shapes").rename(workspace / "flowers")
    here = tmp_path / "here"
    here.mkdir()
    Image.new("RGB", (20, 16), "teal").save(here / "photo.jpg")
    shutil.make_archive(str(here / "pictures"), "zip", workspace / "flowers")
    server = serve(workspace)
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S))
    described = server.http.get("/api/v1/openapi.json").json()["paths"]
    for path in described:
        parts = [re.escape(part) for part in re.split(r"\{[^}]*\}", path.removeprefix("/api/v1"))]
        assert re.search(r"\$API" + r"[\w$/]+".join(parts), commands), path
    script = "set -euo pipefail\n" + commands.replace("http://127.0.0.1:7860", server.url)
    done = subprocess.run(
        ["bash", "-c", script], cwd=here, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert size(here / "seven.png") == (16, 16)
    assert b"ANMF" in (here / "way.webp").read_bytes()
    assert size(here / "larger.png") == (80, 64)
    assert "event: stopped" in (here / "events.txt").read_text()
    assert size(here / "grid.png")[0] > 16


def size(path):
    with Image.open(path) as picture:
        return picture.size
