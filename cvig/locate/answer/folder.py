"""The answer's folder: every file is there, or none is new."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

from cvig.files import sync, write, write_json
from cvig.locate.answer.geofiles import geojson, write_geotiff, write_kml
from cvig.locate.answer.page import page
from cvig.locate.answer.report import Case, report

MARK = "answer.json"  # written last


def check_folder(folder: Path) -> None:
    """ValueError where a folder holds something that is no answer: nothing of the user's is mixed with it."""
    if folder.is_file():
        raise ValueError(f"--out '{folder}' is a file: expected a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
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
