"""Does a photograph show a place at all? A trained filter says so; where none is given, fog and night alone are noticed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from cvig.locate.photograph import Photograph

if TYPE_CHECKING:  # scikit-learn is loaded where a filter is given
    from cvig.filtering.saved import Filter

PLAIN = 4  # of 255: a photograph whose brightness deviates less shows fog, night or a wall


@dataclass(frozen=True)
class Verdict:
    """What is said of one photograph.

    Attributes
    ----------
    by : {"filter", "brightness"}
        Who says it.
    viable : bool
        It may show a place.
    score : float or None
        Of the filter, in [0, 1].
    said : str
        The same as a sentence.
    """

    by: str
    viable: bool
    score: float | None
    said: str


def judge(photographs: Sequence[Photograph], screen: "Filter | None" = None) -> list[Verdict]:
    """A verdict a photograph: of the filter where there is one, on the whole photograph, as it was trained.

    Raises
    ------
    ValueError
        A filter whose network is not to be had.
    """
    if screen is None:
        return [_by_brightness(one) for one in photographs]
    side = screen.scenes.size
    images = [np.array(one.image.resize((side, side), Image.Resampling.BILINEAR)) for one in photographs]
    scores = screen.score(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
    return [_by_filter(one, screen, score) for one, score in zip(photographs, scores.tolist(), strict=True)]


def _by_brightness(photograph: Photograph) -> Verdict:
    name, varies = f"'{photograph.path.name}'", np.asarray(photograph.image.convert("L").resize((64, 64))).std() >= PLAIN
    if varies:
        return Verdict("brightness", True, None, f"No filter was asked whether {name} shows a place; its brightness varies.")
    return Verdict("brightness", False, None, f"{name} is nearly of one brightness: it may show no place. It is answered.")


def _by_filter(photograph: Photograph, screen: "Filter", score: float) -> Verdict:
    name, viable = f"'{photograph.path.name}'", score >= screen.threshold
    why = f"{score:.2f}, where {screen.threshold:g} and more is kept; it judged {screen.correct} of {screen.judged} right"
    if viable:
        return Verdict("filter", True, score, f"The filter finds that {name} shows a place ({why}).")
    return Verdict("filter", False, score, f"The filter calls {name} useless ({why}). It is answered all the same.")
