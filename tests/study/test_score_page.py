"""The page Score your model: every block of it runs on made-up files of each project's form."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from cvig import cli

PAGE = Path(__file__).parents[2] / "book" / "score.md"
N, D = 60, 8


def blocks(kind: str, section: str) -> list[str]:
    """The code of one kind below a heading."""
    part = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", part, flags=re.S)


def sides(seed=0):
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(N, D)).astype(np.float32)
    return gallery + 0.1 * rng.normal(size=(N, D)).astype(np.float32), gallery


def loop():
    query, gallery = (torch.from_numpy(rows).split(16) for rows in sides())
    tower = torch.nn.Identity()
    return {"ground_tower": tower, "aerial_tower": tower, "ground_loader": query, "aerial_loader": gallery}


def sample4geo():
    query, gallery = map(torch.from_numpy, sides())
    near = (torch.arange(N)[:, None] + torch.tensor([0, 1, 2, 3])) % N
    given = {"query": (query, near + 100), "reference": (gallery, torch.arange(N) + 100)}
    return {"predict": lambda config, model, loader: given[loader], "config": None, "model": None} | {
        f"{side}_dataloader": side for side in given
    }


def university():
    query, gallery = sides()
    label = [i // 3 for i in range(N)]
    names = {side: [(f"{side}_drone/{i:04}.jpeg", i) for i in label] for side in ("query", "gallery")}
    arrays = {"gallery_f": gallery, "gallery_label": label, "gallery_path": names["gallery"]}
    scipy.io.savemat("pytorch_result.mat", arrays | {"query_f": query, "query_label": label, "query_path": names["query"]})


def vpr():
    for name, rows in zip(("queries", "database"), sides(), strict=True):
        np.save(f"{name}_descriptors.npy", rows)
        Path(name).mkdir()
        for i in range(N):
            east = 500_000 + 30 * i + (name == "queries") * (200_000 if i == 3 else 4)
            Path(name, f"@{east:010.2f}@5000000.00@{i:03}@.jpg").touch()


def matrix():
    np.save("distances.npy", np.random.default_rng(0).random((N, N)))


def neighbours():
    for name, rows in zip(("query", "gallery"), sides(), strict=True):
        np.save(f"{name}.npy", rows)
    where = np.column_stack([np.arange(N) % 10, np.arange(N) // 10]) * 400
    np.savetxt("where.csv", where, delimiter=",", header="easting,northing", comments="")


def models():
    for name, seed in (("embeddings", 0), ("other", 0)):
        query, gallery = map(torch.from_numpy, sides(seed))
        torch.save({"query": query, "gallery": gallery}, f"{name}.pt")


@pytest.mark.parametrize(
    ("section", "prepare", "says"),
    [
        ("A loop of your own", loop, "positives: row i answers query i"),
        ("Sample4Geo", sample4geo, "hit rate"),
        ("University-1652", university, "positives: 3 gallery rows for each of 60 queries, from labels"),
        ("VPR-methods-evaluation", vpr, "1 of 60 queries have no answer in the gallery and count as lost"),
        ("Neighbouring places", neighbours, "squares of ground, 500 m wide"),
        ("Other distances", matrix, "ranked as stored, smaller is closer"),
        ("What comes out", models, "Beside the other model"),
    ],
)
def test_each_block_runs_on_files_of_its_form(section, prepare, says, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = prepare() or {}
    for code in blocks("python", section):
        exec(code, given)
    shown = ""
    for lines in blocks("sh", section):
        for line in lines.replace("\\\n", " ").splitlines():
            if line.startswith("cvig "):
                monkeypatch.setattr("sys.argv", shlex.split(line))
                with pytest.raises(SystemExit) as ended:
                    cli.main()
                output, errors = capsys.readouterr()
                assert ended.value.code == 0, errors
                shown += output
            else:
                subprocess.run(line, shell=True, check=True)
    assert says in shown
