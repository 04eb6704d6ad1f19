"""The study's graph makes a run anew when code changes that shows in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(module: str) -> set[str]:
    """The files of this repository that are loaded by `import module`, and by the names that packages load when asked."""
    code = (
        f"import sys, {module}\n"
        "for package in list(sys.modules.values()):\n"
        "    if package.__name__.split('.')[0] == 'cvig':\n"
        "        [getattr(package, name) for name in getattr(package, '__all__', ())]\n"
        "for loaded in list(sys.modules.values()):\n"
        "    if loaded.__name__.split('.')[0] in ('cvig', 'study'):\n"
        "        print(loaded.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {str(Path(line).relative_to(ROOT)) for line in done.stdout.split()}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, set[str]]:
    """The files that each rule of a run waits for, as a dry run prints them."""
    command = [sys.executable, "-m", "snakemake", "study", "--cores", "1", "--dry-run", "--nolock", "--config"]
    words = [*command, "study=tests/tiny.yaml", f"out={tmp_path_factory.mktemp('graph')}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.findall(r"^rule (\w+):\n    input: (.+)$", done.stdout, re.M)
    return {rule: set(files.split(", ")) for rule, files in found}


@pytest.mark.parametrize(
    ("rule", "module"), [("train", "study.sessions.training"), ("evaluate", "study.sessions.evaluation")]
)
def test_a_run_waits_for_all_code_that_its_session_loads(rule, module, inputs):
    assert imported(module) - inputs[rule] == set()
