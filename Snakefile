# The study as a graph: notebooks -> results -> book.
#
#   snakemake --cores all book                                  this machine's own quick run, and the book
#   snakemake --cores all study                                 the runs alone
#   snakemake --cores all study --config out=results/quick      the committed quick run, made anew
#   snakemake --cores all study --config study=study/plans/X.yaml   another study
#   ... --config study=study/plans/X.yaml resume=1                  what of it is not finished, whatever changed since
import json
import os
import re
import subprocess
import sys
from glob import glob
from pathlib import Path

from study.plans import diverged, finished, read

# the environment that runs snakemake also runs its jobs, activated or not
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
STUDY = read(config.get("study", "study/plans/quick.yaml"))
OUT = config.get("out", STUDY["out"])
RUNS = STUDY["runs"]
# what programs say; its end is shown where one fails
LOGS = f"out/logs/{OUT.strip('/')}"
# what a run computes with, whole folders of it, and what an evaluation adds
ROOMS = ("datasets", "models", "training", "ranking", "metrics")
TRAIN_CODE = [
    *glob("cvig/*.py"),
    *[path for room in ROOMS for path in glob(f"cvig/{room}/**/*.py", recursive=True)],
    *[f"study/{name}.py" for name in ("__init__", "settings", "switches", "provenance", "folder", "execute")],
    *[f"study/sessions/{name}.py" for name in ("__init__", "training")],
]
EVALUATE_CODE = [*TRAIN_CODE, *[f"study/{name}.py" for name in ("plans", "runs", "sessions/evaluation", "sessions/figure_data")]]


def execute(step, notebook, output, parameters, log):
    """Run a notebook; its parameters go by a file beside the output, so that no shell reads what a plan says."""
    print(step, flush=True)
    file = Path(output).with_suffix(".parameters.json")
    file.write_text(json.dumps(parameters, indent=1))
    with open(log, "w") as said:
        words = [sys.executable, "-m", "study.execute", notebook, output, file]
        code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT).returncode
    if code:
        print(*Path(log).read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
        raise subprocess.CalledProcessError(code, words)


def train_parameters(wildcards):
    named = RUNS[wildcards.run]
    start = f"{OUT}/{named['start']}" if named.get("start") else ""
    return {**named, "start": start, "threads": STUDY["threads"], "out": f"{OUT}/{wildcards.run}"}


def start_of(wildcards):
    start = RUNS[wildcards.run].get("start")
    return f"{OUT}/{start}/checkpoint.safetensors" if start else []


def evaluate_parameters(wildcards):
    return {**STUDY["evaluate"], "threads": STUDY["threads"], "run": f"{OUT}/{wildcards.run}"}


wildcard_constraints:
    run="|".join(map(re.escape, RUNS)),


# Both marks of every run: where one is missing, the run is made again.
# With resume, runs that ended with the study's parameters are taken as they are, however new the code is.
def ended(run):
    return any(word(f"{OUT}/{run}", RUNS[run]) for word in (finished, diverged))


WANTED = [run for run in RUNS if not (config.get("resume") and ended(run))]
MARKS = expand("{out}/{run}/{mark}.json", out=OUT, run=WANTED, mark=("train", "evaluate"))


rule book:
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
        notebook=OUT + "/{run}/train.ipynb",
        log=OUT + "/{run}/log.csv",
        validation=OUT + "/{run}/validation.npz",
        network=multiext(OUT + "/{run}/", "checkpoint.safetensors", "network.json"),
        mark=OUT + "/{run}/train.json",
    log:
        LOGS + "/{run}/train.txt",
    params:
        parameters=train_parameters,
    threads: STUDY["threads"]
    run:
        execute(f"training {wildcards.run}", input.notebook, output.notebook, params.parameters, log[0])


rule evaluate:
    input:
        notebook="notebooks/evaluate.ipynb",
        code=EVALUATE_CODE,
        network=multiext(OUT + "/{run}/", "checkpoint.safetensors", "network.json"),
        train=OUT + "/{run}/train.json",
    output:
        notebook=OUT + "/{run}/evaluate.ipynb",
        metrics=OUT + "/{run}/metrics.json",
        ranks=expand(OUT + "/{{run}}/ranks-{test}.npz", test=("uncropped", "cropped")),
        projection=OUT + "/{run}/projection.npz",
        retrievals=OUT + "/{run}/retrievals.npz",
        mark=OUT + "/{run}/evaluate.json",
    log:
        LOGS + "/{run}/evaluate.txt",
    params:
        parameters=evaluate_parameters,
    threads: STUDY["threads"]
    run:
        execute(f"evaluating {wildcards.run}", input.notebook, output.notebook, params.parameters, log[0])
