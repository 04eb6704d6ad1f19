"""A gallery in parts ranks as the whole."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from cvig.ranking import counting, exact_ranks, sharded_ranks

RNG = np.random.default_rng(0)
ROWS = np.concatenate([RNG.normal(size=(60, 5)), RNG.integers(-1, 2, (40, 5))]).astype(np.float16)
QUERY = ROWS[::3] + np.float16(0.125)
POSITIVES = [np.array([3 * i, (7 * i + 50) % 100, (7 * i + 61) % 100]) for i in range(len(QUERY))]
IGNORED = [np.array([(11 * i) % 100, (11 * i + 40) % 100]) for i in range(len(QUERY))]


def same(a, b):
    for name in ("closer", "tied", "gallery_size", "positives", "best"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("similarity", ["euclidean", "dot"])
@pytest.mark.parametrize("cuts", [[], [30], [1, 2, 64, 99]])
def test_shards_in_files_rank_as_one_gallery(tmp_path, monkeypatch, similarity, cuts):
    whole = exact_ranks(QUERY, ROWS, POSITIVES, ignored=IGNORED, similarity=similarity)
    assert (whole.tied > 0).any()
    paths = []
    for i, part in enumerate(np.split(ROWS, cuts)):
        paths.append(tmp_path / f"{i}.npy")
        np.save(paths[-1], part)
    same(sharded_ranks(QUERY, paths, POSITIVES, ignored=IGNORED, similarity=similarity), whole)
    monkeypatch.setattr(counting, "PART", 35)
    monkeypatch.setattr(counting, "FEWEST", 1)
    same(sharded_ranks(QUERY, paths, POSITIVES, ignored=IGNORED, similarity=similarity), whole)


PROCESS = """
    import sys
    import numpy as np
    from torch import distributed
    from test_shards import IGNORED, POSITIVES, QUERY, ROWS, same
    from cvig.ranking import distributed_ranks, exact_ranks

    rank, store = int(sys.argv[1]), sys.argv[2]
    distributed.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
    shard = ROWS[:37] if rank == 0 else ROWS[37:]
    same(distributed_ranks(QUERY, shard, POSITIVES, ignored=IGNORED), exact_ranks(QUERY, ROWS, POSITIVES, ignored=IGNORED))
    for query, part in ((QUERY + rank, shard), (QUERY, np.where(rank, np.nan, shard))):
        try:
            distributed_ranks(query, part, POSITIVES)
        except ValueError as error:
            print(error)
    distributed.destroy_process_group()
"""


def test_two_processes_rank_as_one_and_fail_together(tmp_path):
    command = [sys.executable, "-c", dedent(PROCESS)]
    running = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": ":".join([*sys.path, str(Path(__file__).parent)])},
        )
        for rank in range(2)
    ]
    for process in running:
        said, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert said.splitlines() == [
            "process 1 has other queries than process 0: expected the same everywhere",
            "gallery shard 1: 63 of 63 rows hold NaN or infinity, the first is row 0",
        ]


def test_what_is_no_gallery_is_refused(tmp_path):
    with pytest.raises(ValueError, match="query has 5 dimensions, gallery shard 1 4"):
        sharded_ranks(QUERY, [ROWS, ROWS[:, :4]], [0] * len(QUERY))
    with pytest.raises(ValueError, match="gallery shard 1 of type float32, shard 0 of float16"):
        sharded_ranks(QUERY, [ROWS, ROWS.astype(np.float32)], [0] * len(QUERY))
    with pytest.raises(ValueError, match="gallery shard 1: 1 of 100 rows hold NaN or infinity, the first is row 2"):
        sharded_ranks(
            QUERY, [ROWS, np.where(np.arange(100)[:, None] == 2, np.nan, ROWS).astype(np.float16)], [0] * len(QUERY)
        )
    with pytest.raises(ValueError, match="a gallery of no shard"):
        sharded_ranks(QUERY, [])
