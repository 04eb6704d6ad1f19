"""Training recipes as data: the losses, the optimizer, the augmentation and the design of the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Phase:
    """A part of a training, with one loss.

    Attributes
    ----------
    loss : {"max-margin", "soft-margin", "infonce", "triplet"}
    until : {"end", "plateau"}
        ``"plateau"``: the phase ends when the epoch's mean loss has not fallen by a hundredth for `patience` epochs, and
        after half of all epochs at the latest, so that the next phase has time.
    patience : int
        In epochs.
    """

    loss: str
    until: str = "end"
    patience: int = 2


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained; `dataclasses.replace` makes a changed copy.

    Attributes
    ----------
    name, summary : str
    phases : tuple of Phase
    optimizer : {"adam", "adamw"}
    learning_rate : float
    batch : int
    weight_decay : float
    cosine : bool
        The learning rate rises over the first twentieth of the steps and then falls along a cosine to zero. Without it the
        learning rate is constant.
    crop_min : float
        The smallest side of the random aerial crop, as a fraction of the tile's side; 1 means no crop.
    quarter_turns : bool
        Turn each aerial tile by a random multiple of 90°. Use it only if the heading of queries is unknown.
    unit_norm : bool
        The network scales embeddings to length 1, so that ranking by distance and by cosine agree.
    final_relu : bool
        The network has a ReLU after its last layer. The paper says: "All layers used the ReLU activation function".
    zero_residual : bool
        The residual blocks of a ResNet with random weights start as the identity.
    detached_negatives, zero_at_collapse, soft_margin_as_coded : bool
        How the margin losses treat negatives (`detached`, `zero_at_collapse` and `as_coded` of `cvig.losses`).
    zero_netvlad : bool
        NetVLAD's clusters start at zero.
    dark : bool
        The network is trained and tested on images as the paper's code prepares them (`SiameseNetwork.prepare`).
    frozen_batch_norm : bool
        Batch norm does not update the statistics that it starts with.
    duplicate_tiles : bool
        The gallery repeats an aerial image for each of its ground views (`duplicates` of `cvig.datasets.load`).
    anchor : {"ground", "aerial"}
        The anchor's side in the loss ``"triplet"``; positives and negatives are of the other side.
    bgr : bool
        The network is trained on images with red and blue exchanged, and tested without that (`SiameseNetwork.prepare`).
    projection : bool
        CVM-Net-I has its last, linear layer. Without it, NetVLAD's output is the embedding.
    glorot : bool
        Fully connected layers are initialized as Keras does (`cvig.models.building.dense_head`).
    trained_from : mapping of str to str
        By architecture, the layer of the trunks from which on weights are trained (`cvig.models.trunks.freeze`). Trunks of
        other architectures are trained whole.
    scale : float
        The side of the images as a multiple of the side that the run asks for.
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
