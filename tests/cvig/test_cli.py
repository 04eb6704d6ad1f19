"""The command line as a user meets it."""

import re

import pandas as pd
import pytest
from command_line import call
from typer.testing import CliRunner

from cvig import cli
from cvig.datasets import DATASETS, SPLITS
from cvig.metrics import TIES
from cvig.printed.chance import RULES
from cvig.printed.tables import PRINTING
from cvig.reading.coordinates import UNITS
from cvig.reading.embeddings import LAYOUTS
from cvig.reading.forms import FORMS


def test_help_names_every_command():
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert shown.exit_code == 0
    assert all(command.callback.__name__ in shown.output for command in cli.app.registered_commands)


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        ("score", [TIES, ("euclidean", "dot", "cosine", "hamming"), FORMS, LAYOUTS, UNITS]),
        ("examine", [RULES, PRINTING]),
        ("check", [set(DATASETS) - {"world"}, SPLITS]),
        ("world", [SPLITS]),
    ],
)
def test_help_shows_every_choice_that_the_library_has(command, choices):
    shown = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"}).output
    offered = [set(words.split("|")) for words in re.findall(r"[a-z_-]+(?:\|[a-z_-]+)+", shown)]
    assert all(set(choice) in offered for choice in choices)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scare",), "No such command 'scare'"),
        (("score",), "--query and --gallery name the embeddings"),
        (("score", "--kind", "x"), "No such option"),
        (("world", "folder", "--split", "dev"), "'--split': 'dev' is not one of 'train', 'val', 'test'"),
        (("world", "folder", "--count", "many"), "'--count'"),
    ],
)
def test_a_bad_call_is_one_line_that_says_what_was_expected(monkeypatch, capsys, words, message):
    code, output, errors = call(monkeypatch, capsys, *words)
    assert (code, output) == (2, "")
    assert errors.startswith("cvig: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_world_writes_pairs_in_the_flat_layout_and_never_into_a_full_folder(monkeypatch, capsys, tmp_path):
    from cvig.datasets import load

    words = ("world", tmp_path / "w", "--count", 9, "--size", 32, "--spacing", 16)
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
