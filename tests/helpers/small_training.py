"""Settings of a training that ends within seconds."""

from pathlib import Path

from study.settings import TrainSettings


def small_settings(folder: Path | str, **options) -> TrainSettings:
    """A ResNet18 on a few small views of the world, into `folder`; `options` go before what is set here."""
    sizes = {
        "size": 32,
        "options": {"spacing": 16},
        "train_count": 16,
        "val_count": 4,
        "epochs": 1,
        "batch": 4,
        "threads": 1,
    }
    return TrainSettings(**{"arch": "resnet18", "out": str(folder), **sizes, **options})
