"""The answer's folder: every file is there, or none is new."""

import contextlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cvig.files import sync, write, write_json
from cvig.locate.answer.geofiles import geojson, write_geotiff, write_kml
from cvig.locate.answer.page import page
from cvig.locate.answer.report import Case, report, watched
from cvig.locate.resemblance import Watch
from cvig.locks import hold, let_go

MARK = "answer.json"  # written last
MARK_OF_EACH = "answers.json"
WORK = ".answer.part"


def check_folder(folder: Path, *, each: bool = False) -> None:
    """ValueError where a folder holds something that is no answer: nothing of the user's is mixed with it.

    With `each` it is to hold folders of answers. What a process that was killed left is no obstacle.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise ValueError(f"--out '{folder}' is {'a file' if folder.is_file() else 'no folder'}: expected a folder")
    there = set(os.listdir(folder)) - {".lock"} if folder.is_dir() else set()
    if there and not there & {MARK_OF_EACH if each else MARK, WORK}:
        raise ValueError(f"--out '{folder}' is not empty and holds no answer: name a new folder")


@contextlib.contextmanager
def _at_work(folder: Path) -> Iterator[Path]:
    """Hold an answer's folder; give one in it for what is not whole yet, which tells the folder from a user's own."""
    folder.mkdir(parents=True, exist_ok=True)
    hold(folder)
    work = folder / WORK
    try:
        shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        let_go(folder)


def write_answer(folder: Path, case: Case) -> dict[str, Any]:
    """Write answer.json, region.geojson, region.kml, index.html and, where rasterio is, levels.tif; give the answer.

    Raises
    ------
    ValueError
        The folder holds something else, or another process writes there.
    """
    check_folder(folder)
    answer = report(case)
    with _at_work(folder) as work:
        write(work / "region.geojson", json.dumps(geojson(case, answer), allow_nan=False) + "\n")
        write_kml(work / "region.kml", case, answer)
        write(work / "index.html", page(case, answer))
        if importlib.util.find_spec("rasterio"):
            write_geotiff(work / "levels.tif", case)
        write_json(work / MARK, answer)
        (folder / MARK).unlink(missing_ok=True)
        (folder / "levels.tif").unlink(missing_ok=True)
        sync(folder)
        for path in sorted(work.iterdir(), key=lambda path: path.name == MARK):
            path.replace(folder / path.name)
        sync(folder)
    return answer


def write_answers(folder: Path, cases: list[Case], watch: Watch) -> dict[str, dict[str, Any]]:
    """An answer in a folder of its own for each photograph, and answers.json, which lists them; give them by folder."""
    check_folder(folder, each=True)
    names: list[str] = []
    for case in cases:
        stem = case.photographs[0].path.stem
        stem, again = "photograph" if stem.strip(".") == "" else stem, 2
        name = stem
        while name in names:
            name, again = f"{stem}-{again}", again + 1
        names.append(name)
    for name in names:
        check_folder(folder / name)
    with _at_work(folder):
        (folder / MARK_OF_EACH).unlink(missing_ok=True)
        answers = {name: write_answer(folder / name, case) for name, case in zip(names, cases, strict=True)}
        listed = [{"folder": name, "file": str(case.photographs[0].path)} for name, case in zip(names, cases, strict=True)]
        write_json(folder / MARK_OF_EACH, {"format": 1, "answers": listed, "together": watched(watch)})
    return answers
