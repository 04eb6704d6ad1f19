# The study as a graph: notebooks -> results -> book.
#
#   snakemake --cores all book                                  this machine's own quick run, and the book
#   snakemake --cores all study                                 the runs alone
#   snakemake --cores all study --config out=results/quick      the committed quick run, made anew
#   snakemake --cores all study --config study=study/plans/X.yaml   another study
#   ... --config study=study/plans/X.yaml resume=1                  what of it is not finished, whatever changed since
#   ... --config study=study/plans/X.yaml gpu=1                     of a scheduler, a GPU for every process that trains or tests
import json
import os
import re
import subprocess
import sys
from glob import glob
from pathlib import Path

from cvig import files, locks
from study.plans import check_out, diverged, finished, read

# a job of Kubernetes begins in an empty folder of its own, and works in the one that all jobs share (profiles/kubernetes)
if workflow.storage_settings.default_storage_prefix:

    workdir: workflow.storage_settings.default_storage_prefix


# the environment that runs snakemake also runs its jobs, activated or not
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# jobs end with the process that began them, however it ends; a scheduler's job begins on a machine of its own
if "SLURM_JOB_ID" in os.environ:
    os.environ["CVIG_STUDY"] = str(os.getpid())
os.environ.setdefault("CVIG_STUDY", str(os.getpid()))
STUDY = read(config.get("study", "study/plans/quick.yaml"))
OUT = str(config.get("out", STUDY["out"]))
check_out(OUT)
RUNS = STUDY["runs"]
# what programs say; its end is shown where one fails
LOGS = f"out/logs/{OUT.strip('/')}"
# what a run computes with, whole folders of it, and what an evaluation adds
ROOMS = ("datasets", "models", "training", "ranking", "metrics", "reading")
TRAIN_MODULES = ("__init__", "settings", "switches", "tricks", "provenance", "folder", "execute", "train", "watching")
TRAIN_CODE = [
    *glob("cvig/*.py"),
    *[path for room in ROOMS for path in glob(f"cvig/{room}/**/*.py", recursive=True)],
    *[f"study/{name}.py" for name in TRAIN_MODULES],
    *[f"study/sessions/{name}.py" for name in ("__init__", "training")],
]
EVALUATE_CODE = [*TRAIN_CODE, *[f"study/{name}.py" for name in ("plans", "runs", "ground", "sessions/evaluation", "sessions/figure_data")]]


def expected(part, run):
    """How long a part of a run took where it is committed; nothing where it is not."""
    record = Path("results", Path(str(config.get("study", "quick"))).stem, run, f"{part}.json")
    if not record.exists():
        return ""
    seconds = json.loads(record.read_text())["seconds"]
    said = f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
    return f" (took {said} where it was committed)"


