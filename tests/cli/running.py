"""The command line, run in this process."""

import sys

import pytest

from impasto.cli import main


def impasto(monkeypatch, capsys, *arguments):
    """Run the command line in this process: (exit code, standard output, standard error)."""
    monkeypatch.setattr(sys, "argv", ["impasto", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err
