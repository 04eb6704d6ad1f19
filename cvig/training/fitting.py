"""Training a Siamese network by a recipe: `fit` sets up data, module and trainer, and runs them."""

import contextlib
import logging
import signal
import warnings
from collections.abc import Callable, Iterator

import lightning
import pandas as pd
import torch
from lightning.fabric.plugins.environments import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from cvig.datasets import PairedViews
from cvig.models import SiameseNetwork
from cvig.models.trunks import freeze
from cvig.ranking import Ranks
from cvig.training import processes
from cvig.training.caching import check_cachable
from cvig.training.continuation import BesideTheFile, KeepEpochs
from cvig.training.lightning_module import SiameseTraining
from cvig.training.progress import Bar
from cvig.training.recipes import Recipe
from cvig.training.sampling import Neighbours, batches_for
from cvig.training.shared import share_batch_norms


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
    """Train `network` in place.

    Several processes that ``torchrun``, ``srun`` or `cvig.training.starting.start` began train one network together if each
    calls this function with the same arguments. Each process takes its share of every batch; embeddings are gathered with
    their gradient, batch norm takes the statistics of the whole batch, and validation is embedded and ranked in shares. Loss
    and gradients equal those of one process but for rounding, unless the network has random layers. All processes return
    the same log and ranks.

    Parameters
    ----------
    network : SiameseNetwork
    recipe : Recipe
    train, val : PairedViews
        The network is trained on the first, and the second is ranked after every epoch.
    epochs : int
    batch, learning_rate : optional
        By default the recipe's. The batch is that of all processes together.
    seed : int
        Seed of the order of pairs and of the augmentation.
    workers : int
        Number of processes that read images.
    device : {"cpu", "cuda"}
    bf16 : bool
        Compute the towers in bfloat16 (autocast); losses are always float32.
    micro_batch : int
        Keep the activations of so many images at a time in memory, in each process, so that larger batches fit
        (`cvig.training.caching`); 0: of the whole batch.
    half_size_epochs : int
        Number of epochs at the start in which images are scaled to half their size. Such an epoch is a quarter of the work.
    report : callable, optional
        Called with each row of the log as it is made.
    keep : KeepEpochs, optional
        Keeps the training on disk. If its file holds kept epochs, the training continues after them, with an outcome that
        is equal to the last bit.

    Returns
    -------
    log : data frame
        One row an epoch (`SiameseTraining.log_rows`).
    ranks : list of Ranks
        The ranks of the validation views after each epoch.

    Raises
    ------
    ValueError
        Before any step: a batch that is larger than the data or no multiple of the number of processes, fewer validation
        views than processes, or a network that does not take images of half the size.
    FloatingPointError
        The loss is not finite any more.
    KeyboardInterrupt
        The training was interrupted.
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
    # `module.log_rows` counts epochs here, because the trainer's own count is one behind while it opens a kept epoch
    near = Neighbours(train, recipe, batch or recipe.batch, embed=lambda: module.embedded_whole(train))
    batches = batches_for(train, recipe, batch or recipe.batch, seed, lambda: len(module.log_rows), near)
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
        near=near,
        report=report,
    )
    loader = DataLoader(train, batch_sampler=batches, num_workers=workers, pin_memory=device == "cuda")
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    kept = keep.find() if keep else None
    several = {}
    if together > 1:
        # the loss of a later phase may have weights, which have no gradient before that phase
        several = {"strategy": DDPStrategy(find_unused_parameters=len(recipe.phases) > 1), "num_nodes": together}
    with warnings.catch_warnings(), _quiet("lightning.pytorch"), torch.random.fork_rng(devices):
        # Lightning warns that more workers or another device would be faster
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=devices or 1,
            precision="bf16-mixed" if bf16 else "32-true",
            logger=False,
            callbacks=[Bar(epochs, len(batches)), *filter(None, [keep])],
            plugins=[BesideTheFile()] + [Joined()] * (together > 1),
            enable_checkpointing=keep is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **several,
        )
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, loader, ckpt_path=kept, weights_only=True)
        except SystemExit as error:  # so Lightning ends at Ctrl-C, and the process then ignores the next one
            if not isinstance(error.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, interrupt)
    if len(module.log_rows) < epochs:
        raise KeyboardInterrupt(f"training stopped after {len(module.log_rows)} of {epochs} epochs")
    return pd.DataFrame(module.log_rows), module.val_ranks


class Joined(ClusterEnvironment):
    """Tells Lightning about the processes that `cvig.training.processes.join` connected: each is a node with one device."""

    creates_processes_externally = True
    main_address, main_port = "127.0.0.1", 0  # not used, because the processes are connected already

    @staticmethod
    def detect() -> bool:
        """False: Lightning is given this environment and does not detect it."""
        return False

    def world_size(self) -> int:
        """The number of processes."""
        return processes.count()

    def set_world_size(self, size: int) -> None:
        """Ignored; `processes.join` has set it."""

    def global_rank(self) -> int:
        """The number of this process."""
        return processes.rank()

    def set_global_rank(self, rank: int) -> None:
        """Ignored; `processes.join` has set it."""

    def local_rank(self) -> int:
        """0, because each process is the only one of its node."""
        return 0

    def node_rank(self) -> int:
        """The number of this process."""
        return processes.rank()


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let one logger report errors alone; its notes on the machine do not belong in a run's output."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
