"""Training recipes as data: what is minimized, how, and on which augmentations.

`described` is the paper's text. `as-coded` is `described` with every switch of `SWITCHES` on: each is one way in which the
public code departs from the text, and each can be turned on or off alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one loss.

    Attributes
    ----------
    loss : {"max-margin", "soft-margin", "infonce"}
    until : {"end", "plateau"}
        ``"plateau"`` ends the phase when the epoch's mean loss has not fallen by a hundredth for `patience` epochs,
        and at half of all epochs at the latest, so that the next phase has its turn.
    patience : int
    """

    loss: str
    until: str = "end"
    patience: int = 2


class Switch(NamedTuple):
    """A way in which the public code departs from the text: what it does, and the files below src/ that do it."""

    what: str
    source: str


# How S010MON/image-locate, commit 7875c71, departs from the paper's text.
SWITCHES = {
    "detached-negatives": Switch("no gradient passes through the negatives, whose distances come from SciPy", "losses.py"),
    "zero-at-collapse": Switch("a query without a farther negative costs nothing", "losses.py"),
    "soft-margin-as-coded": Switch("one direction compares unrelated pairs, the other direction is missing", "losses.py"),
    "zero-netvlad": Switch("all NetVLAD clusters start at zero, so they stay one cluster", "models.py"),
    "mixed-preprocessing": Switch(
        "trained on images 255 times too dark, tested on others 255 times too faint", "dataset.py, models.py, testModel.py"
    ),
    "frozen-batch-norm": Switch(
        "batch norm never sees the training flag: its statistics stay as they start", "trainModel.py"
    ),
    "duplicate-tiles": Switch(
        "the views of one place each bring a copy of its aerial image", "scripts/streetviewCropping.py"
    ),
    "linear-head": Switch("no ReLU after the last layer", "models.py"),
    "no-training-crop": Switch("aerial images are not cropped in training", "trainModel.py"),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    name, summary : str
    phases : tuple of Phase
    optimizer : {"adam", "adamw"}
    learning_rate : float
    batch : int
    weight_decay : float
    cosine : bool
        Warm up over the first twentieth of the steps, then let the learning rate fall along a cosine.
    crop_min : float
        Smallest side of the random aerial crop, as a fraction of the tile; 1 means no crop.
    quarter_turns : bool
        Turn each aerial tile by a random multiple of 90°. Right only where the query's heading is unknown.
    unit_norm : bool
        Embeddings lie on the unit sphere, so that Euclidean order is cosine order.
    final_relu : bool
        A ReLU after the last layer, as the paper's text has it ("All layers used the ReLU activation function").
    zero_residual : bool
        From random weights, a ResNet's residual blocks start as the identity.
    switches : tuple of str
        Keys of `SWITCHES` that are on.
    """

    name: str
    summary: str
    phases: tuple[Phase, ...]
    optimizer: str
    learning_rate: float
    batch: int
    weight_decay: float = 0.0
    cosine: bool = False
    crop_min: float = 0.7
    quarter_turns: bool = False
    unit_norm: bool = False
    final_relu: bool = False
    zero_residual: bool = False
    switches: tuple[str, ...] = ()

    @property
    def head_relu(self) -> bool:
        """Whether the last layer has its ReLU after all."""
        return self.final_relu and "linear-head" not in self.switches

    @property
    def smallest_crop(self) -> float:
        """`crop_min`, or 1 where training does not crop."""
        return 1.0 if "no-training-crop" in self.switches else self.crop_min

    def switched(self, states: Mapping[str, bool]) -> "Recipe":
        """This recipe with some switches turned on or off; those that `states` does not name stay.

        Raises
        ------
        ValueError
            An unknown switch, or a state that is neither true nor false.

        >>> RECIPES["described"].switched({"detached-negatives": True}).switches
        ('detached-negatives',)
        """
        for name, on in states.items():
            if name not in SWITCHES:
                raise ValueError(f"unknown switch '{name}': expected one of {', '.join(SWITCHES)}")
            if not isinstance(on, bool):
                raise ValueError(f"switch {name}: {on!r}: expected true or false")
        return replace(self, switches=tuple(name for name in SWITCHES if states.get(name, name in self.switches)))


def in_words(recipe: str, states: Mapping[str, bool]) -> str:
    """A recipe's name with the switches that are turned on or off.

    >>> in_words("as-coded", {"linear-head": False})
    'as-coded without linear-head'
    """
    turned = ", ".join(f"{'with' if on else 'without'} {name}" for name, on in states.items())
    return f"{recipe} {turned}".strip()


_DESCRIBED = Recipe(
    name="described",
    summary="the paper's text: max-margin until it stops improving, then soft-margin; Adam at 1e-5, batch 16",
    phases=(Phase("max-margin", until="plateau"), Phase("soft-margin")),
    optimizer="adam",
    learning_rate=1e-5,
    batch=16,
    final_relu=True,
)
RECIPES = {
    recipe.name: recipe
    for recipe in (
        _DESCRIBED,
        replace(
            _DESCRIBED,
            name="as-coded",
            summary="the paper's text as its public code has it: the described recipe with every switch on",
            switches=tuple(SWITCHES),
        ),
        Recipe(
            name="modern",
            summary="symmetric InfoNCE with a learned temperature on the unit sphere; AdamW, warm-up and cosine",
            phases=(Phase("infonce"),),
            optimizer="adamw",
            learning_rate=5e-4,
            batch=64,
            weight_decay=0.05,
            cosine=True,
            quarter_turns=True,
            unit_norm=True,
            zero_residual=True,
        ),
    )
}
