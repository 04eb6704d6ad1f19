"""Every benchmark runs to its end, on little; what it measures is for a reader to judge."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROGRAMS = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
STUDY = {
    "out": "results/local",
    "run": "{arch}-{recipe}",
    "threads": 1,
    "runs": [{"architectures": ["resnet18"], "recipes": ["modern"], "seeds": [0]}],
    "train": {
        "data": "world",
        "options": {"spacing": 16},
        "size": 32,
        "train_count": 64,
        "val_count": 16,
        "epochs": 2,
        "batch": 4,
    },
    "evaluate": {"test_count": 32},
}
LITTLE = {
    "kills": ("--kills 2 --only labelling --only cache", "4 kills in the midst"),
    "coverage": ("2 120", "84 rows of 2 draws"),
    "diagnosis": ("40,64", "40 x 64: ranks"),
    "few_places": ("2", "600 places: mean rank"),
    "gallery": ("--tiles 400 --dimensions 8", "{'.lock': '0.0 MiB', 'answer.json'"),
    "examination": ("calibration.json little", "lines: 5 of 5 rows"),
    "input_pipeline": ("--arch resnet18 --pairs 4 --rounds 1 --size 32 --batch 2 --threads 1", "cache"),
    "precision": ("32 2 1", "cvm-net-i"),
    "ranking": ("--pairs 64", "cloud 1e-7 wide with the queries in it"),
    "throughput": ("--arch resnet18 --size 32 --batch 2 --steps 1", "resnet18        images a second"),
    "study_time": ("study.yaml 1", "1 runs"),
    "world": ("--pairs 4 --kilometres 1 --threads 1", "cut tiles"),
}


@pytest.mark.parametrize("program", sorted(PROGRAMS | set(LITTLE)))
def test_a_benchmark_reaches_its_last_line(program, tmp_path):
    words, last = LITTLE[program]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    command = [sys.executable, str(ROOT / "benchmarks" / f"{program}.py"), *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].strip().startswith(last)


@pytest.mark.parametrize("part", ["training", "end of run", "evaluation", "filter"])
def test_killed_at_a_random_moment_the_same_command_ends_the_same(part):
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "1", "--only", part]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "differ: none" in done.stdout
