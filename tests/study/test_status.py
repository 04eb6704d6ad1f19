"""One command says where a study stands."""

import json

import yaml

from cvig import files, locks
from study import folder as folders
from study import provenance
from study.chapters.causes.sentences import progress
from study.plans import Study
from study.status import main, stands

SETTINGS = {"arch": "vgg16", "epochs": 2}


def write(folder, name, **record):
    files.write_json(folder / name, {"parameters": SETTINGS} | record)


def test_every_state_of_a_run_has_its_words(tmp_path):
    folder = tmp_path / "run"
    assert stands(folder, SETTINGS) == "not begun"
    work = folders.open_work(folder, "train", {"identity": "a"}, overwrite=True)
    assert stands(folder, SETTINGS).startswith("being written (pid ")
    files.write(work.path / folders.KEPT, "x")
    locks.let_go(folder)
    assert stands(folder, SETTINGS).startswith("goes on from what was kept at 20")
    (work.path / folders.KEPT).unlink()
    write(folder, "train.json")
    assert stands(folder, SETTINGS) == "trained, not evaluated"
    assert stands(folder, SETTINGS | {"epochs": 3}) == "finished with another epochs: 2"
    write(folder, "evaluate.json")
    assert stands(folder, SETTINGS) == "finished, before runs were told apart by their source"
    write(folder, "train.json", identity="a", source=provenance.source())
    write(folder, "evaluate.json", trained="a")
    assert stands(folder, SETTINGS) == "finished"
    write(folder, "evaluate.json", trained="b")  # of another training
    assert stands(folder, SETTINGS) == "trained, not evaluated"
    write(folder, "evaluate.json", trained="a")
    write(folder, "train.json", identity="a", source="another")
    assert stands(folder, SETTINGS) == "finished, by other source than today's"
    (folder / "train.json").unlink()
    write(folder, "diverged.json", error="loss is inf")
    assert stands(folder, SETTINGS) == "diverged: loss is inf"


def test_a_study_is_a_line_a_run(tmp_path, capsys):
    block = {"architectures": ["vgg16"], "recipes": ["modern"], "seeds": [0, 1]}
    plan = {"out": str(tmp_path), "run": "{arch}-{seed}", "threads": 1, "train": {}, "evaluate": {}, "runs": [block]}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    main(str(tmp_path / "plan.yaml"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["vgg16-0  not begun", "vgg16-1  not begun", f"0 of 2 runs in '{tmp_path}' are finished"]
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["plan.yaml"]'


def test_the_count_is_that_of_the_pages(capsys):
    """Of the committed causes study: 66 runs, 9 of them diverged, and the two trunks that others start from."""
    main("study/plans/causes.yaml", "results/causes")
    last = capsys.readouterr().out.splitlines()[-1]
    study = Study.read("study/plans/causes.yaml", "results/causes")
    assert f"**{len(study.runs)} of {len(study.planned)} planned runs are finished.**" in progress(study)
    assert last == (
        f"{len(study.runs)} of {len(study.planned)} runs in 'results/causes' are finished, {len(study.diverged)} diverged; "
        f"{len(study.trunks)} of {len(study.starts)} trunks that they start from"
    )
    assert len(study.planned) + len(study.starts) == len(study.plan)
