"""Two processes train as one does: on the CPU, which meet by gloo."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import together
import torch
from noise import Noise

from cvig.training import processes
from cvig.training.batches import EpochBatches
from cvig.training.starting import ProcessFailed, start

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, str(ROOT / "tests" / "helpers" / "together.py")]
# without batch norm, whose division by a deviation of few values makes more of rounding
GRADIENT, WITH_BATCH_NORM = 1e-5, 1e-3


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")]))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What one process leaves, and what two leave."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    threads = torch.get_num_threads()
    together.run(one)
    torch.set_num_threads(threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")]))
        start([*PROGRAM, str(two)], 2)
    return one, two


def gradient(folder: Path, name: str) -> torch.Tensor:
    """Ten times Adam's first moment after one step, of all parameters."""
    states = torch.load(folder / f"{name}-1.ckpt", weights_only=True)["optimizer_states"][0]["state"]
    return 10 * torch.cat([state["exp_avg"].flatten() for state in states.values()])


@pytest.mark.parametrize(("name", "tolerance"), [("sample4geo", GRADIENT), ("modern", WITH_BATCH_NORM)])
def test_two_processes_have_the_loss_and_gradient_of_one(folders, name, tolerance):
    one, two = (gradient(folder, name) for folder in folders)
    assert (one - two).norm() < tolerance * one.norm()
    losses = [np.load(folder / f"{name}.npz")["loss"][0] for folder in folders]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6 if name == "sample4geo" else 1e-4)


def test_two_processes_mine_the_same_neighbours_as_one_and_train_on_them_alike(folders):
    """Each embeds its share of the twelve pairs; in the second epoch batches are of what looks alike in all of them."""
    one, two = (torch.load(folder / "sample4geo.ckpt", weights_only=True)["progress"] for folder in folders)
    assert one["near"]["mined"] == two["near"]["mined"] == 1
    assert (one["near"]["rows"] == two["near"]["rows"]).all()
    assert two["log_rows"][1]["loss"] == pytest.approx(one["log_rows"][1]["loss"], rel=1e-5)


def test_two_processes_rank_the_validation_views_as_one_does(folders):
    """Each embeds its share of seven views and of their images, and counts in its own part of the gallery."""
    one, two = (np.load(folder / "sample4geo.npz")["closer"] for folder in folders)
    assert one.shape == (2, 7)
    assert (one == two).all()


def test_two_processes_go_on_from_what_one_has_kept(folders, tmp_path):
    one, _ = folders
    (tmp_path / "sample4geo.ckpt").write_bytes((one / "sample4geo-1.ckpt").read_bytes())
    start([*PROGRAM, str(tmp_path), "resume"], 2)
    first, second = (np.load(folder / "sample4geo.npz") for folder in (one, tmp_path))
    assert first["seconds"][0] == second["seconds"][0]  # the first epoch was read, not made
    assert second["loss"] == pytest.approx(first["loss"], rel=1e-5)


def test_what_two_processes_keep_is_written_by_one_and_read_by_both(folders):
    """An epoch is kept, and another one after going on from it."""
    lines = (folders[1] / "sample4geo.txt").read_text().splitlines()
    assert [line for line in lines if "written" in line] == ["written by 0"] * 2
    assert {line for line in lines if "read" in line} == {"read by 0", "read by 1"}


@pytest.mark.parametrize(("how", "reason"), [("kill", r"was killed \(SIGKILL"), ("fail", "ended with code 1: no such pair")])
def test_a_process_that_ends_badly_ends_all_with_its_reason(tmp_path, how, reason):
    with pytest.raises(ProcessFailed, match=f"process 1 of 2 {reason}"):
        start([*PROGRAM, str(tmp_path), how], 2)
    assert not list(tmp_path.iterdir())


def test_processes_end_with_the_one_that_started_them(tmp_path):
    """They are in its place: a kill of the command leaves no training behind."""
    lines = f"from cvig.training.starting import start\nstart({[*PROGRAM, str(tmp_path), 'wait']!r}, 2)"
    process = subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE, text=True)
    numbers = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    for number in numbers:
        for _ in range(100):
            if not Path(f"/proc/{number}").exists():
                break
            together.time.sleep(0.1)
        else:
            pytest.fail(f"process {number} outlives its command")


def test_batch_norm_of_two_shares_is_that_of_the_whole(folders):
    for name in ("output", "input_gradient", "weight_gradient", "bias_gradient", "mean", "variance"):
        one, two = (np.load(folder / "norm.npz")[name] for folder in folders)
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)


def test_shares_are_even_and_cover_all(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        shares.append(processes.share(10))
    assert [i for share in shares for i in share] == list(range(10))
    assert {len(share) for share in shares} == {3, 4}


def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 3)
    with pytest.raises(ValueError, match="batch of 8 for 3 processes: expected a multiple of their number"):
        EpochBatches(Noise(), 8, seed=0, epoch=lambda: 0)
