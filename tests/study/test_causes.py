"""The study of causes, on made-up runs whose embeddings are known."""

import ast
import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from made_runs import write_metrics

from cvig import files
from cvig.metrics import collapse
from study import collapse as study_collapse
from study import plans as studies
from study.chapters.causes import effects, figures, larger, sentences, tables
from study.chapters.causes.effects import BASE, MEASURES
from study.ground import Squares
from study.levels import DIFFERS
from study.plans import Study
from study.runs import Run
from study.switches import SWITCHES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "book" / "causes.md"
N = 40
STUDY = {
    "out": "results/causes",
    "run": "{arch}-{recipe}-{seed}",
    "threads": 1,
    "train": {"data": "world", "size": 32, "epochs": 2},
    "runs": [
        {"architectures": ["vgg16"], "recipes": ["modern"], "seeds": [0]},
        {
            "architectures": ["vgg16"],
            "recipes": ["described", "as-coded"],
            "seeds": [0, 1, 2],
            "one_at_a_time": ["detached-negatives", "linear-head"],
            "train": {"start": "vgg16-modern-0"},
        },
    ],
    "evaluate": {"test_count": N},
}


def embeddings(kind: str, n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Both towers of a network that is healthy, or of one that has collapsed on the side that `kind` names."""
    rng = np.random.default_rng(seed)
    ground = rng.normal(size=(n, 4))
    aerial = ground + 0.5 * rng.normal(size=(n, 4))
    point = np.ones((n, 4))
    return (point if kind in ("ground", "both") else ground), (point if kind in ("aerial", "both") else aerial)


def write_run(folder: Path, settings: dict, ground: np.ndarray, aerial: np.ndarray, log: dict | None = None) -> Run:
    """The files of a finished run with these parameters and these test embeddings, row i answering view i."""
    ranks, facts = write_metrics(folder, ground, aerial)
    spread = {f"{side}_spread": facts["towers"][side]["spread"] for side in ("ground", "aerial")}
    distinct = {f"{side}_distinct": facts["towers"][side]["distinct"] / len(ground) for side in ("ground", "aerial")}
    phases = {"epoch": [1, 2], "phase": ["max-margin", "soft-margin"], "loss": 0.5}
    files.write_csv(folder / "log.csv", pd.DataFrame(phases | spread | distinct | (log or {})))
    files.write_arrays(folder / "validation.npz", closer=[ranks.closer] * 2, tied=[ranks.tied] * 2, gallery_size=len(aerial))
    files.write_json(
        folder / "train.json", {"parameters": {"start": "", **settings}, "pairs_per_epoch": 32, "commit": "0a1b+"}
    )
    files.write_json(folder / "evaluate.json", {})
    return Run(folder)


def write_study(root: Path, kinds: dict[str, str], study: dict = STUDY) -> Study:
    """A study below `root` of which the named runs are finished, with embeddings of the kind given."""
    path, folder = root / "study" / "plans" / f"{Path(study['out']).name}.yaml", root / study["out"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(study))
    planned = studies.read(path)["runs"]
    for name, kind in kinds.items():
        settings = planned[name]
        if "start" in settings:
            settings = settings | {"start": f"{study['out']}/{settings['start']}"}
        write_run(folder / name, settings, *embeddings(kind, seed=settings["seed"]))
    return Study.read(path, folder)


def all_kinds() -> dict[str, str]:
    """Every run: only the coded end collapses, on the aerial side, and detached negatives are what it takes."""
    kinds = {"vgg16-modern-0": "neither"}
    for seed in range(3):
        for end, way in (("described", "with"), ("as-coded", "without")):
            for switch in ("", "detached-negatives", "linear-head"):
                is_detached = (end == "as-coded") != (switch == "detached-negatives")
                name = f"vgg16-{end}-{way}-{switch}-{seed}" if switch else f"vgg16-{end}-{seed}"
                kinds[name] = "aerial" if is_detached else "neither"
    return kinds


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Study:
    return write_study(tmp_path_factory.mktemp("whole"), all_kinds())


def test_runs_that_pretrain_are_apart_and_unfinished_or_differently_trained_ones_are_none(tmp_path):
    kinds = {"vgg16-modern-0": "neither", "vgg16-described-0": "neither", "vgg16-described-1": "neither"}
    study = write_study(tmp_path, kinds)
    assert (len(study.planned), list(study.runs)) == (18, ["vgg16-described-0", "vgg16-described-1"])
    assert study.starts == set(study.trunks) == {"vgg16-modern-0"}

    folder = tmp_path / "results" / "causes"
    (folder / "vgg16-described-0" / "evaluate.json").unlink()
    trained = json.loads((folder / "vgg16-described-1" / "train.json").read_text())
    trained["parameters"]["epochs"] = 3
    files.write_json(folder / "vgg16-described-1" / "train.json", trained)
    with pytest.raises(FileNotFoundError, match="none of the 18 runs"):
        Study.read(tmp_path / "study" / "plans" / "causes.yaml", folder)


@pytest.mark.parametrize("kind", ["neither", "ground", "aerial", "both"])
def test_the_verdict_names_the_collapsed_towers(kind, tmp_path):
    assert study_collapse.collapsed(write_run(tmp_path, {}, *embeddings(kind))) == kind


@pytest.mark.parametrize(
    ("aerial", "dead"),
    [
        (np.repeat(np.eye(15), 4, axis=0), False),  # four views a tile
        (np.repeat(np.eye(15), 20, axis=0), True),
        (np.ones((N, 4)) + 1e-3 * np.random.default_rng(0).normal(size=(N, 4)), True),  # a cloud without a tie
        (np.concatenate([np.ones((N // 4, 4)), np.random.default_rng(0).normal(size=(N - N // 4, 4))]), True),
        (np.random.default_rng(0).normal(size=(N, 4)), False),
    ],
)
def test_copies_of_shared_tiles_are_no_collapse_but_few_rows_or_little_spread_are(aerial, dead):
    assert study_collapse.is_collapsed(collapse.diagnose(aerial, aerial).aerial) is dead


def test_paired_differences_are_those_of_the_t_distribution_and_only_with_scatter():
    # 4.302653 is the two-sided 95% point of t with two degrees of freedom, from any table
    found = effects.paired(np.array([0.0, 0.01, 0.05]))
    half = 4.302653 * np.std([0.0, 0.01, 0.05], ddof=1) / np.sqrt(3)
    assert (found["low"], found["high"]) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-7)
    assert 0.05 < found["p_value"] < 0.5
    alone, alike = effects.paired(np.array([0.3])), effects.paired(np.array([0.3, 0.1 + 0.2, 0.3]))
    assert np.isnan([alone["low"], alone["p_value"]]).all()
    assert (alike["low"], alike["high"]) == (0.3, 0.3)
    assert np.isnan(alike["p_value"])
    wide = effects.paired(np.array([-0.9, 0.9]))
    assert (wide["low"], wide["high"]) == (-1, 1)


def made_frame(values: dict[tuple[str, int], float]) -> pd.DataFrame:
    """A frame of one end and architecture whose measures all are `values` of switch and seed."""
    rows = [
        {"end": "described", "arch": "vgg16", "switch": switch, "seed": seed} | dict.fromkeys(MEASURES, value)
        for (switch, seed), value in values.items()
    ]
    return pd.DataFrame(rows)


def test_a_run_is_compared_with_the_base_of_its_own_seed():
    base = {(BASE, 0): 0.1, (BASE, 1): 0.5, (BASE, 2): 0.9}
    found = effects.effects(made_frame(base | {("linear-head", 1): 0.55, ("linear-head", 0): 0.15}))
    row = found[found.measure == "PSSR"].iloc[0]
    assert (row.switch, row.seeds) == ("linear-head", 2)
    assert row.difference == pytest.approx(0.05)


def test_holm_counts_all_switches_of_an_end_also_those_without_a_test():
    base = {(BASE, seed): 0.0 for seed in range(3)}
    turned = {("linear-head", 0): 0.10, ("linear-head", 1): 0.11, ("linear-head", 2): 0.12}
    turned |= {("detached-negatives", seed): 0.2 for seed in range(3)}
    turned |= {("zero-at-collapse", 0): 0.1, ("zero-at-collapse", 1): -0.1, ("zero-at-collapse", 2): 0.05}
    found = effects.effects(made_frame(base | turned))
    found = found[found.measure == "PSSR"].set_index("switch")
    assert found.p_holm["linear-head"] == pytest.approx(3 * found.p_value["linear-head"])
    assert np.isnan(found.p_holm["detached-negatives"])
    assert found.p_holm["linear-head"] < DIFFERS < found.p_holm["zero-at-collapse"]
    said = sentences.standing(found.reset_index(), "PSSR")
    assert "Of 2 differences" in said
    assert "described with linear-head, +0.110" in said
    assert "p = 0.25" in said  # three seeds, by signs


def test_nothing_to_compare_is_no_error():
    assert effects.effects(made_frame({("linear-head", 0): 0.1})).empty
    assert "nothing can be tested" in sentences.standing(effects.effects(made_frame({(BASE, 0): 0.1})), "PSSR")


def test_the_collapse_is_laid_at_the_switch_that_makes_it_from_both_ends(whole):
    said = sentences.collapses(effects.frame(whole)).splitlines()
    assert (
        "Turned on, these change that: detached-negatives (3 of 3 seeds: neither to aerial). These do not: linear-head"
        in said[0]
    )
    assert (
        "Turned off, these change that: detached-negatives (3 of 3 seeds: aerial to neither). These do not: linear-head"
        in said[1]
    )
    assert "The aerial tower alone collapsed in 9 of 18 runs" in said[2]


def test_the_ends_are_held_against_chance_seed_by_seed(whole):
    described, coded = sentences.both_ends(effects.frame(whole)).splitlines()
    assert "*described* (3 seeds)" in described
    assert "in 3)" in described
    assert "PSSR 0.000" in coded
    assert "in 0)" in coded
    assert coded.endswith("as coded 100.00%; collapsed: aerial.")


def test_tables_of_effects_have_a_row_a_switch_and_their_verdict(whole):
    table = effects.frame(whole)
    lost = [name for name in whole.planned if "described-with-linear-head" in name]
    study = dataclasses.replace(whole, diverged=dict.fromkeys(lost, "loss is inf"))
    described, coded = (
        tables.effects_table(study, part, effects.effects(table), end).droplevel(0)
        for part, end in ((table.drop(lost), "described"), (table, "as-coded"))
    )
    assert described.loc["linear-head", ["runs", "diverged", "collapsed"]].tolist() == ["0", "3", ""]
    assert described.loc[BASE, ["runs", "diverged", "collapsed"]].tolist() == ["3", "", "neither"]
    assert coded.collapsed.to_dict() == {BASE: "aerial", "detached-negatives": "neither", "linear-head": "aerial"}
    assert coded.loc[BASE, ["PSSR", "R@1%", "R@1% as coded"]].tolist() == ["0.000", "0", "1"]
    assert coded.loc["linear-head", "against base"] == "+0.000 [+0.000, +0.000]"


def test_on_a_collapsed_gallery_the_two_rules_of_scoring_are_as_far_apart_as_theory_says(whole):
    table = effects.frame(whole)
    base = tables.scoring_table(table).xs("as-coded", level="end")
    assert base["exact"].tolist() == ["0.000", "0.000"]
    assert base["as coded"].tolist() == ["1.000", f"{(N + 1) / (2 * N):.3f}"]
    assert "exceeds 10 points in 9 runs, of which 9 have" in sentences.scoring(table)


def test_what_bounds_the_study_is_counted(whole, monkeypatch):
    of, first = len(whole.runs), sum(run.parameters["seed"] == 0 for run in whole.runs.values())
    assert f"of {of} of {of} runs take places one by one" in sentences.limits(whole)
    monkeypatch.setattr("study.runs.Run.squares", lambda run, test_set: Squares(100.0, run.parameters["seed"] > 0, 2.0))
    assert f"of {of} of {of} runs are over squares of ground; in {first} of these wider" in sentences.limits(whole)
    assert "one by one" not in sentences.limits(whole)


def test_figures_say_what_the_runs_say(whole):
    figure, alt = figures.effects_plot(effects.effects(effects.frame(whole)))
    assert len(figure.axes) == 3
    assert "aerial spread: largest -0.986 (vgg16 described with detached-negatives), 2 of 4 intervals" in alt
    figure, alt = figures.spreads_plot(whole, "vgg16")
    assert "6 panels" in alt
    spread = np.mean([run.log.ground_spread.iloc[-1] for run in whole.runs.values()])
    assert f"as-coded without linear-head {spread:.2g}, 0." in alt
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[1::3] == ["described\nwith detached-negatives", "as-coded\nwithout detached-negatives"]  # a line an end
    assert figure.axes[3].lines[1].get_ydata()[-1] == figures.FLOOR  # the coded base's aerial tower


def test_every_switch_has_its_words_and_its_source():
    table = tables.switch_table()
    assert list(table.index) == list(SWITCHES)
    named = table[table.commit != "none"]
    assert all(re.fullmatch(r"[\w/]+\.py(, [\w/]+\.py)*", source) for source in named.source)
    assert set(named.commit) == {"7875c71", "37cf3aa"}
    assert all(row.iloc[0] == SWITCHES[name].what for name, row in table.iterrows())


def run_page(folder: Path, monkeypatch) -> str:
    """Run the page's cells from `folder`; everything they would show, as text."""
    shown = []

    def display(*objects) -> None:
        shown.extend(str(getattr(x, "data", x)) for x in objects if x is not None)

    monkeypatch.chdir(folder)
    monkeypatch.setattr("IPython.display.display", display)
    space: dict = {}
    for cell in re.findall(r"```\{code-cell\} ipython3\n(?::tags:[^\n]*\n)?(.*?)```", PAGE.read_text(), re.DOTALL):
        *body, last = ast.parse(cell).body
        exec(compile(ast.Module(body, []), PAGE.name, "exec"), space)
        if isinstance(last, ast.Expr):
            display(eval(compile(ast.Expression(last.value), PAGE.name, "eval"), space))
        else:
            exec(compile(ast.Module([last], []), PAGE.name, "exec"), space)
    return "\n".join(shown)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({"vgg16-described-with-linear-head-1": "neither"}, "**1 of 18 planned runs are finished.**"),
        ({"vgg16-as-coded-0": "both", "vgg16-as-coded-without-linear-head-0": "aerial"}, "both to aerial"),
        (all_kinds(), "**18 of 18 planned runs are finished.**"),
    ],
    ids=["one", "two", "all"],
)
def test_the_page_runs_with_whatever_is_finished(kinds, said, tmp_path, monkeypatch):
    write_study(tmp_path, kinds)
    (tmp_path / "book").mkdir()
    (tmp_path / "study" / "plans" / "seeds").symlink_to(ROOT / "study" / "plans" / "seeds")
    (tmp_path / "study" / "plans" / "apart.yaml").symlink_to(ROOT / "study" / "plans" / "apart.yaml")
    for experiment in ("e2-screen", "e2-alone", "e2-larger", "apart"):  # parts of the page that are not asked about here
        (tmp_path / "results" / experiment).symlink_to(ROOT / "results" / experiment)
    text = run_page(tmp_path / "book", monkeypatch)
    assert said in text
    assert ("the finished ones alone" in text) == (len(kinds) < 18)


