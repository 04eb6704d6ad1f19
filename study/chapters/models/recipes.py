"""Recipes side by side, in words."""

from collections.abc import Mapping

import pandas as pd

from study.switches import SWITCHES, SwitchedRecipe

NAMES = {  # where a parameter's name alone does not say what it is
    "weight_decay": "weight decay",
    "cosine": "learning rate falls along a cosine",
    "warm_up": "share of steps before it falls",
    "clip": "largest number in a gradient",
    "crop_min": "smallest side of a crop",
    "quarter_turns": "tiles are turned by quarters",
    "unit_norm": "embeddings have length one",
    "final_relu": "ReLU after the last layer",
    "zero_residual": "residual blocks start as the identity",
    "detached_negatives": "no gradient through negatives",
    "zero_at_collapse": "no loss where all are equal",
    "soft_margin_as_coded": "soft margin as the code has it",
    "zero_netvlad": "NetVLAD's clusters start at zero",
    "dark": "images are darkened in training",
    "frozen_batch_norm": "batch norm is frozen",
    "duplicate_tiles": "a tile is repeated for each view",
    "anchor": "side of the anchor",
    "bgr": "red and blue are exchanged",
    "projection": "last linear layer of CVM-Net-I",
    "glorot": "layers start as Keras has them",
    "shared": "one tower for both sides",
    "joint_flips": "both images are flipped together",
    "joint_turns": "both images are turned together",
}
APART = ("name", "summary", "phases", "trained_from")  # said elsewhere


def in_words(value: object) -> str:
    """A parameter's value.

    >>> in_words(True), in_words(1e-05), in_words((0.0, 1.0)), in_words(16)
    ('yes', '1e-05', '0, 1', '16')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(in_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def recipe_table(recipes: Mapping[str, SwitchedRecipe]) -> pd.DataFrame:
    """What recipes differ in, a row a parameter; and how many switches of the paper's code each has turned on."""
    given = pd.DataFrame({name: vars(entry.recipe) for name, entry in recipes.items()}).drop(list(APART), errors="ignore")
    table = given.map(in_words)
    table = table[table.nunique(axis=1) > 1]
    table.index = [NAMES.get(name, name.replace("_", " ")) for name in table.index]
    table.loc["switches of the paper's code"] = [f"{len(entry.on)} of {len(SWITCHES)} on" for entry in recipes.values()]
    return table
