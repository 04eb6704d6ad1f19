"""No result is typed into prose: pages compute their numbers from the files of runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "book").glob("*.md"), *(ROOT / "book" / "runs").glob("*.md"), ROOT / "README.md"])
NUMBER = re.compile(r"(?<![\w@.])(\d+\.\d+|\.\d+|\d+(?:\.\d+)?\s?%|\d+(?:\.\d+)?e-?\d+)")
# Numbers that are no results: names of metrics, levels of intervals, and what a text or a program sets by definition.
NO_RESULT = [
    r"sections? \d\.\d",
    r"\n## \d\.\d\.\d\n",  # a release
    r"(?:Python|torchmetrics) \d\.\d+",
    r"95%",
    r"(?:top|at|beyond the top|within the top|by|first) 1%",
    r"\n1% is a row or two",  # of a small gallery
    r"more than 60% of its pixels",  # cvig.datasets.world.views.BLOCKED
    r"CC BY(?:-\w+)* \d\.\d",
]


def prose(text: str) -> str:
    """A page without its front matter, code cells, code and formulas."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    text = re.sub(r"^(```+)\{(?:code-cell|figure|bibliography)\}.*?^\1$", "", text, flags=re.S | re.M)
    text = re.sub(r"^```(?:sh|python|text)?\n.*?^```$", "", text, flags=re.S | re.M)
    for pattern in (r"\$\$.*?\$\$", r"\$[^$]*\$", r"`[^`]*`"):
        text = re.sub(pattern, "", text, flags=re.S)
    return text


def typed(text: str) -> list[str]:
    """Decimals, percentages and powers of ten in prose."""
    text = prose(text)
    for pattern in NO_RESULT:
        text = re.sub(pattern, "", text)
    return NUMBER.findall(text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_result_is_typed_into_prose(path):
    assert typed(path.read_text()) == []


@pytest.mark.parametrize(
    "sentence", ["PSSR is .745 here.", "It rules out 74.5% of them.", "p = 1e-34", "found in 96.9 % of"]
)
def test_a_typed_result_would_be_found(sentence):
    assert len(typed(f"Words.\n\n{sentence}\n")) == 1


@pytest.mark.parametrize(
    "text", ["`0.5`", "$0.5$", "```{code-cell} ipython3\n0.5\n```", "R@1% and section 3.1, 95% interval"]
)
def test_code_formulas_and_names_are_no_results(text):
    assert typed(text) == []
