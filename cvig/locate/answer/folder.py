"""The answer's folder: every file is there, or none is new."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

from cvig.files import sync, write, write_json
from cvig.locate.answer.geofiles import geojson, write_geotiff, write_kml
from cvig.locate.answer.page import page
from cvig.locate.answer.report import Case, report, watched
from cvig.locate.resemblance import Watch

MARK = "answer.json"  # written last
MARK_OF_EACH = "answers.json"


def check_folder(folder: Path, *, each: bool = False) -> None:
    """ValueError where a folder holds something that is no answer: nothing of the user's is mixed with it.

    With `each` it is to hold folders of answers.
    """
    if folder.is_file():
        raise ValueError(f"--out '{folder}' is a file: expected a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / (MARK_OF_EACH if each else MARK)).exists():
        raise ValueError(f"--out '{folder}' is not empty and holds no answer: name a new folder")


def write_answer(folder: Path, case: Case) -> dict[str, Any]:
    """Write answer.json, region.geojson, region.kml, index.html and, where rasterio is, levels.tif; give the answer."""
    check_folder(folder)
    answer = report(case)
    work = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
    work.mkdir(parents=True)
    try:
        write(work / "region.geojson", json.dumps(geojson(case, answer), allow_nan=False) + "\n")
        write_kml(work / "region.kml", case, answer)
        write(work / "index.html", page(case, answer))
        if importlib.util.find_spec("rasterio"):
            write_geotiff(work / "levels.tif", case)
        write_json(work / MARK, answer)
        folder.mkdir(exist_ok=True)
        (folder / MARK).unlink(missing_ok=True)
        (folder / "levels.tif").unlink(missing_ok=True)
        for path in sorted(work.iterdir(), key=lambda path: path.name == MARK):
            path.replace(folder / path.name)
        sync(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return answer


def write_answers(folder: Path, cases: list[Case], watch: Watch) -> dict[str, dict[str, Any]]:
    """An answer in a folder of its own for each photograph, and answers.json, which lists them; give them by folder."""
    check_folder(folder, each=True)
    names: list[str] = []
    for case in cases:
        name, again = case.photographs[0].path.stem, 2
        while name in names:
            name, again = f"{case.photographs[0].path.stem}-{again}", again + 1
        names.append(name)
    (folder / MARK_OF_EACH).unlink(missing_ok=True)
    answers = {name: write_answer(folder / name, case) for name, case in zip(names, cases, strict=True)}
    listed = [{"folder": name, "file": str(case.photographs[0].path)} for name, case in zip(names, cases, strict=True)]
    write_json(folder / MARK_OF_EACH, {"format": 1, "answers": listed, "together": watched(watch)})
    return answers
