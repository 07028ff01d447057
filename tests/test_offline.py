"""Nothing leaves the machine, and nothing stays in the home folder: every verb and the studio.

Libraries that report are often silent where the environment says CI, or where pytest runs: so everything runs
in processes of its own with a fresh home and without such variables. A guard refuses and records every
connection and look-up of a name in Python. Native code it does not see: the slow test reads the calls to the
system by strace.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

import impasto
from impasto.telemetry import PLACES, SWITCHES, hidden, keep_files_in_cache, without_telemetry
from tests.small_models import tiny_model

GUARD = """
import os, sys

LOOK_UPS = {
    "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo",
}
SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def is_here(host):
    host = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    return host in ("localhost", "::1", "0.0.0.0", "::") or host.startswith("127.")


def guard(event, arguments):
    if event in SENDS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and len(address) in (2, 4) else None  # not of IP
    elif event in LOOK_UPS:
        host = arguments[0][0] if event == "socket.getnameinfo" else arguments[0]
    else:
        return
    if not is_here(host) and host not in os.environ.get("IMPASTO_GUARD_ALLOWS", "").split():
        with open(os.environ["IMPASTO_GUARD_LOG"], "a") as log:
            log.write(f"{event} {host}\\n")
        raise OSError(f"refused by the test: {event} {host}")


sys.addaudithook(guard)
"""

DRIVER = """
import json, sys

from impasto.cli import main

for words in json.loads(sys.argv[1]):
    print("$ impasto", *words, flush=True)
    if words == ["the studio"]:
        from impasto.studio.app import create_app
        from impasto.studio.settings import Settings
        from pathlib import Path
        from starlette.testclient import TestClient

        app = create_app(Settings((Path("."),)))
        with TestClient(app, base_url="http://127.0.0.1:7860") as client:
            for path in ("/en/", "/zh/", "/en/config", "/api/v1/models", "/api/v1/health"):
                assert client.get(path).status_code == 200, path
            files = {"picture": open("pictures/000.png", "rb")}
            answer = client.post("/api/v1/upscale", files=files, data={"model": "larger"})
            assert answer.status_code == 200, answer.text
        continue
    sys.argv = ["impasto", *words]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, (words, ended.code)
