"""Where a study stands: ``python -m study.status [PLAN] [FOLDER]``, one line a run."""

import json
import sys
import time
from pathlib import Path

from cvig.locks import holder
from study import plans, provenance
from study.folder import KEPT, unfinished
from study.runs import Run


def stands(folder: Path, settings: dict) -> str:
    """Where the run in `folder` stands that is to have these parameters, in a few words."""
    if not folder.is_dir():
        return "not begun"
    now = f"being written ({who})" if (who := holder(folder)) else ""
    kept = [work / KEPT for work in unfinished(folder, "train") if (work / KEPT).exists()]
    last = max((path.stat().st_mtime for path in kept), default=None)
    cut = "" if last is None else f"goes on from what was kept at {time.strftime('%Y-%m-%d %H:%M', time.localtime(last))}"
    if plans.finished(folder, settings):
        record = Run(folder).train
        if "identity" not in record:
            done = "finished, before runs were told apart by their source"
        else:
            done = "finished" if record["source"] == provenance.source() else "finished, by other source than today's"
    elif error := plans.diverged(folder, settings):
        done = f"diverged: {error}"
    elif (folder / "train.json").exists():
        named = json.loads((folder / "train.json").read_text())["parameters"]
        other = [name for name, value in settings.items() if name != "start" and named.get(name) != value]
        done = f"finished with another {other[0]}: {named.get(other[0])!r}" if other else "trained, not evaluated"
    else:
        done = "" if now or cut else "not begun"
    return "; ".join(part for part in (done, now, cut) if part)


def main(plan: str = "study/plans/quick.yaml", folder: str = "") -> None:
    """Print a line a run, and how many are finished."""
    study = plans.read(plan)
    out = Path(folder or study["out"])
    found = {name: stands(out / name, settings) for name, settings in study["runs"].items()}
    width = max(map(len, found))
    for name, words in found.items():
        print(f"{name:{width}s}  {words}")
    stopped = {name: error for name, settings in study["runs"].items() if (error := plans.diverged(out / name, settings))}
    done = {name: Run(out / name) for name, settings in study["runs"].items() if plans.finished(out / name, settings)}
    print(_counts(plans.Study(study["runs"], done, stopped), out))


def _counts(study: plans.Study, out: Path) -> str:
    """How many runs are finished: as the pages count them, the trunks that others start from by themselves."""
    text = f"{len(study.runs)} of {len(study.planned)} runs in '{out}' are finished"
    if stopped := len(study.diverged):
        text += f", {stopped} diverged"
    if study.starts:
        text += f"; {len(study.trunks)} of {len(study.starts)} trunks that they start from"
    who = holder(out) if out.is_dir() else None
    return text + (f"; a study is at work ({who})" if who else "")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.exit("usage: python -m study.status [PLAN] [FOLDER]")
    try:
        main(*sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"study.status: {error}")
