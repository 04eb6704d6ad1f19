"""Every command and every program that README and book print runs as printed, or says in its source why not.

A page's blocks run in order in one folder of small made-up data. The papermill that they find makes the notebooks small;
a comment ``<!-- not run: WHY -->`` directly before a block leaves it out.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import layouts
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?:^<!-- not run: (?P<why>\S[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.S | re.M)
INTERPRETERS = {
    "sh": ["bash", "-euo", "pipefail", "-c"],
    "bash": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-c"],
}
SMALL = """#!/bin/sh
case "$1" in
*train*) small="-p size 32 -p weights none -p train_count 16 -p val_count 8 -p epochs 1 -p batch 4" ;;
*evaluate*) small="-p test_count 16" ;;
*filter*) small="-p count 64 -p labelled 48 -p trees 10" ;;
esac
exec {python} -m papermill "$@" $small -p threads 1 --no-progress-bar
"""


def blocks(page: Path) -> list[re.Match]:
    """The fenced blocks of shell and Python, without the cells that the book's build executes."""
    return [found for found in BLOCK.finditer(page.read_text()) if found["language"] != "text"]


ELSEWHERE = {"score.md"}  # its blocks run in test_score_page.py, on files of the projects that it names
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "book").rglob("*.md"))]
    if blocks(page) and page.name not in ELSEWHERE
]


def test_blocks_are_found_in_readme_and_book():
    assert {"README.md", "own-data.md"} <= {page.name for page in PAGES}


@pytest.fixture
def folder(tmp_path):
    """What the pages' commands speak of."""
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "out").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()  # the tests' own environment is active
    papermill = tmp_path / "bin" / "papermill"
    papermill.parent.mkdir()
    papermill.write_text(SMALL.format(python=sys.executable))
    papermill.chmod(0o755)
    layouts.make_cvusa(tmp_path / "FOLDER", small=True)
    layouts.make_flat(tmp_path / "my-data", [f"{i:07d}" for i in range(40)])
    (tmp_path / "cvig").symlink_to(ROOT / "cvig")
    places = ["file,lat,lon"]
    for i in range(12):  # tiles a thousandth of a degree wide, and a photograph in the middle of each
        layouts.save(tmp_path, f"region/{i}.jpg", i, (64, 64))
        numbers = (1e-3 / 64, 0, 0, -1e-3 / 64, 1e-3 * i, 0)
        (tmp_path / f"region/{i}.jgw").write_text("".join(f"{number}\n" for number in numbers))
        layouts.save(tmp_path, f"known/{i}.jpg", 50 + i, (64, 64))
        places.append(f"{i}.jpg,-0.0005,{1e-3 * i + 5e-4}")
    (tmp_path / "known" / "photographs.csv").write_text("\n".join(places) + "\n")
    layouts.save(tmp_path, "photo.jpg", 99, (64, 64))
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((40, 8)).astype(np.float32)
    np.save(tmp_path / "gallery.npy", gallery)
    np.save(tmp_path / "query.npy", gallery + rng.standard_normal((40, 8)).astype(np.float32))
    counts = {"ours": (100, 300, 450, 900), "theirs": (80, 200, 333, 700)}  # of 6149 queries
    rows = [",".join([name, *(f"{100 * count / 6149:.2f}" for count in counts[name])]) for name in counts]
    (tmp_path / "table.csv").write_text("\n".join(["model,R@1,R@5,R@10,R@1%", *rows]) + "\n")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_runs_as_printed(page, folder):
    environment = os.environ | {
        "PATH": os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    for block in blocks(page):
        assert block["language"] in INTERPRETERS, f"{page.name}: how is a block of {block['language']} run?"
        if block["why"]:
            continue
        command = [*INTERPRETERS[block["language"]], block["code"]]
        done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"{page.name}:\n{block['code']}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
