"""What one sees of a training in a terminal, and what the machine tells of its energy."""

import io
from dataclasses import replace

import pytest
from noise import Noise

from cvig.models import build
from cvig.training import fit
from cvig.training.progress import Meter
from cvig.training.recipes import MODERN


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_a_bar_with_the_time_left_is_shown_in_a_terminal_alone(kind, monkeypatch):
    said = kind()
    monkeypatch.setattr("sys.stderr", said)
    network = build("conv4-layernorm", size=32, unit_norm=True, pool=1)
    monkeypatch.setattr("tqdm.std.tqdm.monitor_interval", 0)
    fit(network, replace(MODERN, crop_min=1.0), Noise(8), Noise(4, seed=1), epochs=2, batch=4, bf16=False)
    if kind is Terminal:
        assert "training:" in said.getvalue()
        assert "/4 [" in said.getvalue()  # two steps an epoch
        assert said.getvalue().rstrip(" \r").endswith("]") or said.getvalue().endswith("\r")  # and it is taken away
    else:
        assert said.getvalue() == ""


def test_energy_is_that_of_all_packages_and_a_counter_may_start_over(tmp_path):
    def tell(**microjoules: int) -> None:
        for name, value in microjoules.items():
            folder = tmp_path / f"intel-rapl:{name[1:]}"
            folder.mkdir(exist_ok=True)
            (folder / "energy_uj").write_text(f"{value}\n")
            (folder / "max_energy_range_uj").write_text("1000000000\n")

    tell(p0=999_000_000, p1=5_000_000)
    meter = Meter("cpu", tmp_path)
    assert meter.read() == 0
    tell(p0=1_000_000, p1=7_500_000)
    assert meter.read() == pytest.approx(2 + 2.5)
    tell(p0=2_000_000, p1=7_500_000)
    assert meter.read() == pytest.approx(5.5)


def test_energy_that_nothing_tells_stays_unknown(tmp_path):
    assert Meter("cpu", tmp_path).read() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert Meter("cpu", tmp_path).read() is None
