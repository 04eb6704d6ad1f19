"""``cvig check``: look at every file of a data set before anything is trained on it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

DataSet = Literal["flat", "cvusa", "cvusa_full", "cvact", "vigor", "university", "witw"]
Split = StrEnum("Split", ["train", "val", "test"])  # a Literal cannot be repeated


def _value(text: str):
    """A number, true, false or a list where `text` is one in JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def check(
    data: Annotated[DataSet, typer.Argument(help="In whose layout the folder is.")],
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    split: Annotated[list[Split], typer.Option(help="Only this split; may be repeated.")] = (),
    option: Annotated[list[str], typer.Option(help="Of the data set, as key=value; may be repeated.")] = (),
    distance: Annotated[float, typer.Option(help="Metres within which places of two splits are near.", min=0)] = 5.0,
    panoramas: Annotated[
        bool | None, typer.Option(help="Whether ground views should join at their edges; by default as published.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads that decode; 0: one a core.", min=0)] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the findings to this file.")] = None,
) -> None:
    """Decode every image of a data set, compare its splits, and report what is wrong.

    Exit code 1 where there is an error: a missing half, an unreadable image, a split that cannot be opened, an aerial image
    that answers in two splits. Warnings alone exit with 0, and a call that cannot be understood with 2.
    """
    from cvig.datasets import SPLITS
    from cvig.files import write_csv, write_json
    from cvig.inspection.check import check as run

    wrong = [text for text in option if "=" not in text]
    if wrong:
        raise ValueError(f"option '{wrong[0]}': expected key=value")
    options = {key: _value(value) for key, value in (text.split("=", 1) for text in option)}
    report = run(
        data,
        root,
        splits=tuple(map(str, split)) or SPLITS,
        options=options,
        distance=distance,
        panoramas=panoramas,
        workers=workers or None,
    )
    if json_file:
        write_json(json_file, report.to_dict())
    if csv_file:
        write_csv(csv_file, report.findings)
    typer.echo(report.text)
    if report.errors:
        raise typer.Exit(1)