def execute(step, notebook, output, parameters, log):
    """Run a notebook; its parameters go by a file beside the output, so that no shell reads what a plan says."""
    print(step, flush=True)
    file = Path(output).with_suffix(".parameters.json")
    files.write_json(file, parameters)
    with open(log, "w") as said:
        words = [sys.executable, "-m", "study.execute", notebook, output, file]
        code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT).returncode
    if code:
        print(*Path(log).read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
        raise subprocess.CalledProcessError(code, words)


def mark(output, run, part):
    files.write(output, files.digest_file(f"{OUT}/{run}/{part}.json") + "\n")


def train_parameters(wildcards):
    named = RUNS[wildcards.run]
    start = f"{OUT}/{named['start']}" if named.get("start") else ""
    return {**named, "start": start, "threads": STUDY["threads"], "out": f"{OUT}/{wildcards.run}", "overwrite": True}


def start_of(wildcards):
    start = RUNS[wildcards.run].get("start")
    return f"{DONE}/{start}/train" if start else []


def devices(wildcards):
    """Processes that train a run together."""
    return RUNS[wildcards.run].get("devices", 1)


def evaluate_parameters(wildcards):
    return {**STUDY["evaluate"], "threads": STUDY["threads"], "run": f"{OUT}/{wildcards.run}", "overwrite": True}


wildcard_constraints:
    run="|".join(map(re.escape, RUNS)),


# snakemake takes away what a rule makes before it makes it anew, and where that fails. So a rule makes a mark in a folder of
# its own; a run's files are in the hands of `study.folder` alone. A mark whose run is gone is none, nor is the book's without
# its first page. A mark holds the digest of its run's: of a file that is newer and the same, snakemake makes nothing anew.
DONE = f"{OUT}/.done"
for run in RUNS:
    if not all(Path(OUT, run, f"{part}.json").exists() for part in ("train", "evaluate")):
        for part in ("train", "evaluate") if not Path(OUT, run, "train.json").exists() else ("evaluate",):
            Path(DONE, run, part).unlink(missing_ok=True)
if not Path("book/_build/html/index.html").exists():
    Path("book/_build/complete").unlink(missing_ok=True)


onstart:
    Path(OUT).mkdir(parents=True, exist_ok=True)
    locks.hold(OUT)  # one study at a time writes there


# With resume, runs that ended with the study's parameters are taken as they are, however new the code is.
def ended(run):
    return any(word(f"{OUT}/{run}", RUNS[run]) for word in (finished, diverged))


WANTED = [run for run in RUNS if not (config.get("resume") and ended(run))]
MARKS = expand("{done}/{run}/{part}", done=DONE, run=WANTED, part=("train", "evaluate"))


# asked for by name, the runs are made where they are gone; before the pages alone they would not be, if those are newer
rule book:
    input:
        MARKS,
        "book/_build/complete",


rule pages:
    input:
        MARKS,
        glob("book/*.md") + glob("book/*/*.md") + glob("book/*.bib") + glob("book/_static/*"),
        [path for study in glob("study/plans/*.yaml") for path in glob(f"results/{Path(study).stem}/*/*.json")],
        glob("cvig/**/*.py", recursive=True) + glob("study/**/*.py", recursive=True) + glob("study/**/*.json", recursive=True),
        ["_config.yml", "_toc.yml", "book/execute.py", "book/check.py"],
    output:
        touch("book/_build/complete"),
    log:
        "out/logs/book.txt",
    threads: min(workflow.cores, 4) # kernels, of a gigabyte each
    shell:
        "echo 'the pages of the book' && python book/execute.py book/_build {threads} 2>{log} && echo 'the book from its pages'"
        " && (jupyter-book build book/ -W -n --keep-going --quiet && python book/check.py book/_build/html) >>{log} 2>&1"
        " || {{ tail -n 20 {log} >&2; exit 1; }}"


rule study:
    input:
        MARKS,


rule train:
    input:
        notebook="notebooks/train.ipynb",
        code=TRAIN_CODE,
        start=start_of,
    output:
        DONE + "/{run}/train",
    log:
        LOGS + "/{run}/train.txt",
    params:
        parameters=train_parameters,
    threads: lambda wildcards: STUDY["threads"] * devices(wildcards)
    resources: # for a scheduler. Measured, notebook and kernel, on an AMD EPYC: 1.2 to 2.3 GB for an epoch of the committed plans at
        # 24 to 64 pixels, and 1.1 for snakemake's own two processes beside it; the longest committed training took 12 minutes. Images
        # of 224 pixels, and what a GPU needs of the machine, were not measured; what ended for want gets more
        mem_mb=lambda wildcards, attempt: 6000 * attempt * devices(wildcards),
        runtime=720, # minutes
        **({"gpu": devices} if config.get("gpu") else {}),
    run:
        notebook = f"{OUT}/{wildcards.run}/train.ipynb"
        execute(f"training {wildcards.run}{expected('train', wildcards.run)}", input.notebook, notebook, params.parameters, log[0])
        mark(output[0], wildcards.run, "train")


rule evaluate:
    input:
        notebook="notebooks/evaluate.ipynb",
        code=EVALUATE_CODE,
        train=DONE + "/{run}/train",
    output:
        DONE + "/{run}/evaluate",
    log:
        LOGS + "/{run}/evaluate.txt",
    params:
        parameters=evaluate_parameters,
    threads: STUDY["threads"]
    resources: # 1.2 to 1.6 GB for 1,000 places or so, 1.8 GB for 6,194; the longest took 7 minutes
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=120,
        **({"gpu": 1} if config.get("gpu") else {}),
    run:
        notebook = f"{OUT}/{wildcards.run}/evaluate.ipynb"
        execute(f"evaluating {wildcards.run}{expected('evaluate', wildcards.run)}", input.notebook, notebook, params.parameters, log[0])
        mark(output[0], wildcards.run, "evaluate")
