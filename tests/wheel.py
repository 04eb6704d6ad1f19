"""What `pip install cvig` gives, run by `make test-lowest` where nothing else is installed: no test of the working tree."""

import json
import re
import subprocess
import sys
from importlib.metadata import files, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
CVIG = Path(sys.executable).with_name("cvig")


def run(*words) -> subprocess.CompletedProcess:
    return subprocess.run([CVIG, *map(str, words)], capture_output=True, text=True)


def test_it_holds_the_whole_library_and_nothing_of_the_study():
    held = {path.as_posix() for path in files("cvig") if path.parts[0] == "cvig" and "__pycache__" not in path.parts}
    tree = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cvig").rglob("*.*") if "__pycache__" not in path.parts}
    assert held == tree
    assert {path.parts[0] for path in files("cvig")} - {"..", "cvig"} == {f"cvig-{version('cvig')}.dist-info"}
    assert "study" not in packages_distributions()


def test_its_dependencies_are_the_oldest_it_declares():
    core = [line for line in requires("cvig") if "extra ==" not in line]
    bounds = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in core)
    found = {name: version(name) for name in bounds}
    assert all(re.fullmatch(rf"{re.escape(bounds[name])}(\.0|\.\d+)?", found[name]) for name in bounds), found


def test_it_scores_files_alone(tmp_path):
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((300, 16)).astype(np.float32)
    np.save(tmp_path / "gallery.npy", gallery)
    np.save(tmp_path / "query.npy", gallery + rng.standard_normal(gallery.shape).astype(np.float32))
    done = run("score", "--query", tmp_path / "query.npy", "--gallery", tmp_path / "gallery.npy", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert 0.5 < json.loads(done.stdout)["summary"]["PSSR"]["value"] < 1


def test_it_examines_a_printed_table(tmp_path):
    (tmp_path / "table.csv").write_text("model,R@1,R@5,R@10\na,12.35,30.86,45.68\nb,13.58,32.10,50.62\n")
    done = run("examine", tmp_path / "table.csv")
    assert done.returncode == 0, done.stderr
    assert "6 cells" in done.stdout


def test_what_needs_an_extra_says_which():
    if find_spec("torch") is None:
        done = run("world", "folder")
        assert done.returncode == 2
        assert done.stderr.endswith("pip install 'cvig[train]'\n")


@pytest.mark.skipif(find_spec("lightning") is None, reason="of the extra 'train'")
def test_it_trains_saves_and_loads_where_training_is_installed(tmp_path):
    import cvig
    from cvig.models import build
    from cvig.training import fit
    from cvig.training.embedding import embed_gallery, embed_ground
    from cvig.training.recipes import MODERN

    options = {"size": 32, "spacing": 16}
    train, val = (cvig.load_data("world", None, split, count=24, **options) for split in ("train", "val"))
    network = build("resnet18", size=32, seed=0)
    log, ranks = fit(network, MODERN, train, val, epochs=2, batch=8, seed=0)
    assert log.loss.notna().all()
    assert len(log) == len(ranks) == 2
    network.save(tmp_path / "network")
    again = cvig.load_network(tmp_path / "network")
    for embed in (embed_ground, embed_gallery):
        np.testing.assert_array_equal(embed(again, val), embed(network, val))
