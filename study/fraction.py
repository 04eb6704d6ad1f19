"""Two-level fractional factorial designs: which factors are on in which cell, and which effects it confounds.

A full factorial of some *basic* factors has a cell for each combination of them. Every further factor is on where the
product of some basic ones, its *generator*, says so: a product of signs, +1 on and -1 off. Effects whose products of signs
are the same column are *aliases*: the runs cannot tell them apart. The resolution is the length of the shortest word of
factors whose product is constant: at IV no main effect is an alias of another or of what two factors do together.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd

MOST = 12  # basic factors: as many cells are more than anyone trains


def cells(basic: Sequence[str], generators: Mapping[str, str]) -> pd.DataFrame:
    """The design: a row a cell, a column a factor, +1 where it is on and -1 where it is off.

    Parameters
    ----------
    basic : sequence of str
        Letters of the factors that are crossed.
    generators : mapping of str to str
        For every other factor the word of basic letters whose product it is; a minus before it turns the sign.

    Raises
    ------
    ValueError
        A generator with a letter that is no basic factor.

    >>> cells("ab", {"c": "ab"}).to_numpy().tolist()
    [[-1, -1, 1], [1, -1, -1], [-1, 1, -1], [1, 1, 1]]
    """
    if len(basic) > MOST:
        raise ValueError(f"{len(basic)} basic factors make 2^{len(basic)} cells: expected {MOST} at most")
    signs = [each[::-1] for each in product((-1, 1), repeat=len(basic))]
    table = pd.DataFrame(signs, columns=list(basic))
    for factor, word in generators.items():
        letters = word.removeprefix("-")
        if not letters or set(letters) - set(basic):
            raise ValueError(f"generator {factor} = {word}: expected letters of {''.join(basic)}")
        table[factor] = table[list(letters)].prod(axis=1) * (-1 if word.startswith("-") else 1)
    return table


def resolution(design: pd.DataFrame) -> int:
    """Length of the shortest word of factors whose product is the same in all cells; if none, one more than factors.

    >>> resolution(cells("ab", {"c": "ab"})), resolution(cells("abc", {"d": "abc"}))
    (3, 4)
    """
    for length in range(1, design.shape[1] + 1):
        for word in combinations(design, length):
            if len(set(design[list(word)].prod(axis=1))) == 1:
                return length
    return design.shape[1] + 1


def aliases(design: pd.DataFrame, order: int = 2) -> list[list[str]]:
    """Effects of up to `order` factors that one column of signs stands for: lists of words, those of two or more alone.

    >>> aliases(cells("abc", {"d": "abc"}))
    [['ab', 'cd'], ['ac', 'bd'], ['ad', 'bc']]
    """
    found: dict[bytes, list[str]] = {}
    for length in range(1, order + 1):
        for word in combinations(design, length):
            column = design[list(word)].prod(axis=1).to_numpy()
            found.setdefault((column * column[0]).astype(np.int8).tobytes(), []).append("".join(word))
    return [words for words in found.values() if len(words) > 1]
