"""Several processes of one program that find each other on this machine, as torchrun would start them."""

import json
import os
import subprocess
import sys

from impasto.training.launch import free_port


def run_together(program: str, argument: object, processes: int, threads: int) -> str:
    """Run the text of a Python program with `argument`, as JSON, in so many processes of so many threads.

    Returns what the first one printed; ends with the words of one that fails.
    """
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "NODE_RANK": "0"}
    common |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    common |= {"OMP_NUM_THREADS": str(threads)}
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
