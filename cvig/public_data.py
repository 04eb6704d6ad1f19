"""The data sets that readers own, as their publications describe them (``public_data.json``)."""

import json
from pathlib import Path

SHOWN = ("size", "view", "field of view", "licence", "access", "source")  # what is known of each


def known() -> dict[str, dict]:
    """Facts by data set: `cvig.datasets` module, size, view, field of view, licence, access, citation and source."""
    return json.loads(Path(__file__).with_name("public_data.json").read_text(encoding="utf-8"))


def markdown(*columns: str) -> str:
    """A Markdown table, a row a data set, the parameter ``data`` that opens it first, then `columns` of `SHOWN`."""
    rows = [["data set", "`-p data`", *columns], ["---"] * (2 + len(columns))]
    rows += [[name, f"`{fact['module']}`", *(fact[column] for column in columns)] for name, fact in known().items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
