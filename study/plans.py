"""Plans: the YAML files that name the runs of each study and their parameters."""

from itertools import product
from pathlib import Path

import yaml

from study.switches import RECIPES, in_words

KEYS = {"out", "run", "threads", "runs", "train", "per_architecture", "evaluate"}
BLOCK_KEYS = {"run", "architectures", "recipes", "seeds", "one_at_a_time", "train"}


def variants(recipe: str, names: list[str]) -> dict[str, dict[str, bool]]:
    """The recipe itself, and the recipe with each of some switches turned: its name to the states of the switches.

    >>> variants("described", ["linear-head"])
    {'described': {}, 'described-with-linear-head': {'linear-head': True}}
    >>> variants("as-coded", ["linear-head"])
    {'as-coded': {}, 'as-coded-without-linear-head': {'linear-head': False}}
    """
    found: dict[str, dict[str, bool]] = {recipe: {}}
    for name in names:
        turned = {name: name not in RECIPES[recipe].on}
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
    study, whose trunks these start from.

    Raises
    ------
    ValueError
        An unknown key, recipe or switch, or two runs of one name.
    """
    study = yaml.safe_load(Path(path).read_text())
    if unknown := sorted(set(study) - KEYS):
        raise ValueError(f"{path}: unknown key '{unknown[0]}': expected one of {', '.join(sorted(KEYS))}")
    runs: dict[str, dict] = {}
    for block in study["runs"]:
        if unknown := sorted(set(block) - BLOCK_KEYS):
            raise ValueError(
                f"{path}: unknown key '{unknown[0]}' of a block of runs: expected one of {', '.join(sorted(BLOCK_KEYS))}"
            )
        for recipe in block["recipes"]:
            if recipe not in RECIPES:
                raise ValueError(f"{path}: unknown recipe '{recipe}': expected one of {', '.join(RECIPES)}")
        for arch, recipe, seed in product(block["architectures"], block["recipes"], block["seeds"]):
            for variant, switches in variants(recipe, block.get("one_at_a_time", [])).items():
                settings = study["train"] | study.get("per_architecture", {}).get(arch, {}) | block.get("train", {})
                name = block.get("run", study["run"]).format(**{**settings, "arch": arch, "recipe": variant, "seed": seed})
                if name in runs:
                    raise ValueError(f"{path}: two runs are called '{name}'")
                switches = settings.get("switches", {}) | switches
                RECIPES[recipe].turned(switches)  # raises for an unknown one
                runs[name] = {**settings, "arch": arch, "recipe": recipe, "switches": switches, "seed": seed}
    for name, settings in runs.items():
        if settings.get("start", "") not in ("", *runs):
            raise ValueError(f"{path}: run '{name}' starts from '{settings['start']}', which is no run of this study")
    return {**study, "runs": runs}
