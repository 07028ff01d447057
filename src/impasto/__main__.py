"""`python -m impasto`, and the console script `impasto`."""

import sys

from impasto import interrupts


def main() -> None:
    """Run the command line in this process. Signals are handled before anything large is imported."""
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
