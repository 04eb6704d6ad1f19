import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from cvig.datasets import PairedViews, cache, folders
from cvig.datasets.cache import CachedViews
from cvig.datasets.crops import PanoramaViews
from cvig.datasets.files import FileViews
from study.sessions.evaluation import open_evaluation
from study.sessions.training import open_training
from study.settings import EvaluateSettings, TrainSettings


def write_images(root: Path, ground: int, aerial: int) -> tuple[list[Path], list[Path]]:
    """JPEG noise: panoramas of 24 × 132 and tiles of 40 × 40 pixels."""
    sides = []
    for side, count, shape in (("g", ground, (24, 132, 3)), ("a", aerial, (40, 40, 3))):
        files = [root / f"{side}{i:04d}.jpg" for i in range(count)]
        for i, path in enumerate(files):
            noise = np.random.default_rng([i, len(side), count]).integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(noise).save(path)
        sides.append(files)
    return tuple(sides)


@pytest.fixture
def source(tmp_path):
    """Twelve ground views of six aerial images."""
    (tmp_path / "data").mkdir()
    return FileViews("some/train", *write_images(tmp_path / "data", 12, 6), np.arange(12) // 2, size=(10, 14))


def assert_same(cached: CachedViews, source) -> None:
    assert all(torch.equal(cached.ground_image(i), source.ground_image(i)) for i in range(source.ground_count))
    assert all(torch.equal(cached.aerial_image(i), source.aerial_image(i)) for i in range(source.gallery_count))


def counted(source, monkeypatch) -> list[str]:
    """A list that grows by one with every image decoded."""
    decoded = []
    for name in ("ground_image", "aerial_image"):
        image = getattr(source, name)
        monkeypatch.setattr(source, name, lambda i, name=name, image=image: decoded.append(f"{name} {i}") or image(i))
    return decoded


def test_a_cache_holds_what_the_files_decode_to_and_decodes_once(source, tmp_path, monkeypatch):
    first = CachedViews(source, tmp_path / "cache")
    assert_same(first, source)
    assert first[7]["place"] == source[7]["place"]
    assert (first.name, first.digest, len(first)) == (source.name, source.digest, len(source))
    decoded = counted(source, monkeypatch)
    again = CachedViews(source, tmp_path / "cache")
    assert again.folder == first.folder
    assert torch.equal(again[3]["aerial"], first[3]["aerial"])
    assert decoded == []
    assert sorted(path.name for path in first.folder.iterdir()) == ["aerial.npy", "ground.npy", "sums.json"]


def test_a_batch_is_the_same_from_worker_processes_and_a_pickle_carries_no_images(source, tmp_path):
    data = CachedViews(source, tmp_path / "cache")
    data.ground_image(0)
    loaders = [DataLoader(data, batch_size=4, num_workers=workers) for workers in (0, 2)]
    for here, there in zip(*loaders, strict=True):
        assert torch.equal(here["ground"], there["ground"])
        assert torch.equal(here["aerial"], there["aerial"])
    data.aerial_image(0)
    sent = pickle.dumps(data)
    assert data.ground_image(5).numpy().tobytes() not in sent
    assert_same(pickle.loads(sent), source)


def test_views_of_panoramas_and_polar_images_are_cached_as_they_are_made(source, tmp_path):
    made = PanoramaViews(source, views="four", polar=True)
    data = CachedViews(made, tmp_path)
    assert_same(data, made)
    assert data.places.tolist() == np.repeat(np.arange(12) // 2, 4).tolist()
    assert data.polar
    box = torch.tensor([0.1, 0.2, 0.7, 0.8])
    assert torch.equal(data.cropped_aerial(2, box), made.cropped_aerial(2, box))
    assert CachedViews(PanoramaViews(source, views="strips"), tmp_path).folder != data.folder


def test_what_the_images_depend_on_is_in_the_key(source, tmp_path):
    folder = CachedViews(source, tmp_path / "cache").folder
    other = FileViews(source.name, source.ground, source.aerial, source.positives, size=(10, 15))
    assert CachedViews(other, tmp_path / "cache").folder != folder
    # another picture of exactly as many bytes, as old, under the same name
    path, before = source.ground[3], source.ground[3].stat()
    Image.fromarray(np.zeros((24, 132, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes() + bytes(before.st_size - path.stat().st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = FileViews(source.name, source.ground, source.aerial, source.positives, size=source.size)
    fresh = CachedViews(changed, tmp_path / "cache")
    assert fresh.folder != folder
    assert fresh.ground_image(3).max() == 0


@pytest.mark.parametrize("side", ["ground", "aerial"])
def test_a_corrupt_file_is_named_and_what_was_built_is_no_cache(source, tmp_path, monkeypatch, side):
    good = getattr(source, side)[5].read_bytes()
    bad = getattr(source, side)[5]
    bad.write_bytes(good[: len(good) // 2])
    os.utime(bad, ns=(1, 1))
    for _ in range(2):
        with pytest.raises(ValueError, match=str(bad)) as error:
            CachedViews(source, tmp_path / "cache")
        assert "\n" not in str(error.value)
    bad.write_bytes(good)
    assert_same(CachedViews(source, tmp_path / "cache"), source)


def test_images_of_several_sizes_are_refused(tmp_path):
    ground, aerial = write_images(tmp_path, 2, 2)
    Image.new("RGB", (9, 9)).save(ground[1])
    with pytest.raises(ValueError, match=r"some: image 1 is \(3, 9, 9\), the first \(3, 24, 132\)"):
        CachedViews(FileViews("some", ground, aerial, np.arange(2), size=None), tmp_path / "cache")


def test_a_full_disk_is_said_before_decoding(source, tmp_path, monkeypatch):
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda _: SimpleNamespace(free=5000))
    with pytest.raises(ValueError, match=r"needs 0\.0 GB, and the disk has 0\.0 GB free"):
        CachedViews(source, tmp_path / "cache")


def test_only_files_can_be_cached(tmp_path):
    data = PairedViews()
    data.name = "world/val"
    with pytest.raises(ValueError, match="world/val has no image files to cache"):
        CachedViews(data, tmp_path)
    assert list(tmp_path.iterdir()) == []


SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from cvig.datasets import cache
from cvig.datasets.files import FileViews

class Slow(FileViews):
    def ground_image(self, index):
        time.sleep({delay})
        with open(sys.argv[3], "a") as log:
            print(index, file=log)
        return super().ground_image(index)

root = Path(sys.argv[1])
source = Slow("some/train", sorted(root.glob("g*")), sorted(root.glob("a*")), np.arange(12) // 2, size=(10, 14))
cache.CachedViews(source, sys.argv[2], threads=2)
"""


def build(source: FileViews, folder: Path, delay: float) -> subprocess.Popen:
    command = [sys.executable, "-c", SLOW.format(delay=delay), str(source.ground[0].parent), str(folder), f"{folder}.log"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def test_a_build_that_is_killed_is_no_cache_and_begins_anew(source, tmp_path):
    folder = tmp_path / "cache"
    process = build(source, folder, delay=0.1)
    log = Path(f"{folder}.log")
    try:
        deadline = time.monotonic() + 60
        while not (log.exists() and len(log.read_text().split()) > 4) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = [path.name for path in folder.iterdir()]
    assert any(name.endswith(".building") for name in left)
    assert all(name.startswith(".") for name in left)
    data = CachedViews(source, folder)
    assert_same(data, source)
    assert [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] == [data.folder.name]


@pytest.mark.parametrize("harm", ["zeros", "shorter", "lost", "no sums"])
def test_a_damaged_cache_is_set_aside_and_built_anew(source, tmp_path, harm, capsys):
    data = CachedViews(source, tmp_path / "cache")
    path, sums = data.folder / "ground.npy", data.folder / folders.SUMS
    content = bytearray(path.read_bytes())
    if harm == "zeros":
        content[700:900] = bytes(200)  # in the second image
        path.write_bytes(content)
    elif harm == "shorter":
        path.write_bytes(content[:-1])
    elif harm == "lost":
        path.unlink()
    else:
        sums.write_text("{")
    capsys.readouterr()
    assert_same(CachedViews(source, tmp_path / "cache"), source)
    said = [line for line in capsys.readouterr().err.split("\n") if "damaged" in line]
    assert said == [f"cache '{data.folder}' is damaged: it is '{data.folder.name}.damaged' now, and is built anew"]
    assert (tmp_path / "cache" / f"{data.folder.name}.damaged").is_dir()


def test_the_room_of_a_cache_is_reserved_before_it_is_mapped(source, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "posix_fallocate", full)
    with pytest.raises(ValueError, match=r"ground\.npy', 0\.0 GB: No space left on device"):
        CachedViews(source, tmp_path / "cache")
    assert all(path.name.endswith(".lock") for path in (tmp_path / "cache").iterdir())


def test_two_processes_that_want_one_cache_build_it_once(source, tmp_path):
    folder = tmp_path / "cache"
    processes = [build(source, folder, delay=0.05) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(Path(f"{folder}.log").read_text().split()) == 1 + 12  # the first image once more, for its shape
    assert_same(CachedViews(source, folder), source)


def test_training_and_evaluation_from_a_cache_are_those_from_the_files(tmp_path):
    for side, seed in (("clean_ground", 0), ("clean_aerial", 1)):
        (tmp_path / "flat" / side).mkdir(parents=True)
        for i in range(16):
            noise = np.random.default_rng([seed, i]).integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "flat" / side / f"{i}.jpg")
    folder, scores = tmp_path / "decoded", []
    for name, where in (("files", ""), ("cache", str(folder))):
        run = str(tmp_path / name / "run")
        settings = TrainSettings(
            arch="resnet18", data="flat", root=str(tmp_path / "flat"), size=32, epochs=1, out=run, threads=1, cache=where
        )
        session = open_training(settings)
        log = session.fit()
        session.finish()
        evaluation = open_evaluation(EvaluateSettings(run=run, threads=1))
        evaluation.score()
        scores.append((log.drop(columns="seconds"), evaluation.scored["cropped"].summary))
    assert all(here.equals(there) for here, there in zip(*scores, strict=True))
    assert sorted(path.name.rsplit("-", 1)[0] for path in folder.glob("[!.]*")) == ["flat-test", "flat-train", "flat-val"]
