"""`python -m impasto`, and the console script `impasto`."""

import os
import signal
from types import FrameType


def _leave(number: int, _frame: FrameType | None) -> None:
    """End at once: nothing has begun yet, and an exception inside an import could end in anything."""
    os.write(2, b"\nimpasto: interrupted\n")
    os._exit(128 + number)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # before all imports that take time
    signal.signal(signal.SIGINT, _leave)


def main() -> None:
    """Run the command line in this process, and end the process."""
    import sys

    from impasto import interrupts

    interrupts.install()
    code: object = 1
    try:
        from impasto import cli

        cli.main()
        code = 0
    except SystemExit as stop:
        code = stop.code
    except interrupts.Interrupted as interrupted:
        code = interrupted.code
    finally:
        interrupts.end(code if isinstance(code, int) else int(code is not None))
    sys.exit(code if isinstance(code, int | str) else 0)


if __name__ == "__main__":
    main()
