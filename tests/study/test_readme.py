"""README shows what the command prints."""

import re
from pathlib import Path

import numpy as np
from command_line import call

README = Path(__file__).parents[2] / "README.md"


def test_the_output_of_cvig_score_is_what_readme_shows(monkeypatch, capsys, tmp_path):
    shown = re.search(
        r"cvig score --query query.npy --gallery gallery.npy\n```\n\n```text\n(.*?)```", README.read_text(), re.S
    )[1]
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(1000, 16))
    rows = {"query": gallery + rng.normal(size=(1000, 16)), "gallery": gallery}
    monkeypatch.chdir(tmp_path)
    for name, array in rows.items():
        unit = array / np.linalg.norm(array, axis=1, keepdims=True)
        np.save(f"{name}.npy", unit.astype(np.float32))
    code, output, errors = call(monkeypatch, capsys, "score", "--query", "query.npy", "--gallery", "gallery.npy")
    assert (code, errors) == (0, "")
    assert [line.rstrip() for line in output.splitlines()] == shown.splitlines()