"""

TRAIN = [
    "train",
    "pictures",
    "--size",
    "16",
    "--set",
    "train.batch_size=8",
    "--set",
    "train.evaluate_samples=16",
]
TALL = ["train", "large", "--set", "train.batch_size=4"]
TINY = [*TRAIN, "--preset", "mlp", "--images", "16"]

FAST = [  # everything that imports a library that could report
    [*TINY, "--out", "run"],
    ["generate", "run", "--out", "new", "--count", "2"],
    ["upscale", "pictures/000.png", "--model", "larger", "--out", "enlarged"],  # tries every engine
    ["export", "larger", "--to", "openvino", "--out", "exported"],
    ["the studio"],
]
SLOW = [
    *FAST,
    ["inspect", "pictures"],
    ["health", "run"],
    ["models"],
    ["interpolate", "run", "1", "2", "--frames", "3", "--out", "way.webp"],
    ["mix", "run", "1", "2", "--out", "mixed"],
    ["neighbours", "run", "1", "--count", "2", "--out", "near"],
    ["project", "run", "pictures/000.png", "--steps", "2", "--out", "found"],
    ["evaluate", "run", "--against", "pictures", "--samples", "16"],
    ["export", "run", "--to", "onnx", "--out", "exported/run"],
    ["pack", "pictures", "--out", "shards"],
    ["doctor"],
    ["samples", "openmoji", "drawings", "--size", "64"],
    ["directions", "openmoji-64"],
    ["upscale", "pictures/000.png", "--out", "enlarged/default"],
    ["evaluate", "larger", "--against", "large"],
    ["evaluate", "openmoji-64", "--against", "drawings", "--samples", "64"],
    ["export", "larger", "--to", "onnx", "--out", "exported/onnx"],
    ["export", "larger", "--to", "ncnn", "--out", "exported/ncnn"],
    ["export", "larger", "--to", "spandrel", "--out", "exported/spandrel"],
    [*TRAIN, "--preset", "default", "--images", "16", "--out", "modulated"],
    [*TINY, "--devices", "2", "--out", "together"],
    [*TALL, "--preset", "upscale-x4", "--images", "8", "--out", "taller"],
]  # fmt: skip


class Desk:
    """A folder with pictures and a small upscaler, a fresh home, and a guard for what runs there."""

    def __init__(self, folder: Path, shapes: Path) -> None:
        self.folder, self.home, self.log = folder / "work", folder / "home", folder / "guard.log"
        for made in (self.home, self.folder / "pictures", self.folder / "large", folder / "guard"):
            made.mkdir(parents=True)
        (folder / "guard" / "sitecustomize.py").write_text(GUARD)
        for path in shapes.rglob("*.png"):
            shutil.copy(path, self.folder / "pictures")
        from PIL import Image

        for path in sorted((self.folder / "pictures").iterdir())[:40]:
            Image.open(path).resize((192, 192), Image.Resampling.BICUBIC).save(
                self.folder / "large" / path.name
            )
        tiny_model(self.folder / "larger")
        silencers = (
            "CI",
            "TF_BUILD",
            "JENKINS",
            "GITHUB",
            "PYTEST",
            "XDG_",
            "HF_",
            "DO_NOT_TRACK",
            "IMPASTO_",
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith((*silencers, *SWITCHES, *PLACES))}
        sources = str(Path(impasto.__file__).parents[1])
        self.environment = kept | {
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "IMPASTO_GUARD_LOG": str(self.log),
            "PYTHONPATH": os.pathsep.join((str(folder / "guard"), sources)),
        }

    def run(self, commands, before=(), **environment) -> None:
        """Run commands one after the other in one process, or fail with what it said."""
        done = subprocess.run(
            [*before, sys.executable, "-c", DRIVER, json.dumps(commands)],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def check(self) -> None:
        """Nothing was asked of the network, and what is in the home folder is our cache."""
        assert not self.log.exists(), self.log.read_text()
        found = subprocess.run(
            [sys.executable, "-c", "from impasto.files import cache_folder; print(cache_folder())"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        cache = Path(found.stdout.strip())
        assert self.home in cache.parents
        left = [p for p in self.home.rglob("*") if not p.is_dir() and cache not in p.parents]
        assert [str(path.relative_to(self.home)) for path in left] == []


@pytest.fixture
def desk(tmp_path, shapes):
    return Desk(tmp_path, shapes)


def test_the_guard_sees_what_it_must(desk):
    tries = (
        'import socket\nfor f in (lambda: socket.getaddrinfo("example.org", 80), '
        'lambda: socket.create_connection(("192.0.2.1", 9)), lambda: socket.gethostbyname("example.org"), '
        'lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9)), '
        'lambda: socket.socket().connect_ex(("192.0.2.1", 9)), '
        'lambda: socket.getaddrinfo("localhost", 80)):\n'
        "    try: f()\n    except OSError: pass"
    )
    subprocess.run([sys.executable, "-c", tries], env=desk.environment, check=True)
    seen = [line.split()[0].removeprefix("socket.") for line in desk.log.read_text().splitlines()]
    assert set(seen) == {"getaddrinfo", "connect", "gethostbyname", "sendto"}
    assert "localhost" not in desk.log.read_text()


@pytest.mark.timeout(1200)  # half a minute of one processor, which a busy machine may give late
def test_nothing_leaves_and_nothing_stays(desk):
    pytest.importorskip("gradio")
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    desk.run(FAST)
    desk.check()


def can_be_traced() -> bool:
    """Whether this system lets us shut off the network and read a program's calls."""
    tried = ["unshare", "-n", "strace", "-f", "-o", os.devnull, "-e", "trace=connect", "true"]
    try:
        return subprocess.run(tried, capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def reached(trace: str) -> list[str]:
    """The lines of a trace that speak to anything but this machine, or to a name server, be it here."""
    lines = [line for line in trace.splitlines() if re.search(r"sa_family=AF_INET6?\b", line)]
    here = re.compile(r'inet_addr\("127\.|inet_addr\("0\.0\.0\.0"|"(::1|::|::ffff:127\.[\d.]+)"')
    return [line for line in lines if not here.search(line) or "htons(53)" in line]


def test_a_trace_is_read_rightly():
    out = '7 connect(8, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0'
    out6 = '7 connect(8, {sa_family=AF_INET6, inet_pton(AF_INET6, "2001:db8::1", &x)}, 28) = 0'
    here = '7 connect(8, {sa_family=AF_INET, sin_port=htons(99), sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
    here6 = '7 connect(8, {sa_family=AF_INET6, sin6_port=htons(9), inet_pton(AF_INET6, "::1", &x)}, 28) = 0'
    unix = '7 connect(8, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = -1 ENOENT'
    assert reached("\n".join((out, here, out6, unix, here6))) == [out, out6]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not can_be_traced(), reason="needs Linux, unshare -n (root) and strace")
