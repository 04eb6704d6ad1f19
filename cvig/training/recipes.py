"""Training recipes as data: the losses, the optimizer, the augmentation and the design of the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


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
        The learning rate rises over the share `warm_up` of the steps and then falls along a cosine to zero. Without it the
        learning rate is constant.
    warm_up : float
    clip : float
        The largest number that a gradient may hold; 0: any.
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
    temperature, label_smoothing : float
        The initial temperature and the label smoothing of the loss ``"infonce"``.
    learned_temperature : bool
        Whether that temperature is learned.
    shared : bool
        One tower embeds ground views and aerial images (`cvig.models.build`).
    pool : int
        Above 0, the head is the mean of so many parts a side of the feature map (`cvig.models.build`). Without `projection`
        that is all of it, and images may have any shape.
    geographic : bool
        Batches hold places that are near one another, until similarity is known (`cvig.training.sampling`).
    mine_every : int
        After every so many epochs similar places are searched anew, and batches hold those; 0: never.
    neighbours, neighbour_range : int
        How many neighbours a place brings into its batch, and from how many nearest ones they are taken; 0: half the batch,
        and the batch.
    joint_flips, joint_turns : bool
        Flip both images of a pair; turn the tile by quarters and roll the panorama. Turns are right only where ground images
        are panoramas of a full turn whose middle looks to the top of the tile.
    appearance, dropout : bool
        Change colour and sharpness at random; black out parts of images (`cvig.training.augmentation`).
    second_views : three floats
        Weights of the loss between two ground views, between two tiles, and between a tile and the second ground view. With
        three zeros no second views are made. The phases' loss must be ``"infonce"``.
    second_fov : two floats
        The smallest and the largest field of view of a second ground view, in degrees. Its heading is random.
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
    warm_up: float = 0.05
    clip: float = 0.0
    temperature: float = 0.1
    label_smoothing: float = 0.1
    learned_temperature: bool = True
    shared: bool = False
    pool: int = 0
    geographic: bool = False
    mine_every: int = 0
    neighbours: int = 0
    neighbour_range: int = 0
    joint_flips: bool = False
    joint_turns: bool = False
    appearance: bool = False
    dropout: bool = False
    second_views: tuple[float, float, float] = (0.0, 0.0, 0.0)
    second_fov: tuple[float, float] = (180.0, 180.0)


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
SAMPLE4GEO = Recipe(
    name="sample4geo",
    summary="Sample4Geo's: one trunk for both sides, symmetric InfoNCE, batches of places that look alike",
    phases=(Phase("infonce"),),
    optimizer="adamw",
    learning_rate=1e-3,
    batch=128,
    weight_decay=0.01,
    cosine=True,
    warm_up=1 / 40,
    clip=100.0,
    crop_min=1.0,
    unit_norm=True,
    projection=False,
    temperature=0.07,
    shared=True,
    pool=1,
    geographic=True,
    mine_every=4,
    joint_flips=True,
    joint_turns=True,
    appearance=True,
    dropout=True,
)
CONGEO = replace(
    SAMPLE4GEO,
    name="congeo",
    summary="ConGeo's: Sample4Geo's with second views of any heading and limited field of view, drawn to the first",
    learning_rate=1e-4,
    batch=16,
    warm_up=1 / 60,
    neighbours=64,
    neighbour_range=128,
    second_views=(0.5, 0.5, 0.25),
)
RECIPES = {recipe.name: recipe for recipe in (DESCRIBED, MODERN, SAMPLE4GEO, CONGEO)}
