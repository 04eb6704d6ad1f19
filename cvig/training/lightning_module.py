"""The Lightning module of a training: its losses, its steps, and the log that it writes after each epoch."""

import math
import time
from collections.abc import Callable

import lightning
import numpy as np
import torch
from torch import nn

from cvig.datasets import PairedViews
from cvig.losses import InfoNCELoss, MaxMarginLoss, SoftMarginLoss, TripletLoss
from cvig.metrics import pssr, recall_at_k
from cvig.metrics.collapse import distinct_rows, relative_spread
from cvig.models import SiameseNetwork
from cvig.models.trunks import batch_norms
from cvig.ranking import Ranks, exact_ranks
from cvig.ranking.shards import distributed_ranks
from cvig.training import processes
from cvig.training.augmentation import views_of_pairs
from cvig.training.caching import embed_in_parts
from cvig.training.embedding import embed_gallery, embed_ground
from cvig.training.mining import triplets
from cvig.training.recipes import Recipe
from cvig.training.sampling import Neighbours
from cvig.training.shared import gather_rows


class SiameseTraining(lightning.LightningModule):
    """A Lightning module that trains one network by one recipe.

    Parameters
    ----------
    network : SiameseNetwork
    recipe : Recipe
    train : PairedViews
        The training data. The loss ``"triplet"`` takes the candidates of its negatives from it, in an order of their own.
    val : PairedViews
        The validation data, which are ranked after every epoch.
    learning_rate : float
    steps : int
        Number of steps of the whole training, for the recipe's schedule.
    seed : int
        Seed of the augmentation and of the triplets' candidates.
    bf16 : bool
        Whether validation views are embedded in bfloat16; the trainer sets the precision of training.
    micro_batch : int
        Keep the activations of so many images at a time in memory (`cvig.training.caching`); 0: of the whole batch.
    half_size_epochs : int
        Number of epochs at the start in which images are scaled to half their size, in training and in validation.
    near : Neighbours, optional
        What batches are sampled by; it is kept with the training.
    report : callable, optional
        Called with each epoch's row of the log.

    Attributes
    ----------
    log_rows : list of dict
        A row an epoch: epoch (from 1), phase (its loss), loss (mean over the epoch), val_recall_1pct (in %), val_pssr (in
        [0, 1]), ground_spread, aerial_spread (`cvig.metrics.collapse.relative_spread`), ground_distinct, aerial_distinct
        (distinct embeddings as a share of the rows), seconds.
    val_ranks : list of Ranks
        The ranks of the validation views after each epoch.
    """

    def __init__(
        self,
        network: SiameseNetwork,
        recipe: Recipe,
        train: PairedViews,
        val: PairedViews,
        *,
        learning_rate: float,
        steps: int,
        seed: int,
        bf16: bool,
        micro_batch: int = 0,
        half_size_epochs: int = 0,
        near: Neighbours | None = None,
        report: Callable[[dict], None] | None = None,
    ):
        super().__init__()
        self.network, self.recipe, self.train_data, self.val = network, recipe, train, val
        self.learning_rate, self.steps, self.seed, self.bf16, self.report = learning_rate, steps, seed, bf16, report
        self.half_size_epochs, self.micro_batch, self.near = half_size_epochs, micro_batch, near
        self.losses = nn.ModuleList(make_loss(phase.loss, recipe) for phase in recipe.phases)
        self.phase = 0
        self.log_rows: list[dict] = []
        self.val_ranks: list[Ranks] = []
        self._epoch_losses: list[float] = []
        self._best, self._stale = math.inf, 0

    def configure_optimizers(self) -> dict:
        """Adam or AdamW with the recipe's schedule; biases, normalization and the temperature have no weight decay."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.recipe.optimizer]
        optimizer = kind(groups, lr=self.learning_rate, fused=True)  # one pass over the weights
        # `steps` is given because the trainer's own count would open the first epoch, also when a training is continued
        steps, warm = self.steps, max(1, int(self.steps * self.recipe.warm_up))

        def factor(step: int) -> float:
            if not self.recipe.cosine:
                return 1.0
            return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: object, **__: object) -> None:
        """Clip each number of the gradients, as the recipe asks; the trainer refuses to for fused optimizers in bf16."""
        if self.recipe.clip:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_value_(parameters, self.recipe.clip)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Add the log, the validation ranks and the phase to the checkpoint, so that the training can be continued."""
        checkpoint["progress"] = {
            "log_rows": self.log_rows,
            "val_ranks": [(torch.from_numpy(r.closer), torch.from_numpy(r.tied), r.gallery_size) for r in self.val_ranks],
            "phase": (self.phase, self._best, self._stale),
            "near": self.near and self.near.state,
        }

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Read the log, the validation ranks and the phase from a checkpoint."""
        progress = checkpoint["progress"]
        self.log_rows = progress["log_rows"]
        self.val_ranks = [Ranks(closer.numpy(), tied.numpy(), size) for closer, tied, size in progress["val_ranks"]]
        self.phase, self._best, self._stale = progress["phase"]
        if self.near:
            self.near.state = progress["near"]

    def on_train_epoch_start(self) -> None:
        """Start the clock, set the size of images, and freeze batch norm's statistics if the recipe says so."""
        self.network.half_size = self.current_epoch < self.half_size_epochs
        if self.recipe.frozen_batch_norm:
            for norm in batch_norms(self.network):
                norm.eval()
        self._started, self._epoch_losses = time.perf_counter(), []

    def training_step(self, batch: dict, batch_idx: int) -> torch.Tensor:
        """The loss of the current phase on one batch of pairs; FloatingPointError if it is not finite."""
        step = [self.seed, self.current_epoch, batch_idx]
        seed, own = (int(np.random.SeedSequence(key).generate_state(1)[0]) for key in (step, [*step, processes.rank()]))
        # each step seeds the random layers anew, so that they do not depend on steps before an interruption
        self._seed(own if processes.rank() else seed)
        pairs = views_of_pairs(batch["ground"], batch["aerial"], self.recipe, torch.Generator().manual_seed(seed))
        if self.recipe.phases[self.phase].loss == "triplet":
            loss = self._loss_of_triplets(*pairs[0], batch_idx, seed)
        else:
            loss = self._loss_of_pairs(pairs)
        value = float(loss.detach())  # once, for it waits until the device has come so far
        if not math.isfinite(value):
            raise FloatingPointError(
                f"loss is {value} in epoch {self.current_epoch + 1}, batch {batch_idx + 1}, "
                f"phase {self.recipe.phases[self.phase].loss}: lower the learning rate ({self.learning_rate:g})"
            )
        self._epoch_losses.append(value)
        return loss

    def _seed(self, seed: int) -> None:
        """As `torch.manual_seed`, which formats a traceback for each kind of device that is not there."""
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _loss_of_pairs(self, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Loss of all processes' pairs; of second views too, the terms between them."""
        embedded = [[gather_rows(side.float()) for side in self._embed(*pair)] for pair in pairs]
        loss_of = self.losses[self.phase]
        with torch.autocast(self.device.type, enabled=False):  # distances lose too much in bf16
            loss = loss_of(*embedded[0])
            if len(embedded) > 1:
                (g, a), (g2, a2) = embedded
                for weight, terms in zip(self.recipe.second_views, ((g, g2), (a, a2), (g2, a)), strict=True):
                    loss = loss + weight * loss_of(*terms)
            return loss

    def embedded(self, data: PairedViews) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of all ground views, and of this process's share of the tiles."""
        where = {"device": str(self.device), "bf16": self.bf16}
        ground = embed_ground(self.network, data, rows=processes.share(data.ground_count), **where)
        aerial = embed_gallery(self.network, data, rows=processes.share(data.gallery_count), **where)
        return np.concatenate(processes.gather(ground)), aerial

    def embedded_whole(self, data: PairedViews) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of all ground views and of all tiles."""
        ground, aerial = self.embedded(data)
        return ground, np.concatenate(processes.gather(aerial))

    def _embed(self, ground: torch.Tensor, aerial: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.micro_batch:
            return self.network(self._input(ground), self._input(aerial))
        sides = ((self.network.ground, ground), (self.network.aerial, aerial))
        return tuple(embed_in_parts(tower, images, self._input, self.micro_batch) for tower, images in sides)

    def _input(self, images: torch.Tensor) -> torch.Tensor:
        return self.network.prepare(images, training=True).to(memory_format=torch.channels_last)

    def _loss_of_triplets(self, ground: torch.Tensor, aerial: torch.Tensor, batch_idx: int, seed: int) -> torch.Tensor:
        """The triplet loss of a batch of pairs, whose negatives are mined in a second batch."""
        order = np.random.default_rng([self.seed, self.current_epoch, 1]).permutation(len(self.train_data))
        second = order[batch_idx * len(ground) : (batch_idx + 1) * len(ground)].tolist()
        sides = triplets(self.network, self.recipe, self.train_data, ground, aerial, second, seed)
        a, p, n = (tower(self._input(images)) for tower, images in sides)
        with torch.autocast(self.device.type, enabled=False):
            return self.losses[self.phase](a.float(), p.float(), n.float())

    def on_train_epoch_end(self) -> None:
        """Rank the validation views, write the log's row, and move to the next phase when this one is done."""
        ground, aerial = self.embedded(self.val)
        rank = exact_ranks if processes.count() == 1 else distributed_ranks  # each process holds its share of the rows
        ranks = rank(ground, aerial, self.val.positives, ignored=self.val.ignored)
        aerial = np.concatenate(processes.gather(aerial))
        row = {
            "epoch": self.current_epoch + 1,
            "phase": self.recipe.phases[self.phase].loss,
            "loss": float(np.mean(self._epoch_losses)),
            "val_recall_1pct": 100 * recall_at_k(ranks, "1%", ties="pessimistic"),
            "val_pssr": pssr(ranks, ties="pessimistic"),
            "ground_spread": relative_spread(ground),
            "aerial_spread": relative_spread(aerial),
            "ground_distinct": distinct_rows(ground)[0] / len(ground),
            "aerial_distinct": distinct_rows(aerial)[0] / len(aerial),
            "seconds": round(time.perf_counter() - self._started, 1),
        }
        row = processes.first(lambda: row)  # devices may round differently, and all must end a phase together
        self.log_rows.append(row)
        self.val_ranks.append(ranks)
        if self.report and processes.rank() == 0:
            self.report(row)
        self._advance(row["loss"])

    def _advance(self, loss: float) -> None:
        phase = self.recipe.phases[self.phase]
        if phase.until == "end":
            return
        if loss < 0.99 * self._best:
            self._best, self._stale = loss, 0
        else:
            self._stale += 1
        if self._stale >= phase.patience or self.current_epoch + 1 >= math.ceil(self.trainer.max_epochs / 2):
            self.phase, self._best, self._stale = self.phase + 1, math.inf, 0


def make_loss(name: str, recipe: Recipe) -> nn.Module:
    """The loss `name` with the options of `recipe`; the margin losses have the paper's margin and weight.

    Raises
    ------
    ValueError
        An unknown loss.
    """
    if name == "max-margin":
        return MaxMarginLoss(detached=recipe.detached_negatives, zero_at_collapse=recipe.zero_at_collapse)
    if name == "soft-margin":
        return SoftMarginLoss(detached=recipe.detached_negatives, as_coded=recipe.soft_margin_as_coded)
    if name == "infonce":
        return InfoNCELoss(
            recipe.temperature, recipe.label_smoothing, unit=recipe.unit_norm, learned=recipe.learned_temperature
        )
    if name == "triplet":
        return TripletLoss()
    raise ValueError(f"loss '{name}' of recipe '{recipe.name}': expected max-margin, soft-margin, infonce or triplet")
