"""The data sets that readers own, as their publications describe them (``public_data.json``)."""

import json
from pathlib import Path

import pandas as pd

SHOWN = ("size", "view", "field of view", "licence", "access", "source")


def known() -> dict[str, dict]:
    """Facts by data set: `cvig.datasets` module, size, view, field of view, licence, access, citation and source."""
    return json.loads(Path(__file__).with_name("public_data.json").read_text(encoding="utf-8"))


def frame() -> pd.DataFrame:
    """A row a data set, the parameter ``data`` that opens it first."""
    return pd.DataFrame(known()).T[["module", *SHOWN]].rename(columns={"module": "-p data"}).rename_axis("data set")
