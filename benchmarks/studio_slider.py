"""From a move of a slider on the studio's page to new pictures on the screen, in a real browser.

    python benchmarks/studio_slider.py --json benchmarks/studio_slider.json

A server in a process of its own, with a 64 px generator of the default preset (untrained: its speed is the
same), and Chromium on the same computer, which draws without a graphics card: both share the cores. The time
begins with the slider's event and ends when a picture of the grid has another address and is loaded: the
first one, and all of them. `one_picture` is what the model alone takes for one.
"""

import argparse
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from playwright.sync_api import sync_playwright

import impasto
from impasto.files import write_bytes_atomically
from kit import machine
from studio_load import make_model, start

MOVE = """async (value) => {
    const slider = document.querySelectorAll("input[type=range]")[1];  // daring; the first is how many
    const shown = () => [...document.querySelectorAll("#grid img")];
    const before = shown().map(one => one.src), began = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    let first = null;
    while (true) {
        await new Promise(requestAnimationFrame);
        const fresh = shown().map((one, i) => one.src !== before[i] && one.complete && one.naturalWidth > 0);
        const now = performance.now() - began;
        if (first === null && fresh.some(one => one)) first = now;
        if (fresh.length === before.length && fresh.every(one => one)) return [first, now];
        if (now > 30000) throw new Error("no new pictures within 30 s");
    }
}"""


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder) / "model")
        one_picture = alone(Path(folder) / "model")
        server, url = start(Path(folder), args.port)
        try:
            moved = {
                str(count): moves(url.removesuffix("api/v1"), count, args.moves) for count in args.counts
            }
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    results = {"one_picture_ms": one_picture, "pictures": moved}
    report(results)
    if args.json:
        tree = {"moves": args.moves, "machine": machine.describe(), **results}
        write_bytes_atomically(args.json, json.dumps(tree, indent=1).encode() + b"\n")


def alone(folder: Path, tries: int = 20) -> float:
    """The median time that the model takes for one picture, in milliseconds."""
    model, taken = impasto.load(folder), []
    torch.set_num_threads(1)  # as the studio has it for such a small one
    for seed in range(tries + 3):
        began = time.perf_counter()
        model.generate([seed])
        taken.append(1000 * (time.perf_counter() - began))
    return round(median(taken[3:]), 1)


def moves(url: str, count: int, tries: int) -> dict[str, Any]:
    """Median and 95th percentile of the milliseconds to the first new picture, and to all `count`."""
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"], timeout=120_000
        )
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{url}en/")
        page.wait_for_selector("#grid img")
        page.get_by_label("How many", exact=False).first.fill(str(count))
        page.wait_for_function("n => document.querySelectorAll('#grid img').length === n", arg=count)
        taken = []
        for i in range(tries + 3):
            page.wait_for_timeout(500)
            taken.append(page.evaluate(MOVE, 0.3 + 0.05 * (i % 15)))
        browser.close()
    return {
        name: {"p50_ms": round(median(column)), "p95_ms": round(quantiles(column, n=20)[-1])}
        for name, column in zip(("first", "all"), zip(*taken[3:], strict=True), strict=True)
    }


def report(results: dict[str, Any]) -> None:
    print(f"the model alone, one picture: {results['one_picture_ms']} ms")
    for count, found in results["pictures"].items():
        for name, row in found.items():
            print(f"{count:>3} pictures, {name:5}  p50 {row['p50_ms']} ms  p95 {row['p95_ms']} ms")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4, 12], help="of pictures in the grid")
    parser.add_argument("--port", type=int, default=7862)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
