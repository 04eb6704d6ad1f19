# The study as a graph: notebooks -> results -> book.
#
#   snakemake --cores all book                                  this machine's own quick run, and the book
#   snakemake --cores all study                                 the runs alone
#   snakemake --cores all study --config out=results/quick      the committed quick run, made anew
#   snakemake --cores all study --config study=studies/X.yaml   another study
import os
import sys
from glob import glob
from pathlib import Path

import yaml

# the environment that runs snakemake also runs its jobs, activated or not
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
STUDY = yaml.safe_load(Path(config.get("study", "studies/quick.yaml")).read_text())
OUT = config.get("out", STUDY["out"])
RUNS = {
    STUDY["run"].format(arch=arch, recipe=recipe, seed=seed): {"arch": arch, "recipe": recipe, "seed": seed}
    for arch in STUDY["architectures"]
    for recipe in STUDY["recipes"]
    for seed in STUDY["seeds"]
}
DATA_CODE = glob("cvig/datasets/*.py") + ["cvig/geometry.py", "cvig/panorama.py"]
TRAIN_MODULES = "models losses netvlad recipes training embedding ranking certified arithmetic runs".split()
TRAIN_CODE = DATA_CODE + [f"cvig/{name}.py" for name in TRAIN_MODULES]


def as_yaml(parameters):
    """Parameters on one line, as papermill's --parameters_yaml takes them."""
    return yaml.safe_dump(parameters, default_flow_style=True, width=10**6).strip()


def train_parameters(wildcards):
    named = RUNS[wildcards.run]
    settings = STUDY["train"] | STUDY.get("per_architecture", {}).get(named["arch"], {})
    return as_yaml({**settings, **named, "threads": STUDY["threads"], "out": f"{OUT}/{wildcards.run}"})


def evaluate_parameters(wildcards):
    return as_yaml({**STUDY["evaluate"], "threads": STUDY["threads"], "run": f"{OUT}/{wildcards.run}"})


wildcard_constraints:
    run="|".join(RUNS),


# Both marks of every run: where one is missing, the run is made again.
MARKS = expand("{out}/{run}/{mark}.json", out=OUT, run=RUNS, mark=("train", "evaluate"))


rule book:
    input:
        MARKS,
        glob("book/*.md") + glob("book/*/*.md") + glob("book/*.bib") + glob("book/_static/*"),
        glob("results/quick/*/*.json") + glob("cvig/**/*.py", recursive=True) + glob("cvig/*.json"),
        ["_config.yml", "_toc.yml", "book/check.py"],
    output:
        touch("book/_build/complete"),
    threads: workflow.cores
    shell:
        "jupyter-book build book/ -W -n --keep-going --quiet && python book/check.py book/_build/html"


rule study:
    input:
        MARKS,


rule train:
    input:
        notebook="notebooks/train.ipynb",
        code=TRAIN_CODE,
    output:
        notebook=OUT + "/{run}/train.ipynb",
        log=OUT + "/{run}/log.csv",
        checkpoint=OUT + "/{run}/checkpoint.safetensors",
        mark=OUT + "/{run}/train.json",
    params:
        yaml=train_parameters,
    threads: STUDY["threads"]
    shell:
        "papermill {input.notebook} {output.notebook} --parameters_yaml {params.yaml:q} --no-progress-bar </dev/null"


rule evaluate:
    input:
        notebook="notebooks/evaluate.ipynb",
        code=TRAIN_CODE + glob("cvig/metrics/*.py") + ["cvig/collapse.py", "cvig/evaluation.py"],
        checkpoint=OUT + "/{run}/checkpoint.safetensors",
        train=OUT + "/{run}/train.json",
    output:
        notebook=OUT + "/{run}/evaluate.ipynb",
        metrics=OUT + "/{run}/metrics.json",
        ranks=expand(OUT + "/{{run}}/ranks-{test}.npz", test=("uncropped", "cropped")),
        projection=OUT + "/{run}/projection.npz",
        retrievals=OUT + "/{run}/retrievals.npz",
        mark=OUT + "/{run}/evaluate.json",
    params:
        yaml=evaluate_parameters,
    threads: STUDY["threads"]
    shell:
        "papermill {input.notebook} {output.notebook} --parameters_yaml {params.yaml:q} --no-progress-bar </dev/null"
