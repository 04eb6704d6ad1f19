"""The command line as a test calls it."""

import pytest

from cvig import cli


def call(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of ``cvig WORDS``."""
    monkeypatch.setattr("sys.argv", ["cvig", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, *capsys.readouterr()
