"""Several processes of one program that find each other as those of `impasto train --devices` do."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from impasto.training.distributed.launch import STORE


def run_together(program: str, argument: object, processes: int, threads: int) -> str:
    """Run the text of a Python program with `argument`, as JSON, in so many processes of so many threads.

    Returns what the first one printed; ends with the words of one that fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        common = {STORE: str(Path(folder) / "store"), "OMP_NUM_THREADS": str(threads)}
        common |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        children = [
            subprocess.Popen(
                [sys.executable, "-c", program, json.dumps(argument)],
                env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(processes)
        ]
        said = [child.communicate() for child in children]
    for child, (_, error) in zip(children, said, strict=True):
        if child.returncode:
            sys.exit(error)
    return said[0][0]