def test_native_code_leaves_nothing_either(desk):
    trace = desk.folder.parent / "trace"
    calls = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-e",
        "trace=connect,sendto,sendmsg,sendmmsg",
        "-o",
        str(trace),
    ]
    loopback = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    desk.run(SLOW, before=["unshare", "-n", *loopback, *calls])
    assert reached(trace.read_text(errors="replace")) == []
    desk.check()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("package", "command", "environment"),
    [
        ("mlflow", [*TINY, "--out", "run", "--track", "mlflow"], {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}),
        ("wandb", [*TINY, "--out", "run", "--track", "wandb"], {"WANDB_MODE": "offline"}),
        ("datasets", [*TINY, "--out", "run"], {}),
        # Ray looks whether it runs in a cloud, whatever it is told; nothing leaves the machine's own network.
        (
            "ray",
            ["generate", "fashion-32", "--count", "2", "--out", "new", "--ray", "local"],
            {"IMPASTO_GUARD_ALLOWS": "169.254.169.254 metadata.google.internal"},
        ),
    ],
)  # fmt: skip
def test_extras_speak_to_whom_they_were_told_to_and_to_nobody_else(desk, package, command, environment):
    if find_spec(package) is None:
        pytest.skip(f"needs {package}")
    if package == "datasets":
        command = [f"hf:{desk.folder / 'pictures'}" if word == "pictures" else word for word in command]
    desk.run([command], **environment)
    desk.check()


def test_a_hub_of_ones_own_hears_all_and_nobody_else_anything(desk):
    pytest.importorskip("huggingface_hub")
    from tests.export.hub import Hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.private = {}, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        where = f"http://127.0.0.1:{server.server_port}"
        commands = [["push", "larger", "me/one"], ["pull", "me/one", "--out", "pulled"]]
        desk.run(commands, HF_ENDPOINT=where, HF_TOKEN="hf_right")
    finally:
        server.shutdown()
        server.server_close()
    desk.check()


def test_switches_hold_and_what_was_there_is_put_back(monkeypatch):
    for name in (*SWITCHES, *PLACES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    kept = sys.modules["json"]
    with without_telemetry(), hidden("json"), hidden("nothing_like_it"):
        with pytest.raises(ImportError):
            import openvino_telemetry  # noqa: F401
        assert sys.modules["json"] is None
        assert {name: os.environ[name] for name in SWITCHES} == dict(SWITCHES)
    assert sys.modules["json"] is kept
    assert not {"openvino_telemetry", "nothing_like_it"} & {k for k, v in sys.modules.items() if v is None}
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    keep_files_in_cache()
    assert os.environ["MPLCONFIGDIR"] == "mine"
    assert Path(os.environ["WANDB_CACHE_DIR"]).is_relative_to(os.environ["IMPASTO_CACHE"])


def test_a_thread_that_is_through_uncovers_nothing_for_another():
    first, second = hidden("json"), hidden("json")
    kept = sys.modules["json"]
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.modules["json"] is None
    second.__exit__(None, None, None)
    assert sys.modules["json"] is kept


def test_every_import_of_a_library_that_reports_is_guarded():
    """In the sources, not in what happens to be installed."""
    import ast

    reporting = {
        "openvino",
        "onnxruntime",
        "gradio",
        "huggingface_hub",
        "ray",
        "datasets",
        "timm",
        "spandrel",
        "onnxscript",
    }

    def unguarded(tree, inside=False):
        for node in ast.iter_child_nodes(tree):
            if isinstance(node, ast.With):
                quiet = any("without_telemetry" in ast.unparse(item.context_expr) for item in node.items)
                yield from unguarded(node, inside or quiet)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                if not inside and reporting & {name.split(".")[0] for name in names}:
                    yield ast.unparse(node)
            else:
                yield from unguarded(node, inside)

    found = {}
    source = Path(impasto.__file__).parent
    for path in source.rglob("*.py"):
        # Files of the page are imported by the page's own, behind the import that is guarded.
        if path.parent.name != "page" or path.name == "__init__.py":
            found[str(path.relative_to(source))] = list(
                unguarded(ast.parse(path.read_text(encoding="utf-8")))
            )
    assert {name: what for name, what in found.items() if what} == {}
