"""Training a Siamese network by a recipe: `fit` sets up data, module and trainer, and runs them."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator

import lightning
import pandas as pd
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from cvig.datasets import PairedViews
from cvig.models import SiameseNetwork
from cvig.models.trunks import freeze
from cvig.ranking import Ranks
from cvig.training import processes
from cvig.training.batches import EpochBatches
from cvig.training.caching import check_cachable
from cvig.training.continuation import BesideTheFile, KeepEpochs
from cvig.training.lightning_module import SiameseTraining
from cvig.training.recipes import Recipe
from cvig.training.shared import share_batch_norms


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let one logger report errors alone: its notes on the machine are no part of a run."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def fit(
    network: SiameseNetwork,
    recipe: Recipe,
    train: PairedViews,
    val: PairedViews,
    *,
    epochs: int,
    batch: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    workers: int = 0,
    device: str = "cpu",
    bf16: bool = True,
    micro_batch: int = 0,
    half_size_epochs: int = 0,
    report: Callable[[dict], None] | None = None,
    keep: KeepEpochs | None = None,
) -> tuple[pd.DataFrame, list[Ranks]]:
    """Train `network` in place; give the log, a row an epoch, and the validation ranks (see `SiameseTraining`).

    In processes that ``torchrun``, ``srun`` or `cvig.training.starting.start` began, each of which calls this with the same
    arguments, they train one network together: each takes its share of every batch, embeddings are gathered with gradient,
    batch norm takes the statistics of the whole batch, and validation is embedded and ranked in shares. Loss and gradients
    are those of one process but for rounding, unless layers draw by chance. All give the same log and ranks.

    Parameters
    ----------
    epochs : int
    batch, learning_rate : optional
        The recipe's where None. The batch is that of all processes together.
    seed : int
        Of the order of pairs and of the augmentation.
    workers : int
        Processes that decode images.
    device : {"cpu", "cuda"}
    bf16 : bool
        bfloat16 autocast in the towers; losses are always float32.
    micro_batch : int
        Hold the activations of so many images at a time, in each process, so that larger batches fit
        (`cvig.training.caching`); 0: of all.
    half_size_epochs : int
        The first so many epochs see images at half their size, a quarter of the work: most can be learned from those.
    report : callable, optional
        Called with each row of the log as it is made.
    keep : KeepEpochs, optional
        Keeps the training on disk as it goes; what it finds there is gone on from, with the same outcome to the last bit.

    Raises
    ------
    ValueError
        A batch larger than the data or no multiple of the processes, fewer validation views than processes, or a network
        that does not take images of half the size: before any step.
    FloatingPointError
        The loss is no longer finite.
    """
    if half_size_epochs and not network.takes_half_size():
        side = network.size
        raise ValueError(f"half_size_epochs={half_size_epochs}: this {network.arch} takes {side} × {side} images alone")
    for tower in (network.ground, network.aerial):
        freeze(tower.trunk, recipe.trained_from.get(network.arch))
    if micro_batch:
        check_cachable(network, recipe.frozen_batch_norm)
    together = processes.join(device)
    if val.gallery_count < together or val.ground_count < together:
        raise ValueError(f"{val.name} of {val.gallery_count} aerial images for {together} processes: expected one each")
    if together > 1:
        if any(phase.loss == "triplet" for phase in recipe.phases):
            raise ValueError(f"recipe '{recipe.name}' mines its triplets in the batch of one process: it trains in no more")
        share_batch_norms(network, device)
    # the trainer's current_epoch is one behind while it opens the data to go on from a kept epoch
    batches = EpochBatches(train, batch or recipe.batch, seed, epoch=lambda: len(module.log_rows))
    module = SiameseTraining(
        network,
        recipe,
        train,
        val,
        learning_rate=learning_rate or recipe.learning_rate,
        steps=epochs * len(batches),
        seed=seed,
        bf16=bf16,
        micro_batch=micro_batch,
        half_size_epochs=half_size_epochs,
        report=report,
    )
    loader = DataLoader(train, batch_sampler=batches, num_workers=workers)
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    kept = keep.find() if keep else None
    several = {}
    if together > 1:
        # a later phase's loss may have weights, which are none of the gradient's before it
        several = {"strategy": DDPStrategy(find_unused_parameters=len(recipe.phases) > 1), "num_nodes": together}
    with warnings.catch_warnings(), _quiet("lightning.pytorch"), torch.random.fork_rng(devices):
        # Lightning advises more workers and a device other than the one that was chosen.
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=devices or 1,
            precision="bf16-mixed" if bf16 else "32-true",
            logger=False,
            callbacks=[keep] if keep else [],
            plugins=[BesideTheFile()] + [processes.Joined()] * (together > 1),
            enable_checkpointing=keep is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **several,
        )
        trainer.fit(module, loader, ckpt_path=kept, weights_only=True)
    if len(module.log_rows) < epochs:
        # Lightning swallows Ctrl-C; a run cut short must not be taken for a finished one.
        raise KeyboardInterrupt(f"training stopped after {len(module.log_rows)} of {epochs} epochs")
    return pd.DataFrame(module.log_rows), module.val_ranks
