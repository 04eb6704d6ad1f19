"""The study's graph makes a run anew when code changes that shows in it."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

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


SLURM = find_spec("snakemake_executor_plugin_slurm") is not None


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> str:
    """What a dry run says of a study, whose trainings have two processes, on a cluster with GPUs."""
    folder = tmp_path_factory.mktemp("graph")
    plan = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())
    plan["train"]["devices"] = 2
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    command = [sys.executable, "-m", "snakemake", "study", "--cores", "8", "--dry-run", "--nolock"]
    command += ["--profile", "profiles/slurm"] if SLURM else []
    words = [*command, "--config", f"study={folder / 'plan.yaml'}", f"out={folder / 'out'}", "gpu=1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("rule", "module"), [("train", "study.sessions.training"), ("evaluate", "study.sessions.evaluation")]
)
def test_a_run_waits_for_all_code_that_its_session_loads(rule, module, planned):
    inputs = {rule: set(files.split(", ")) for rule, files in re.findall(r"^rule (\w+):\n    input: (.+)$", planned, re.M)}
    assert imported(module) - inputs[rule] == set()


def test_a_job_asks_for_what_all_processes_of_its_run_need(planned):
    jobs = dict(re.findall(r"^rule (\w+):\n((?:    .+\n)+)", planned, re.M))
    asked = {rule: [re.search(rf"\b{what}[=:] ?(\d+)", job) for what in ("threads", "gpu")] for rule, job in jobs.items()}
    assert [found and found[1] for found in asked["train"]] == ["2", "2"]
    assert [found and found[1] for found in asked["evaluate"]] == [None, "1"]  # of one thread nothing is said
    memory = {rule: int(re.search(r"mem_mb=(\d+)", jobs[rule])[1]) for rule in ("train", "evaluate")}
    assert memory["train"] >= 2 * memory["evaluate"]


@pytest.mark.skipif(not SLURM, reason="no plugins of Snakemake for clusters (pip install cvig[cluster])")
@pytest.mark.parametrize("profile", ["slurm", "kubernetes"])
def test_snakemake_knows_every_word_of_a_profile(profile):
    from snakemake.cli import get_argument_parser

    known = {word.lstrip("-") for action in get_argument_parser()._actions for word in action.option_strings}
    assert set(yaml.safe_load((ROOT / "profiles" / profile / "config.yaml").read_text())) - known == set()
