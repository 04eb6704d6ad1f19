"""What one sees while a training runs: a line an epoch, and a word in time where a tower collapses."""

from collections.abc import Callable
from pathlib import Path

FEW = 0.1  # share of distinct rows below which a tower is collapsing; tiles that four views share leave a quarter
LITTLE = 0.01  # spread of a tower's embeddings, as a share of their norm, below which it is


def collapsing(row: dict) -> list[str]:
    """Which towers an epoch's row of the log shows to collapse, a phrase each.

    >>> collapsing({"ground_distinct": 1.0, "ground_spread": 0.5, "aerial_distinct": 0.03, "aerial_spread": 0.5})
    ['aerial tower: 3% distinct rows']
    """
    found = []
    for tower in ("ground", "aerial"):
        distinct, spread = row[f"{tower}_distinct"], row[f"{tower}_spread"]
        if distinct < FEW:
            found.append(f"{tower} tower: {100 * distinct:.2g}% distinct rows")
        elif spread < LITTLE:
            found.append(f"{tower} tower: a spread of {spread:.1e} of the norm")
    return found


def print_row(row: dict) -> None:
    """Print an epoch's row of the log in a line, and a second one where a tower collapses."""
    print(
        f"epoch {row['epoch']:3d}  {row['phase']:11s} loss {row['loss']:.4f}  val R@1% {row['val_recall_1pct']:6.2f}  "
        f"PSSR {row['val_pssr']:.4f}  spread {row['ground_spread']:.3f} / {row['aerial_spread']:.3f}  "
        f"{row['seconds']:.0f} s",
        flush=True,
    )
    if found := collapsing(row):
        print(f"           collapsing: {', '.join(found)}. Stop, and lower the learning rate?", flush=True)


def to_tensorboard(root: str, run: Path) -> Callable[[dict], None]:
    """What puts an epoch's row of the log into TensorBoard's files, in a folder of the run's name below `root`.

    Raises
    ------
    ValueError
        The package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError(f"parameter tensorboard={root!r}: tensorboard is not installed (pip install tensorboard)") from None
    writer = SummaryWriter(str(Path(root, run.name)))

    def write(row: dict) -> None:
        for name, value in row.items():
            if isinstance(value, (int, float)) and name != "epoch":
                writer.add_scalar(name, value, row["epoch"])
        writer.flush()

    return write
