"""The network of cvig locate --demo is small, and says how it was trained."""

import json

from cvig.locate import Model, demo
from study.demo import PARAMETERS


def test_the_network_of_the_demo_is_small_and_says_how_it_was_trained():
    assert sum(path.stat().st_size for path in demo.MODEL.iterdir()) < 2**20
    assert Model.read(demo.MODEL).fov == 90
    record = json.loads((demo.MODEL / "train.json").read_text())
    assert record["parameters"] == PARAMETERS
