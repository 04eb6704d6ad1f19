"""One way to say a number: shares, scores, intervals, ranges and names. P-values and counts: `cvig.words`."""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

Form = Callable[[float], str]
SIGNED: Form = "{:+.3f}".format  # a difference between two scores


def percent(share: float) -> str:
    """A share in percent.

    >>> percent(0.12345)
    '12.35%'
    """
    return f"{100 * share:.2f}%"


def score(metric: str, value: float) -> str:
    """A recall in percent; PSSR and other scores as a share.

    >>> score("R@1%", 0.12345), score("PSSR", 0.12345)
    ('12.3%', '0.123')
    """
    return f"{100 * value:.1f}%" if metric.startswith("R@") else f"{value:.3f}"


def with_interval(value: float, low: float, high: float, form: Form = "{:.3f}".format) -> str:
    """A value and, in brackets, its interval; the value alone where it has none (NaN).

    >>> with_interval(0.5, 0.25, 0.75), with_interval(0.5, np.nan, np.nan, "{:+.1f}".format)
    ('0.500 [0.250, 0.750]', '+0.5')
    """
    return form(value) if np.isnan(low) or np.isnan(high) else f"{form(value)} [{form(low)}, {form(high)}]"


def span(values: Iterable[float], form: Form, between: str = " to ") -> str:
    """The least and the greatest of some values, or the one that all are written as.

    >>> span([3, 1, 2], str), span([1, 1], str)
    ('1 to 3', '1')
    """
    values = list(values)
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low}{between}{high}"


def code(names: Iterable[str]) -> str:
    """Names as Markdown's code, or "none".

    >>> code(["a", "b"]), code([])
    ('`a`, `b`', 'none')
    """
    return ", ".join(f"`{name}`" for name in names) or "none"


def seeds_of(labels: Iterable[str]) -> str:
    """Runs that differ in their seed alone, as a shell writes them; the book makes a link of each seed.

    >>> seeds_of(["causes/vgg16-described-0", "causes/vgg16-described-1"])
    'causes/vgg16-described-{0,1}'
    """
    labels = list(labels)
    stems = {label.rpartition("-")[0] for label in labels}
    if len(stems) != 1 or not all(label.rpartition("-")[2].isdigit() for label in labels):
        return ", ".join(labels)
    return f"{stems.pop()}-{{{','.join(label.rpartition('-')[2] for label in labels)}}}"


def tally(verdicts: Iterable[str]) -> str:
    """Verdicts of several seeds as one.

    >>> tally(["aerial", "aerial"]), tally(["neither", "aerial", "aerial"])
    ('aerial', 'aerial 2 of 3, neither 1 of 3')
    """
    counts = Counter(verdicts)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} {count} of {counts.total()}" for name, count in counts.most_common())
