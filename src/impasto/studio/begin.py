"""`python -m impasto.studio.begin ARGUMENTS`: the `impasto` command, once whoever started it says so.

A studio records which process a training is before the training begins. So the process waits for one byte on
its standard input. Where none comes, because the record could not be written or the studio is gone, it ends
without having done anything.
"""

import os
import runpy
import sys

GO = b"1"


def main() -> None:
    """Wait for the byte, then be the command. Ends with code 1 where none comes."""
    if sys.stdin.buffer.read(len(GO)) != GO:
        raise SystemExit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # the command has no input
    os.close(nothing)
    runpy.run_module("impasto", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
