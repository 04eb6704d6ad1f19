"""Training recipes as data: what is minimized, how, and on which augmentations."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one loss.

    Attributes
    ----------
    loss : {"max-margin", "soft-margin", "infonce", "triplet"}
    until : {"end", "plateau"}
        ``"plateau"`` ends the phase when the epoch's mean loss has not fallen by a hundredth for `patience` epochs,
        and at half of all epochs at the latest, so that the next phase has its turn.
    patience : int
    """

    loss: str
    until: str = "end"
    patience: int = 2


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained. `dataclasses.replace` makes another recipe of one.

    Attributes
    ----------
    name, summary : str
    phases : tuple of Phase
    optimizer : {"adam", "adamw"}
    learning_rate : float
    batch : int
    weight_decay : float
    cosine : bool
        Warm up over the first twentieth of the steps, then let the learning rate fall along a cosine.
    crop_min : float
        Smallest side of the random aerial crop, as a fraction of the tile; 1 means no crop.
    quarter_turns : bool
        Turn each aerial tile by a random multiple of 90°. Right only where the query's heading is unknown.
    unit_norm : bool
        Embeddings lie on the unit sphere, so that Euclidean order is cosine order.
    final_relu : bool
        A ReLU after the last layer, as the paper's text has it ("All layers used the ReLU activation function").
    zero_residual : bool
        From random weights, a ResNet's residual blocks start as the identity.
    detached_negatives, zero_at_collapse, soft_margin_as_coded : bool
        How the margin losses treat negatives (`detached`, `zero_at_collapse` and `as_coded` of `cvig.losses`).
    zero_netvlad : bool
        NetVLAD's clusters start at zero.
    dark : bool
        The network trains on images 255 times too dark and is tested on others (`cvig.models.SiameseNetwork.prepare`).
    frozen_batch_norm : bool
        Batch norm keeps its first statistics.
    duplicate_tiles : bool
        The gallery repeats an aerial image for each of its views (`duplicates` of `cvig.datasets.load`).
    anchor : {"ground", "aerial"}
        Of the loss ``"triplet"``: which view is the anchor. Positives and negatives are of the other.
    bgr : bool
        The network trains on images whose channels are exchanged, and is tested on others (`SiameseNetwork.prepare`).
    projection : bool
        CVM-Net-I has its last, linear layer; without it embeddings are what NetVLAD gives.
    glorot : bool
        Fully connected layers start as Keras starts them (`cvig.models.building.dense_head`).
    trained_from : mapping of str to str
        For an architecture, where the trained part of its trunks begins (`cvig.models.trunks.freeze`). Trunks that are not
        named are trained whole.
    scale : float
        Side of the images, as a share of the side asked for.
    """

    name: str
    summary: str
    phases: tuple[Phase, ...]
    optimizer: str
    learning_rate: float
    batch: int
    weight_decay: float = 0.0
    cosine: bool = False
    crop_min: float = 0.7
    quarter_turns: bool = False
    unit_norm: bool = False
    final_relu: bool = False
    zero_residual: bool = False
    detached_negatives: bool = False
    zero_at_collapse: bool = False
    soft_margin_as_coded: bool = False
    zero_netvlad: bool = False
    dark: bool = False
    frozen_batch_norm: bool = False
    duplicate_tiles: bool = False
    anchor: str = "ground"
    bgr: bool = False
    projection: bool = True
    glorot: bool = False
    trained_from: Mapping[str, str] = field(default_factory=dict)
    scale: float = 1.0


DESCRIBED = Recipe(
    name="described",
    summary="the paper's text: max-margin until it stops improving, then soft-margin; Adam at 1e-5, batch 16",
    phases=(Phase("max-margin", until="plateau"), Phase("soft-margin")),
    optimizer="adam",
    learning_rate=1e-5,
    batch=16,
    final_relu=True,
)
MODERN = Recipe(
    name="modern",
    summary="symmetric InfoNCE with a learned temperature on the unit sphere; AdamW, warm-up and cosine",
    phases=(Phase("infonce"),),
    optimizer="adamw",
    learning_rate=5e-4,
    batch=64,
    weight_decay=0.05,
    cosine=True,
    quarter_turns=True,
    unit_norm=True,
    zero_residual=True,
)
RECIPES = {recipe.name: recipe for recipe in (DESCRIBED, MODERN)}