def test_departures_are_said_to_do_harm_only_where_there_was_something_to_lose(monkeypatch):
    rows = {"a": (0.05, 0.01), "b": (0.05, 0.2), "c": (-0.01, 0.2)}
    found = pd.DataFrame([{"n": 3, "difference": 0.1, "low": low, "high": 0.2, "p": p} for low, p in rows.values()])
    found.index = pd.MultiIndex.from_product([[*rows], ["described less as-coded"]], names=["architecture", "recipes"])
    beats = pd.DataFrame({"beats chance": "yes"}, index=pd.MultiIndex.from_product([[*rows], ["described"]]))
    monkeypatch.setattr(larger.apart, "contrasts", lambda study: found)
    monkeypatch.setattr(larger.apart, "outcome", lambda study: beats)
    said = larger.confirmed(None).splitlines()
    assert "do harm" in said[0]
    assert "open" in said[1]
    assert "points to harm" in said[1]
    assert "holds zero" in said[2]
    beats.loc[("a", "described"), "beats chance"] = "open"
    assert "nothing to be said" in larger.confirmed(None)


def test_a_departure_is_confirmed_in_an_architecture_by_the_plan_s_rule():
    """Over at least three seeds, and only where the base has learned; together over those architectures alone."""
    level = {"base": 0.9, "detached-negatives": 0.7, "zero-netvlad": 0.9, "mixed-preprocessing": 0.95}
    arms = [f"{arch} 0.1 {one}" for arch in ("vgg16", "cvm-net-i") for one in level]
    plan = SimpleNamespace(arms=dict.fromkeys(arms), content={"test_count": 600})
    rng, runs, epochs = np.random.default_rng(0), [], []
    for arm in arms:
        arch, _, switch = arm.split(" ")
        for seed in range(2 if (arch, switch) == ("vgg16", "mixed-preprocessing") else 4):
            pssr = level[switch] + rng.normal(0, 0.001)
            runs.append({"run": f"{arm}/{seed}", "arm": arm, "seed": seed, "seen_pssr": pssr})
            epochs.append({"run": f"{arm}/{seed}", "epoch": 1, "val_pssr": 0.6 if arch == "cvm-net-i" else pssr})
    tables = pd.DataFrame(runs), pd.DataFrame(epochs)
    said = larger.by_switch(plan, *tables)["by the plan"]
    assert said["vgg16"].to_dict() == {
        "detached-negatives": "confirmed",
        "zero-netvlad": "not confirmed",
        "mixed-preprocessing": "open: fewer than 3 seeds",
    }
    assert set(said["cvm-net-i"]) == {"nothing is concluded"}
    assert "Over vgg16 together `detached-negatives` does harm: -0.2" in larger.together(plan, *tables).replace("−", "-")
    assert "over 4 pairs of runs)." in larger.together(plan, *tables)
    assert "Confirmed: `detached-negatives` in vgg16" in larger.found(plan, *tables)
