"""The order of things that have names instead of numbers."""

import re
from collections.abc import Sequence


def natural_order(names: Sequence[str]) -> tuple[list[int], str]:
    """Which name comes when, and that order in words.

    Names that differ by their numbers alone come in the order of these (2.jpg before 10.jpg); others as the file has them.
    """
    frames = {re.sub(r"\d+", "#", name) for name in names}
    if len(frames) == 1:
        numbers = [[int(digits) for digits in re.findall(r"\d+", name)] for name in names]
        return sorted(range(len(names)), key=numbers.__getitem__), "in the order of the numbers in their names"
    return list(range(len(names))), "in the order of the file"
