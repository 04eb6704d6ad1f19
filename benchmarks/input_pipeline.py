"""Does the input pipeline keep a trainer fed? python benchmarks/input_pipeline.py [--help]

The training step of the modern recipe (ResNet50, 112 px, bfloat16, channels last) on two threads is timed on one batch in
memory without augmentation, and on pairs that come from JPEG files of CVUSA's sizes by each way of reading them, cropped and
turned. The ways take turns, so that a busy machine slows all of them; ratios are of neighbors in time, and their median
counts.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.io import ImageReadMode, decode_image

from cvig.datasets.cache import CachedViews
from cvig.datasets.files import FileViews
from cvig.datasets.images import read_image
from cvig.models import build
from cvig.training import SiameseTraining
from cvig.training.batches import EpochBatches
from cvig.training.recipes import RECIPES

STEPS = 2
SHAPES = {"ground": (224, 1232, 4.5), "aerial": (750, 750, 5.5)}  # height, width, grain: about 50 and 100 kB
EXPECTED = 0.9


class FullDecode(FileViews):
    """Decoded at full size by Pillow, then scaled."""

    def _read(self, path: Path) -> torch.Tensor:
        picture = Image.fromarray(read_image(path).permute(1, 2, 0).numpy())
        return torch.from_numpy(np.asarray(picture.resize(self.size[::-1], Image.Resampling.BILINEAR)).copy()).permute(
            2, 0, 1
        )

    def ground_image(self, index: int) -> torch.Tensor:
        return self._read(self.ground[index])

    def aerial_image(self, row: int) -> torch.Tensor:
        return self._read(self.aerial[row])


class TorchvisionDecode(FullDecode):
    """Decoded at full size by torchvision, then scaled."""

    def _read(self, path: Path) -> torch.Tensor:
        image = decode_image(str(path), ImageReadMode.RGB)[None]
        return F.interpolate(image, self.size, mode="bilinear", antialias=True)[0]


def write_jpegs(folder: Path, pairs: int) -> dict[str, list[Path]]:
    """Images with structure at every scale, falling off as in photographs, and grain that brings the files to size."""
    files = {}
    for side, (height, width, grain) in SHAPES.items():
        files[side] = [folder / f"{side}{i:05d}.jpg" for i in range(pairs)]
        for i, path in enumerate(files[side]):
            generator = torch.Generator().manual_seed(2 * i + (side == "aerial"))
            image = torch.full((1, 3, height, width), 127.5)
            for octave in range(1, 8):
                noise = torch.randn(1, 3, 2**octave, 2**octave * width // height, generator=generator)
                image += 90 / 2**octave * 1.6 * F.interpolate(noise, (height, width), mode="bicubic")
            image += grain * torch.randn(1, 1, height, width, generator=generator)
            pixels = image[0].clamp(0, 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(path, quality=85)
    return files


def reading_speed(data: FileViews) -> float:
    """Pairs a second that one thread reads, the median of three runs."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for i in range(min(64, len(data))):
            data[i]
        times.append((time.perf_counter() - start) / min(64, len(data)))
    return 1 / sorted(times)[1]


class Trainer:
    """Training steps on demand, with or without augmentation."""

    def __init__(self, data: CachedViews, arch: str, size: int):
        recipe = RECIPES["modern"]
        settings = {"learning_rate": 1e-4, "steps": STEPS, "seed": 0, "bf16": True}
        self.module = SiameseTraining(build(arch, size=size), recipe, data, data, **settings)
        self.module.network.train().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=1e-4)
        self.recipes = {True: recipe, False: replace(recipe, crop_min=1.0, quarter_turns=False)}

    def seconds(self, batches, augmented: bool) -> float:
        """Of STEPS steps, reading included."""
        self.module.recipe = self.recipes[augmented]
        start, source = time.perf_counter(), iter(batches)
        for step in range(STEPS):
            batch = next(source)
            with torch.autocast("cpu", torch.bfloat16):
                loss = self.module.training_step(batch, step)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("arch", "resnet50"), ("pairs", 128), ("rounds", 7), ("size", 112), ("batch", 32), ("threads", 2)):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    given = parser.parse_args()
    pairs, rounds, size, batch = given.pairs, given.rounds, given.size, given.batch
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as name:
        files = write_jpegs(Path(name), pairs)
        for side, paths in files.items():
            height, width, _ = SHAPES[side]
            kilobytes = np.mean([path.stat().st_size for path in paths]) / 1000
            print(f"{pairs} {side} images of {width} × {height} pixels, {kilobytes:.0f} kB each")
        arguments = ("benchmark", files["ground"], files["aerial"], np.arange(pairs))
        ways = {
            "Pillow, decoded in full": FullDecode(*arguments, size=(size, size)),
            "torchvision, decoded in full": TorchvisionDecode(*arguments, size=(size, size)),
            "Pillow, scaled while decoding": FileViews(*arguments, size=(size, size)),
        }
        start = time.perf_counter()
        ways["cache"] = CachedViews(ways["Pillow, scaled while decoding"], Path(name) / "cache")
        print(f"cache built at {pairs / (time.perf_counter() - start):.0f} pairs a second")
        trainer = Trainer(ways["cache"], given.arch, size)
        batches = {
            way: DataLoader(data, batch_sampler=EpochBatches(data, batch, 0, epoch=lambda: 0)) for way, data in ways.items()
        }
        fixed = next(iter(batches["cache"]))
        trainer.seconds([fixed] * STEPS, augmented=True)
        ratios, base = {way: [] for way in ways}, []
        for _ in range(rounds):
            for way in ways:
                base.append(trainer.seconds([fixed] * STEPS, augmented=False))
                ratios[way].append(base[-1] / trainer.seconds(batches[way], augmented=True))
        print(f"training on one batch in memory, not augmented: {STEPS * batch / np.median(base):.1f} pairs a second")
        print("way of reading                   read alone, pairs/s   share of that training: median (least to most)")
        for way, data in ways.items():
            low, middle, high = np.quantile(ratios[way], [0, 0.5, 1])
            verdict = "" if middle >= EXPECTED else f"  below {EXPECTED}"
            print(f"{way:32s} {reading_speed(data):19.0f}   {middle:.3f} ({low:.3f} to {high:.3f}){verdict}")


if __name__ == "__main__":
    main()
