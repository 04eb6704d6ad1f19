"""The study's recipes, and the ways in which the paper's public code departs from its text: each a switch.

`described` and `modern` are the library's (`cvig.training.recipes`). `as-coded` is `described` with nine switches on, which
are of the code's last commit, of 22 June 2023; other departures of that commit, frozen trunks among them, can be turned on
beside them. `as-coded-june-1` is the version of 1 June 2023, the only committed one that trains ResNet50. A switch names the
fields of a recipe that it changes; each can be turned alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cvig.training.recipes import DESCRIBED, MODERN, Phase, Recipe


@dataclass(frozen=True)
class Switch:
    """A named change of a recipe: a way in which the public code departs from the text, or a trick (`study.tricks`).

    Attributes
    ----------
    what : str
        What the code does.
    source : str
        The files that do it, below src/ of the public code.
    change : mapping of str to object
        Fields of a recipe and the values that the switch gives them.
    commit : str
        Of S010MON/image-locate; ``"none"`` where none does it, and the switch is there to compare with.
    """

    what: str
    source: str
    change: Mapping[str, object]
    commit: str = "7875c71"  # of 22 June 2023, the last one


JUNE_1 = "37cf3aa"


# How S010MON/image-locate departs from the paper's text.
SWITCHES = {
    "detached-negatives": Switch(
        "no gradient passes through the negatives, whose distances come from SciPy",
        "losses.py",
        {"detached_negatives": True},
    ),
    "zero-at-collapse": Switch("a query without a farther negative costs nothing", "losses.py", {"zero_at_collapse": True}),
    "soft-margin-as-coded": Switch(
        "one direction compares unrelated pairs, the other direction is missing", "losses.py", {"soft_margin_as_coded": True}
    ),
    "zero-netvlad": Switch(
        "all NetVLAD clusters start at zero, so they stay one cluster", "models.py", {"zero_netvlad": True}
    ),
    "mixed-preprocessing": Switch(
        "trained on images 255 times too dark, tested on others 255 times too faint",
        "dataset.py, models.py, testModel.py",
        {"dark": True},
    ),
    "frozen-batch-norm": Switch(
        "batch norm never sees the training flag: its statistics stay as they start",
        "trainModel.py",
        {"frozen_batch_norm": True},
    ),
    "duplicate-tiles": Switch(
        "the views of one place each bring a copy of its aerial image",
        "scripts/streetviewCropping.py",
        {"duplicate_tiles": True},
    ),
    "linear-head": Switch("no ReLU after the last layer", "models.py", {"final_relu": False}),
    "no-training-crop": Switch("aerial images are not cropped in training", "trainModel.py", {"crop_min": 1.0}),
    "frozen-trunk": Switch(
        "of the trunks only the upper part is trained: VGG16 from block4_conv1, ResNet50 after conv5_block2_out",
        "models.py",
        {"trained_from": {"vgg16": "features.17", "cvm-net-i": "features.17", "resnet50": "layer4.2", "conv4": "block4"}},
    ),
    "frozen-trunk-june-1": Switch(
        "of the trunks less is trained: nothing of VGG16, ResNet50 after conv5_block1_out",
        "models.py",
        {"trained_from": {"vgg16": "", "cvm-net-i": "", "resnet50": "layer4.1", "conv4": "block4"}},
        JUNE_1,
    ),
    "bgr-in-training": Switch(
        "red and blue are exchanged in training and not in testing", "models.py, testModel.py", {"bgr": True}
    ),
    "200-px": Switch("ResNet50 sees images of 200 pixels a side, not 224", "models.py, dataset.py", {"scale": 200 / 224}),
    "no-projection": Switch("CVM-Net-I's embedding is what NetVLAD gives", "models.py", {"projection": False}),
    "keras-start": Switch("fully connected layers start as Keras starts them", "models.py", {"glorot": True}),
    "adam-default-rate": Switch("Adam has its default rate, 1e-3", "trainModel.py", {"learning_rate": 1e-3}, JUNE_1),
    "mined-triplets": Switch(
        "one loss, a hinge on triplets that are mined in a second batch; the gradient passes through all three",
        "trainModel.py, models.py",
        {"phases": (Phase("triplet"),)},
        JUNE_1,
    ),
    "any-length": Switch("embeddings are not put to unit length", "models.py, losses.py", {"unit_norm": False}),
    "plain-adam": Switch(
        "Adam at one rate throughout, without weight decay",
        "trainModel.py",
        {"optimizer": "adam", "weight_decay": 0.0, "cosine": False},
    ),
    "aerial-anchor": Switch("the triplets' anchor is the aerial image", "none", {"anchor": "aerial"}, "none"),
}


def check_switches(states: Mapping[str, bool], known: Mapping[str, Switch]) -> None:
    """Raise ValueError for a switch that is not `known`, or for a state that is neither true nor false."""
    for name, on in states.items():
        if name not in known:
            raise ValueError(f"unknown switch '{name}': expected one of {', '.join(known)}")
        if not isinstance(on, bool):
            raise ValueError(f"switch {name}: {on!r}: expected true or false")


@dataclass(frozen=True)
class SwitchedRecipe:
    """A recipe, and the switches that are on.

    Attributes
    ----------
    plain : Recipe
        With every switch off.
    on : tuple of str
        Keys of `known`.
    known : mapping of str to Switch
        What can be turned; `SWITCHES` unless given.
    """

    plain: Recipe
    on: tuple[str, ...] = ()
    known: Mapping[str, Switch] = field(default_factory=lambda: SWITCHES)

    @property
    def recipe(self) -> Recipe:
        """The recipe as the switches change it.

        >>> RECIPES["described"].recipe.final_relu, RECIPES["as-coded"].recipe.final_relu
        (True, False)
        """
        return replace(self.plain, **{key: value for name in self.on for key, value in self.known[name].change.items()})

    def turned(self, states: Mapping[str, bool]) -> "SwitchedRecipe":
        """This recipe with some switches turned on or off; those that `states` does not name stay.

        Raises
        ------
        ValueError
            An unknown switch, or a state that is neither true nor false.

        >>> RECIPES["described"].turned({"detached-negatives": True}).on
        ('detached-negatives',)
        """
        check_switches(states, self.known)
        return replace(self, on=tuple(name for name in self.known if states.get(name, name in self.on)))


# In the order of the study's tables. Another commit of the public code is another entry: its plain recipe and its switches.
RECIPES = {
    "described": SwitchedRecipe(DESCRIBED),
    "as-coded": SwitchedRecipe(
        replace(
            DESCRIBED,
            name="as-coded",
            summary="the paper's text as its public code has it: the described recipe with nine switches on",
        ),
        on=(
            "detached-negatives",
            "zero-at-collapse",
            "soft-margin-as-coded",
            "zero-netvlad",
            "mixed-preprocessing",
            "frozen-batch-norm",
            "duplicate-tiles",
            "linear-head",
            "no-training-crop",
        ),
    ),
    "as-coded-june-1": SwitchedRecipe(
        replace(
            DESCRIBED,
            name="as-coded-june-1",
            summary="the public code of 1 June 2023, for ResNet50: a hinge on mined triplets; Adam at 1e-3, batch 16",
        ),
        on=(
            "zero-netvlad",
            "mixed-preprocessing",
            "frozen-batch-norm",
            "duplicate-tiles",
            "linear-head",
            "no-training-crop",
            "frozen-trunk-june-1",
            "bgr-in-training",
            "200-px",
            "no-projection",
            "keras-start",
            "adam-default-rate",
            "mined-triplets",
        ),
    ),
    "modern": SwitchedRecipe(MODERN),
}

# Losses to be compared at an equal budget: `modern` in everything but the loss and the length of embeddings.
LOSSES = {
    f"{loss}{suffix}": SwitchedRecipe(
        replace(
            MODERN,
            name=f"{loss}{suffix}",
            summary=f"the modern recipe with the loss {loss}, embeddings {'of unit length' if unit else 'of any length'}",
            phases=(Phase(loss),),
            unit_norm=unit,
        )
    )
    for loss in ("max-margin", "soft-margin", "infonce")
    for suffix, unit in (("", False), ("-unit", True))
}

# From which departures are screened: `described` made to learn within seconds.
SCREENING = {
    "screening": SwitchedRecipe(
        replace(
            DESCRIBED,
            name="screening",
            summary="the described losses, crops and ReLUs on the unit sphere; AdamW at 1e-3 along a cosine, batch 32",
            optimizer="adamw",
            learning_rate=1e-3,
            batch=32,
            weight_decay=0.05,
            cosine=True,
            unit_norm=True,
        )
    )
}


def in_words(recipe: str, states: Mapping[str, bool]) -> str:
    """A recipe's name with the switches that are turned on or off.

    >>> in_words("as-coded", {"linear-head": False})
    'as-coded without linear-head'
    """
    turned = ", ".join(f"{'with' if on else 'without'} {name}" for name, on in states.items())
    return f"{recipe} {turned}".strip()
