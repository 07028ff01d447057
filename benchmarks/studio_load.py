"""What many clients at once do to the studio: times as ratios to one client's, refusals, memory.

    python benchmarks/studio_load.py --clients 64 --seconds 60 --json benchmarks/studio_load.json

A server in a process of its own, with a 64 px generator of the default preset (untrained: its speed is the
same) and an upscaler of the package. Three rounds: one client; `--clients` that come again when they are told
to by `Retry-After`; one client again. Each asks in turn for a picture and for an enlarged one. A round of
warming up is not counted. Memory is the server's resident set, after each round.

Then a training is started on a second server, and both are killed (SIGKILL) seven seconds after a checkpoint;
on a third server the training is resumed. What is reported: images and seconds that were lost, where it began
again, and how long it took from the request until it was training.
"""

import argparse
import asyncio
import gc
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2
import numpy as np
import torch
from PIL import Image

from impasto.config.reading import load_config
from impasto.files import write_bytes_atomically
from impasto.tasks.generation.networks import build_generator
from impasto.training.checkpoints import ModelInfo, save_model
from kit import machine

KINDS = ("generate", "upscale")
SECONDS_UNTIL_KILLED = 7.0  # after a checkpoint


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder) / "model")
        server, url = start(Path(folder), args.port)
        try:
            results = asyncio.run(measure(url, server.pid, args.clients, args.seconds, args.side))
        finally:
            server.send_signal(signal.SIGTERM)
            results["exit_code"] = server.wait(60)
        results["kill_9"] = killed_and_resumed(Path(folder), args.port)
    report(results)
    if args.json:
        described = {"clients": args.clients, "seconds": args.seconds, "picture_side_px": args.side}
        tree = {**described, "machine": machine.describe(), **results}
        write_bytes_atomically(args.json, json.dumps(tree, indent=1).encode() + b"\n")


def make_model(folder: Path) -> None:
    """An untrained generator of 64 px."""
    torch.manual_seed(0)
    config = load_config("default")
    network = build_generator(config.model, config.image)
    save_model(folder, network.state_dict(), ModelInfo(config, 0))


