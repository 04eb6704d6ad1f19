"""Plans: the YAML files that name the runs of each study and their parameters, and what is finished of them."""

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

from study import strict_yaml
from study.runs import Run
from study.settings import EvaluateSettings, TrainSettings
from study.switches import in_words
from study.tricks import ALL

TEXTS = ("question", "hypothesis", "measure", "decision")
KEYS = {"out": str, "run": str, "threads": int, "runs": list, "train": dict, "per_architecture": dict, "evaluate": dict}
KEYS |= dict.fromkeys(TEXTS, str)
BLOCK_KEYS = {"run": str, "architectures": list, "recipes": list, "seeds": list, "one_at_a_time": list, "train": dict}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+,=@-]{0,127}")
FIELD = re.compile(r"\{(\w+)\}")


def variants(recipe: str, names: list[str]) -> dict[str, dict[str, bool]]:
    """The recipe itself, and the recipe with each of some switches turned: its name to the states of the switches.

    >>> variants("described", ["linear-head"])
    {'described': {}, 'described-with-linear-head': {'linear-head': True}}
    >>> variants("as-coded", ["linear-head"])
    {'as-coded': {}, 'as-coded-without-linear-head': {'linear-head': False}}
    """
    found: dict[str, dict[str, bool]] = {recipe: {}}
    for name in names:
        turned = {name: name not in ALL[recipe].on}
        found[in_words(recipe, turned).replace(" ", "-")] = turned
    return found


def read(path: Path | str) -> dict:
    """Read a study's file; its ``runs`` become a mapping of each run's name to the parameters of its training.

    The file has ``out``, the folder of its runs; ``run``, the pattern of their names, such as
    ``"{arch}-{recipe}-{seed}"``, in which any parameter may stand; ``threads``; ``train`` and
    ``evaluate``, parameters of the notebooks; ``per_architecture``, more of the training notebook's; and ``runs``, a list
    of blocks. A block is every combination of its ``architectures``, ``recipes`` and ``seeds``; with ``one_at_a_time``, a
    list of switches, also of each recipe with one of them turned. Its ``train`` goes before all others, ``switches`` there
    turn in all its runs, and its ``run``, where it has one, names its runs. A ``start`` is the name of another run of the
    study, whose trunks these start from. Of `TEXTS`, written before the runs, a study has all or none.

    Names are names of folders and nothing else: `check_out` and `NAME` say of what letters.

    Raises
    ------
    ValueError
        A key that is unknown, lacking or given twice, with its line; a value that no run could use; an unknown recipe or
        switch; two runs of one name.
    """
    study = strict_yaml.read(path)
    strict_yaml.check(path, "the study", study, KEYS, {"out", "threads", "runs", "train", "evaluate"})
    strict_yaml.check(path, "the study", study, KEYS, set(TEXTS) if set(TEXTS) & set(study) else set())
    check_out(study["out"], f"{path}, line {study.lines['out']}: ")
    _known(path, study["train"], TrainSettings)
    _known(path, study["evaluate"], EvaluateSettings)
    for settings in study.get("per_architecture", {}).values():
        _known(path, settings, TrainSettings)
    runs: dict[str, dict] = {}
    for block in study["runs"]:
        strict_yaml.check(path, "a block of runs", block, BLOCK_KEYS, {"architectures", "recipes", "seeds"})
        _known(path, block.get("train", strict_yaml.Mapping()), TrainSettings)
        pattern = block.get("run", study.get("run"))
        if pattern is None:
            raise ValueError(f"{path}, line {block.line}: neither the block nor the study has the key 'run'")
        where = f"{path}, line {block.line}"
        for recipe in block["recipes"]:
            if recipe not in ALL:
                raise ValueError(f"{where}: unknown recipe '{recipe}': expected one of {', '.join(ALL)}")
        for arch, recipe, seed in product(block["architectures"], block["recipes"], block["seeds"]):
            for variant, switches in variants(recipe, block.get("one_at_a_time", [])).items():
                settings = {**study["train"], **study.get("per_architecture", {}).get(arch, {}), **block.get("train", {})}
                name = _name(where, pattern, {**settings, "arch": arch, "recipe": variant, "seed": seed})
                if name in runs:
                    raise ValueError(f"{path}: two runs are called '{name}'")
                switches = settings.get("switches", {}) | switches
                runs[name] = {**settings, "arch": arch, "recipe": recipe, "switches": dict(switches), "seed": seed}
                try:
                    TrainSettings(**runs[name], threads=study["threads"], out=name)
                except ValueError as error:
                    raise ValueError(f"{where}: run '{name}': {error}") from None
    for name, settings in runs.items():
        if settings.get("start", "") not in ("", *runs):
            raise ValueError(f"{path}: run '{name}' starts from '{settings['start']}', which is no run of this study")
    return {**study, "runs": runs}


