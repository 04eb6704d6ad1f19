"""Which room of the library uses which: the study never, and none in a circle."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