def start(folder: Path, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """A server over a folder that answers already."""
    command = [sys.executable, "-m", "impasto", "serve", "--workspace", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/api/v1"
    end = time.monotonic() + 60
    while True:
        try:
            httpx2.get(f"{url}/health")
            return server, url
        except httpx2.TransportError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.2)


async def measure(url: str, pid: int, clients: int, seconds: float, side: int) -> dict[str, Any]:
    """All rounds."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (side, side, 3), np.uint8)).save(buffer, "PNG")
    picture = buffer.getvalue()
    await storm(url, min(clients, 4), min(seconds, 10), picture)
    rounds, memory = {}, {"warm": resident_mb(pid)}
    for name, count in (("one", 1), ("many", clients), ("one again", 1)):
        rounds[name] = await storm(url, count, seconds, picture)
        gc.collect()
        memory[name] = resident_mb(pid)
    ratios = {
        kind: {q: rounds["many"][kind][q] / rounds["one"][kind][q] for q in ("p50", "p95")} for kind in KINDS
    }
    return {"rounds": rounds, "ratios_to_one_client": ratios, "resident_mb": memory}


async def storm(url: str, clients: int, seconds: float, picture: bytes) -> dict[str, Any]:
    """`clients` at once for so long: per kind p50 and p95 in seconds, answers by status."""
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    statuses: Counter[int] = Counter()
    honest = 0  # those refused that said when to come again
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal honest
        limits = httpx2.Limits(max_connections=1)
        async with httpx2.AsyncClient(timeout=300, limits=limits, trust_env=False) as http:
            turn = number
            while time.monotonic() < end:
                kind = KINDS[turn % 2]
                began = time.monotonic()
                answer = await ask(http, url, kind, turn, picture)
                statuses[answer.status_code] += 1
                if answer.status_code == 429:
                    honest += int(answer.headers["retry-after"]) >= 1
                    wait = min(float(answer.headers["retry-after"]), max(0.0, end - time.monotonic()))
                    await asyncio.sleep(wait)
                    continue
                taken[kind].append(time.monotonic() - began)
                turn += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    times = {
        kind: {"count": len(all_), "p50": median(all_), "p95": quantiles(all_, n=20)[-1]}
        for kind, all_ in taken.items()
    }
    return {**times, "statuses": dict(statuses), "refusals_with_retry_after": honest}


async def ask(http: httpx2.AsyncClient, url: str, kind: str, turn: int, picture: bytes) -> httpx2.Response:
    if kind == "generate":
        return await http.post(f"{url}/generate", json={"model": "model", "seeds": [turn]})
    form = {"model": "photo-x4-small"}
    return await http.post(f"{url}/upscale", data=form, files={"picture": ("p.png", picture)})


def killed_and_resumed(folder: Path, port: int) -> dict[str, Any]:
    """A training and its server killed in the middle, and resumed on another server.

    Raises `TimeoutError` where it does not come back.
    """
    make_pictures(folder / "noise")
    server, url = start(folder, port)
    settings = {"train.batch_size": 8, "train.evaluate_samples": 16, "train.checkpoint_every_seconds": 10}
    ask = {"pictures": "noise", "preset": "mlp", "size": 32, "images": 10**9, "settings": settings}
    job = httpx2.post(f"{url}/jobs", json=ask).raise_for_status().json()["id"]
    run = folder / "runs" / job
    until(lambda: (last_event(run, "checkpointed") or {"images_seen": 0})["images_seen"] > 0)
    time.sleep(SECONDS_UNTIL_KILLED)
    os.kill(json.loads((run / "process.json").read_text())["pid"], signal.SIGKILL)
    server.kill()
    server.wait()
    killed = time.time()
    seen, saved = last_event(run, "progress"), last_event(run, "checkpointed")
    assert seen is not None
    assert saved is not None

    server, url = start(folder, port)
    try:
        found = httpx2.get(f"{url}/jobs/{job}").json()
        asked = time.time()
        httpx2.post(f"{url}/jobs/{job}/resume").raise_for_status()
        until(lambda: (last_event(run, "progress") or seen)["unix_time"] > asked)
        again = last_event(run, "started")
        assert again is not None
        seconds = time.time() - asked
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    return {
        "checkpoint_every_seconds": settings["train.checkpoint_every_seconds"],
        "state_when_found": found["state"],
        "images_at_last_word": seen["images_seen"],
        "images_at_checkpoint": saved["images_seen"],
        "images_at_resume": again["images_seen"],
        "seconds_lost": round(killed - saved["unix_time"], 1),
        "seconds_until_training_again": round(seconds, 1),
    }


def make_pictures(folder: Path, count: int = 40) -> None:
    """Noise: nothing is to be learnt."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(folder / f"{number}.png")


def last_event(run: Path, kind: str) -> dict[str, Any] | None:
    """The last of a run's events of this kind; what is half written does not count."""
    path = run / "events.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    found = [event for event in map(json.loads, lines) if event["event"] == kind]
    return found[-1] if found else None


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait. Raises `TimeoutError`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.2)


def resident_mb(pid: int) -> float:
    """The memory that a process has in use (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def report(results: dict[str, Any]) -> None:
    for name, found in results["rounds"].items():
        for kind in KINDS:
            row = found[kind]
            print(f"{name:10} {kind:9} {row['count']:6,}  p50 {row['p50']:.3f} s  p95 {row['p95']:.3f} s")
        print(f"{name:10} answers   {found['statuses']}")
    for kind, ratio in results["ratios_to_one_client"].items():
        print(f"many / one {kind:9} p50 {ratio['p50']:.1f}  p95 {ratio['p95']:.1f}")
    lost = results["kill_9"]
    print(
        f"kill -9: {lost['state_when_found']}; {lost['images_at_last_word']:,} images seen, resumed at"
        f" {lost['images_at_resume']:,}, {lost['seconds_lost']} s lost; training again after"
        f" {lost['seconds_until_training_again']} s"
    )
    print(f"resident MB {results['resident_mb']}, exit code {results['exit_code']}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each round")
    parser.add_argument("--side", type=int, default=96, help="of the picture that is enlarged, in px")
    parser.add_argument("--port", type=int, default=7861)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
