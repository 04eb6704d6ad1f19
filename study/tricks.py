"""What the field's best code does, trick by trick: each a switch of the recipes ``sample4geo`` and ``congeo``.

With all its switches on, a recipe is the library's (`cvig.training.recipes`); ``random-field-of-view`` is an option of
ConGeo's code and off there. Each can be turned alone, to see what it is worth.
"""

from dataclasses import replace

from cvig.training.recipes import CONGEO, SAMPLE4GEO
from study.switches import LOSSES, RECIPES, SCREENING, Switch, SwitchedRecipe

SAMPLE4GEO_AT, CONGEO_AT = "4dfb7f5", "acf7605"  # commits of Skyy93/Sample4Geo and eceo-epfl/ConGeo
TRICKS = {
    "shared-trunk": Switch("one tower embeds both sides", "sample4geo/model.py", {"shared": True}, SAMPLE4GEO_AT),
    "label-smoothing": Switch(
        "a tenth of the target is spread over the batch", "train_cvusa.py", {"label_smoothing": 0.1}, SAMPLE4GEO_AT
    ),
    "learned-temperature": Switch(
        "the temperature is learned, from .07 on", "sample4geo/model.py", {"learned_temperature": True}, SAMPLE4GEO_AT
    ),
    "cosine": Switch("the rate warms up and then falls along a cosine", "train_cvusa.py", {"cosine": True}, SAMPLE4GEO_AT),
    "geographic-sampling": Switch(
        "until similarity is known, batches are of places near one another",
        "sample4geo/dataset/cvusa.py",
        {"geographic": True},
        SAMPLE4GEO_AT,
    ),
    "similarity-mining": Switch(
        "after every four epochs batches are made anew of places that look alike",
        "sample4geo/dataset/cvusa.py, sample4geo/evaluate/cvusa_and_cvact.py",
        {"mine_every": 4},
        SAMPLE4GEO_AT,
    ),
    "mining-every-two-epochs": Switch(
        "the same after every two, for trainings of few epochs", "none", {"mine_every": 2}, "none"
    ),
    "joint-flips": Switch(
        "half of the pairs have left and right exchanged in both images",
        "sample4geo/dataset/cvusa.py",
        {"joint_flips": True},
        SAMPLE4GEO_AT,
    ),
    "joint-turns": Switch(
        "three quarters of the tiles are turned by quarters and their panoramas rolled",
        "sample4geo/dataset/cvusa.py",
        {"joint_turns": True},
        SAMPLE4GEO_AT,
    ),
    "appearance": Switch(
        "colour and sharpness are changed at random", "sample4geo/transforms.py", {"appearance": True}, SAMPLE4GEO_AT
    ),
    "coarse-dropout": Switch(
        "parts of three in ten of the images are blacked out", "sample4geo/transforms.py", {"dropout": True}, SAMPLE4GEO_AT
    ),
    "second-views": Switch(
        "second views of both sides, of random heading and half the field of view, are drawn to the first",
        "congeo/trainer.py, congeo/transforms.py",
        {"second_views": (0.5, 0.5, 0.25)},
        CONGEO_AT,
    ),
    "random-field-of-view": Switch(
        "second ground views see 70 to 360 degrees in place of 180",
        "congeo/transforms.py",
        {"second_fov": (70.0, 360.0)},
        CONGEO_AT,
    ),
}
OFF = {
    "shared": False,
    "label_smoothing": 0.0,
    "learned_temperature": False,
    "cosine": False,
    "geographic": False,
    "mine_every": 0,
    "joint_flips": False,
    "joint_turns": False,
    "appearance": False,
    "dropout": False,
    "second_views": (0.0, 0.0, 0.0),
}
ALONE = tuple(name for name in TRICKS if TRICKS[name].commit == SAMPLE4GEO_AT)
FIELD = {
    "sample4geo": SwitchedRecipe(replace(SAMPLE4GEO, **OFF), ALONE, TRICKS),
    "congeo": SwitchedRecipe(replace(CONGEO, **OFF), (*ALONE, "second-views"), TRICKS),
}
ALL = RECIPES | LOSSES | SCREENING | FIELD  # every recipe of the study by its name
