"""Packages that a test may be without: it is skipped where it uses one that is not installed."""

import numpy as np
import pytest


class Optional:
    """A module that is imported when a test uses it."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str):
        if attribute.startswith("_"):  # pytest looks at what a test module holds
            raise AttributeError(attribute)
        return getattr(pytest.importorskip(self._name), attribute)


torch = Optional("torch")


def in_bfloat16(rows) -> np.ndarray:
    """The nearest numbers that bfloat16 holds, of two as near the even one, as float32."""
    bits = np.ascontiguousarray(rows, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
