"""The data sets that readers own, as their publications describe them (``public.json``)."""

import json
from pathlib import Path
from typing import TextIO

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


def hours(measured: Path | str | TextIO, pairs: int, epochs: int) -> pd.DataFrame:
    """What ``benchmarks/throughput.py`` measured on a GPU, and the hours that a training of so many pairs would take there.

    Parameters
    ----------
    measured : path or open file
        CSV, a row an architecture and kind of numbers: ``images_a_second`` of the bare step and ``step``, the share
        of that which a training step keeps.

    >>> from io import StringIO
    >>> row = "vgg16,bf16,1000,0.5,0.9,0.4,1024"
    >>> names = "architecture,numbers,images_a_second,step,embedding,busy,memory_mb"
    >>> hours(StringIO(names + "\\n" + row), pairs=9000, epochs=10).hours.item()
    '0.1'
    """
    table = pd.read_csv(measured)
    seconds = epochs * 2 * pairs / (table.images_a_second * table.step)
    return pd.DataFrame(
        {
            "architecture": table.architecture,
            "numbers": table.numbers,
            "images a second, bare": table.images_a_second.map("{:,.0f}".format),
            "step": table.step.map("{:.2f}".format),
            "embedding": table.embedding.map("{:.2f}".format),
            "GPU at work": (100 * table.busy).map("{:.0f}%".format),
            "memory": (table.memory_mb / 1024).map("{:.1f} GiB".format),
            "hours": (seconds / 3600).map("{:.1f}".format),
        }
    ).set_index(["architecture", "numbers"])
