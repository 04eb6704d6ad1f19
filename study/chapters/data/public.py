"""The data sets that readers own, as their publications describe them (``public.json``)."""

import json
from pathlib import Path

import pandas as pd

SHOWN = ("size", "view", "field of view", "licence", "access", "source")  # what is known of each


def known() -> dict[str, dict]:
    """Facts by data set: `cvig.datasets` module, size, view, field of view, licence, access, citation and source."""
    return json.loads(Path(__file__).with_name("public.json").read_text(encoding="utf-8"))


def html(*columns: str) -> str:
    """An HTML table, a row a data set, the parameter ``data`` that opens it first, then `columns` of `SHOWN`, uncut."""
    frame = pd.DataFrame(known()).T[["module", *columns]].rename(columns={"module": "-p data"})
    with pd.option_context("display.max_colwidth", None):
        return frame.to_html(border=0, justify="left", classes="dataframe")
