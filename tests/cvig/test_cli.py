"""The command line as a user meets it."""

import pandas as pd
from command_line import call
from typer.testing import CliRunner

from cvig import cli


def test_help_names_every_command():
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert shown.exit_code == 0
    assert all(command.callback.__name__ in shown.output for command in cli.app.registered_commands)


def test_world_writes_pairs_in_the_flat_layout_and_never_into_a_full_folder(monkeypatch, capsys, tmp_path):
    from cvig.datasets import load

    words = ("world", tmp_path / "w", "--count", 9, "--size", 32, "--extent", 1536)
    assert call(monkeypatch, capsys, *words)[0] == 0
    table = pd.read_csv(tmp_path / "w" / "views.csv")
    assert len(table) == 9
    assert table.viable.dtype == bool
    splits = [load("flat", str(tmp_path / "w"), split) for split in ("train", "val", "test")]
    assert sum(views.ground_count for views in splits) == 9
    code, _, errors = call(monkeypatch, capsys, *words)
    assert code == 2
    assert errors.startswith(f"cvig: '{tmp_path / 'w'}' is not empty")
    assert errors.count("\n") == 1
