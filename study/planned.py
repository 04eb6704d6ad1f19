"""Plans of many small trainings, written before their runs, and the tables that `study.sessions.seeds` makes of them.

A plan crosses arms (changes of a training's parameters), blocks (such as countries) and seeds. Arms are named one by one, or
are the cells of a fraction of all combinations of some factors (`study.fraction`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import pandas as pd

from study import strict_yaml
from study.fraction import cells
from study.plans import TEXTS, check_out
from study.settings import TrainSettings

KEYS = dict.fromkeys(TEXTS, str) | {
    "out": str,
    "threads": int,
    "test_count": int,
    "train": dict,
    "arms": dict,
    "fraction": dict,
    "blocks": dict,
    "seeds": list,
    "both_preprocessings": bool,
    "keep_networks": bool,
    "first_and_last": bool,
    "fields_of_view": list,
}
OPTIONAL = {"arms", "fraction", "blocks", "both_preprocessings", "keep_networks", "first_and_last", "fields_of_view"}
FRACTION = {"basic": str, "generators": dict, "factors": dict}
TEXT_COLUMNS = ("run", "arm", "block", "diverged", "key", "environment", "data_", "settings")  # or how their names begin
NETWORKS = Path("out/networks")  # of plans that keep them: a folder a plan, in it one a run


@dataclass(frozen=True)
class SeedsPlan:
    """A plan of many small trainings, as its file has it.

    Attributes
    ----------
    question, hypothesis, measure, decision : str
        Written before the runs.
    runs : dict of TrainSettings
        By name: ``"arm/block/seed"``.
    """

    path: Path
    content: dict

    @classmethod
    def read(cls, path: Path | str) -> "SeedsPlan":
        """Read and check a plan.

        Raises
        ------
        ValueError
            A key that is unknown, lacking or given twice, with its line; a parameter that no training takes.
        """
        content = strict_yaml.read(path)
        strict_yaml.check(path, "the plan", content, KEYS, set(KEYS) - OPTIONAL)
        if ("arms" in content) == ("fraction" in content):
            raise ValueError(f"{path}: expected one of the keys 'arms' and 'fraction'")
        if "fraction" in content:
            strict_yaml.check(path, "the fraction", content["fraction"], FRACTION, set(FRACTION))
        check_out(content["out"], f"{path}, line {content.lines['out']}: ")
        if not all(isinstance(seed, int) for seed in content["seeds"]):
            raise ValueError(f"{path}, line {content.lines['seeds']}: seeds={content['seeds']!r}: expected whole numbers")
        for what in {"arms", "blocks"} & set(content):
            for name, changes in content[what].items():
                _check_arm(f"{path}, line {content[what].lines[name]}", name, changes)
        plan = cls(Path(path), content)
        _ = plan.runs
        return plan

    def __getattr__(self, name: str) -> str:
        if name in TEXTS:
            return " ".join(self.content[name].split())
        raise AttributeError(name)

    @property
    def out(self) -> Path:
        """The folder of its tables."""
        return Path(self.content["out"])

    @cached_property
    def design(self) -> pd.DataFrame:
        """Of a plan with a fraction: a row a cell, by the letters of the factors that are on; +1 on, -1 off."""
        fraction = self.content["fraction"]
        table = cells(fraction["basic"], fraction["generators"])
        if set(table) != set(fraction["factors"]):
            raise ValueError(f"{self.path}: factors {''.join(fraction['factors'])}: expected {''.join(table)}")
        table = table[list(fraction["factors"])]
        return table.set_axis([on(row) for row in table.to_dict("records")]).rename_axis("arm")

    @cached_property
    def arms(self) -> dict[str, dict]:
        """What each arm changes of a training's parameters."""
        if "arms" in self.content:
            return self.content["arms"]
        factors, found = self.content["fraction"]["factors"], {}
        for name, row in self.design.iterrows():
            changes = [factors[letter] for letter, sign in row.items() if sign > 0]
            switches = {key: value for each in changes for key, value in each.get("switches", {}).items()}
            found[name] = {key: value for each in changes for key, value in each.items()}
            found[name] |= {"switches": switches} if switches else {}
        return found

    def network(self, run: str) -> Path:
        """Where the network of a run is kept, if the plan keeps them."""
        return NETWORKS / self.path.stem / run

    @cached_property
    def runs(self) -> dict[str, TrainSettings]:
        """Parameters of every run; the first seed of all arms comes first, so that a study cut short is balanced."""
        c, found = self.content, {}
        blocks = c.get("blocks", {"": {}})
        for seed, (block, of_block), (arm, of_arm) in product(c["seeds"], blocks.items(), self.arms.items()):
            name = "/".join(filter(None, (arm, str(block), str(seed))))
            given = {**c["train"], **of_block, **of_arm}
            if "options" in of_block:
                given["options"] = {**c["train"].get("options", {}), **of_block["options"]}
            try:
                found[name] = TrainSettings(**given, seed=seed, threads=c["threads"])
            except ValueError as error:
                raise ValueError(f"{self.path}: run '{name}': {error}") from None
        return found


def _check_arm(where: str, name: str, changes: object) -> None:
    """ValueError unless an arm, or a block, has a name that is a folder's too, and changes that are a mapping."""
    if not re.fullmatch(r"\w[\w.+ -]*", name):
        raise ValueError(f"{where}: {name!r}: expected a name of letters, digits and . + - _")
    if not isinstance(changes, dict):
        raise ValueError(f"{where}: {name}={changes!r}: expected a mapping of parameters")


def on(signs: Mapping[str, int]) -> str:
    """The letters of the factors that are on, or "base" if none is."""
    return "".join(letter for letter, sign in signs.items() if sign > 0) or "base"


def read_table(folder: Path | str, name: str) -> pd.DataFrame:
    """``runs`` or ``epochs`` of a plan's folder. A digest such as 96e359567717 stays text.

    Raises
    ------
    ValueError
        No such table: the file is named, and stays as it is, for results are not made anew unasked.
    """
    path = Path(folder) / f"{name}.csv"
    try:
        texts = [column for column in pd.read_csv(path, nrows=0) if column.startswith(TEXT_COLUMNS)]
        table = pd.read_csv(path, dtype=dict.fromkeys(texts, str))
    except ValueError as error:  # not CSV, not UTF-8, or empty
        raise ValueError(f"'{path}' cannot be read as a table: {str(error).splitlines()[0]}") from error
    if "run" not in table:
        raise ValueError(f"'{path}' is no table of runs: expected a column run")
    return table.assign(**{column: table[column].fillna("") for column in texts})


def plan_table(plan: SeedsPlan, runs: pd.DataFrame) -> pd.DataFrame:
    """The plan as it was committed before its runs, and what was made of it."""
    rows = {name: getattr(plan, name) for name in TEXTS}
    rows["seeds"] = ", ".join(map(str, plan.content["seeds"]))
    rows["made"] = f"{len(runs)} of {len(plan.runs)} runs, {runs.seconds.sum() / 60:.0f} minutes of one processor thread"
    rows["median run"] = f"{runs.seconds.median():.0f} s"
    return pd.DataFrame({"as planned": rows}).rename_axis(plan.path.stem)