def check_out(out: str, where: str = "") -> None:
    """Raise ValueError where `out` cannot be a folder of runs: to snakemake and shells some letters mean something else."""
    odd = set(out) & set("{}$`|&<>*?!'\"\\\n\r\t\0")
    if not out.strip() or odd or out.startswith("-") or ".." in Path(out).parts:
        raise ValueError(f"{where}out={out!r}: expected a folder, of letters that have no other meaning")


def _known(path: Path | str, given: dict, kind: type) -> None:
    """Raise ValueError for a key that is no parameter of the notebook, or that a plan does not set itself."""
    ours = {"out", "threads", "overwrite", "run", "arch", "recipe", "seed"}
    known = [name for name in kind.model_fields if name not in ours]
    if not isinstance(given, strict_yaml.Mapping):
        raise ValueError(f"{path}: parameters {given!r}: expected a mapping")
    for name in given:
        if name not in known:
            raise ValueError(f"{path}, line {given.lines[name]}: unknown parameter '{name}': expected {', '.join(known)}")


def _name(where: str, pattern: str, settings: dict) -> str:
    """A run's name from its pattern, in which a parameter stands in braces."""
    for field_name in FIELD.findall(pattern):
        if field_name not in settings:
            raise ValueError(f"{where}: run={pattern!r}: no parameter '{field_name}' is set")
    name = FIELD.sub(lambda found: str(settings[found[1]]), pattern)
    if not NAME.fullmatch(name):
        raise ValueError(f"{where}: a run is called {name!r}: expected letters, digits, spaces and . _ + , = @ - alone")
    return name


def _as_planned(mark: Path, settings: dict) -> bool:
    """Whether a file of provenance is there and names these parameters."""
    if not mark.exists():
        return False
    parameters = json.loads(mark.read_text())["parameters"]
    # a run keeps the folder it started from, a plan has that run's name; the first runs lack the parameter
    parameters["start"] = Path(parameters.get("start", "")).name
    return all(parameters.get(key) == value for key, value in {"start": "", **settings}.items())


def finished(folder: Path | str, settings: dict) -> bool:
    """Whether the run in `folder` was trained with these parameters, and evaluated."""
    folder = Path(folder)
    planned = _as_planned(folder / "train.json", settings) and (folder / "evaluate.json").exists()
    return planned and Run(folder).of_one_piece


def diverged(folder: Path | str, settings: dict) -> str | None:
    """What stopped the run in `folder`, trained with these parameters, when its loss was no longer finite; else None."""
    mark = Path(folder) / "diverged.json"
    return json.loads(mark.read_text())["error"] if _as_planned(mark, settings) else None


@dataclass(frozen=True)
class Study:
    """A plan, and what is finished of it.

    Attributes
    ----------
    plan : dict
        Parameters of every run, by name.
    finished : dict of Run
        Those of them that were trained with these parameters, and evaluated.
    diverged : dict of str
        What stopped each of the others whose loss was no longer finite.
    """

    plan: dict[str, dict]
    finished: dict[str, Run]
    diverged: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, plan: Path | str, folder: Path | str) -> "Study":
        """The study of the file `plan` (`read`), whose runs lie in `folder`.

        Raises
        ------
        FileNotFoundError
            No run but a trunk is finished with the plan's parameters.
        """
        folder, wanted = Path(folder), read(plan)["runs"]
        done = {name: Run(folder / name) for name, settings in wanted.items() if finished(folder / name, settings)}
        errors = {name: diverged(folder / name, settings) for name, settings in wanted.items() if name not in done}
        study = cls(wanted, done, {name: error for name, error in errors.items() if error})
        if not study.runs:
            raise FileNotFoundError(f"none of the {len(study.planned)} runs of {plan} is finished below '{folder}'")
        return study

    @cached_property
    def starts(self) -> set[str]:
        """Names of the trunks: the runs that others of the plan start from."""
        return {settings["start"] for settings in self.plan.values() if settings.get("start")} & set(self.plan)

    @property
    def planned(self) -> dict[str, dict]:
        """Parameters of every run but the trunks."""
        return {name: settings for name, settings in self.plan.items() if name not in self.starts}

    @property
    def runs(self) -> dict[str, Run]:
        """The finished runs but the trunks."""
        return {name: run for name, run in self.finished.items() if name not in self.starts}

    @property
    def trunks(self) -> dict[str, Run]:
        """The finished trunks."""
        return {name: run for name, run in self.finished.items() if name in self.starts}
