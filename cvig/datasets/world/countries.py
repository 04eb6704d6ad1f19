"""Countries of the procedural world, which differ in what is built and grown, as regions of the earth do."""

from dataclasses import dataclass, fields

import numpy as np

MEADOW, CROP, WOOD, VILLAGE, BARE = range(5)
Colors = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Country:
    """How the land of one country looks. Lengths are in metres, colours are in [0, 1].

    Attributes
    ----------
    cell : int
        Distance between the middles of neighbouring parcels.
    jitter : float
        How far the middle of a parcel may be from the middle of its square, as a share of the side, at most 0.4. 0 gives a
        chequerboard.
    bend : float
        How far the edges of parcels, and the roads on them, swing from a straight line.
    shares : three floats
        Shares of meadow, crop and bare ground among the parcels that are neither wood nor village.
    wood, village : float
        A parcel is one of these where a noise of deviation 1 is above this level; a lower level gives more of them.
    water : float
        The same level for lakes.
    relief : two floats
        Deviation of the heights of hills and of knolls.
    ground : five colours
        Of meadow, crop, wood, village and bare ground.
    crop_stripes : two floats
        Least and largest period of the rows of a field.
    road, hedge : float
        Shares of the edges that are a road and that are a hedge; other edges are neither.
    road_half_width : float
    road_color, line_color : colours
        Of a road and of the line in its middle; no line (None) on gravel roads.
    hedge_height : float
    hedge_color : colour
        Of hedges, or of the stone walls that take their place.
    lot : int
        Distance between neighbouring houses.
    built : float
        Share of a village's lots that have a house.
    farms : float
        Share of the other parcels that have houses.
    house : two ints
        Least and largest side of a house.
    house_height : two floats
        Lowest and highest eaves.
    ridge : float
        Height of a roof's ridge above its eaves; 0 for flat roofs.
    roofs : colours
    tree : int
        Side of the squares of open ground in which at most one tree stands.
    orchard : float
        Share of the crop parcels on which trees stand in rows.
    crown : int
        Radius of a tree's crown.
    tree_height : two floats
        Height of the lowest and of the highest tree.
    pointed : float
        How much lower a crown is at a metre from its middle; conifers are pointed.
    leaf : colour
    """

    cell: int
    jitter: float
    bend: float
    shares: tuple[float, float, float]
    wood: float
    village: float
    water: float
    relief: tuple[float, float]
    ground: Colors
    crop_stripes: tuple[float, float]
    road: float
    hedge: float
    road_half_width: float
    road_color: tuple[float, float, float]
    line_color: tuple[float, float, float] | None
    hedge_height: float
    hedge_color: tuple[float, float, float]
    lot: int
    built: float
    farms: float
    house: tuple[int, int]
    house_height: tuple[float, float]
    ridge: float
    roofs: Colors
    tree: int
    orchard: float
    crown: int
    tree_height: tuple[float, float]
    pointed: float
    leaf: tuple[float, float, float]


KNOWN = (
    # hedged fields of all shapes, scattered houses under tiles and slate
    Country(
        cell=90,
        jitter=0.4,
        bend=7,
        shares=(0.4, 0.45, 0.15),
        wood=0.55,
        village=0.6,
        water=1.5,
        relief=(7, 1.5),
        ground=((0.36, 0.52, 0.25), (0.62, 0.58, 0.30), (0.16, 0.32, 0.15), (0.42, 0.47, 0.34), (0.60, 0.50, 0.38)),
        crop_stripes=(5, 14),
        road=0.7,
        hedge=0.2,
        road_half_width=4,
        road_color=(0.40, 0.40, 0.42),
        line_color=(0.80, 0.80, 0.68),
        hedge_height=2.8,
        hedge_color=(0.15, 0.30, 0.13),
        lot=24,
        built=0.75,
        farms=0.06,
        house=(8, 18),
        house_height=(3.5, 12),
        ridge=2.5,
        roofs=((0.55, 0.25, 0.20), (0.40, 0.40, 0.45), (0.75, 0.72, 0.68), (0.30, 0.22, 0.20), (0.35, 0.45, 0.55)),
        tree=26,
        orchard=0.0,
        crown=3,
        tree_height=(4, 10),
        pointed=0.0,
        leaf=(0.18, 0.36, 0.16),
    ),
    # a plain in large squares: wheat and fallow, straight roads, long sheds under sheet metal
    Country(
        cell=130,
        jitter=0.08,
        bend=1.5,
        shares=(0.12, 0.62, 0.26),
        wood=1.5,
        village=0.8,
        water=2.0,
        relief=(2.5, 0.4),
        ground=((0.58, 0.60, 0.36), (0.76, 0.68, 0.40), (0.28, 0.36, 0.20), (0.60, 0.56, 0.44), (0.45, 0.35, 0.28)),
        crop_stripes=(8, 26),
        road=0.55,
        hedge=0.12,
        road_half_width=5,
        road_color=(0.62, 0.56, 0.47),
        line_color=None,
        hedge_height=7.0,
        hedge_color=(0.24, 0.34, 0.18),
        lot=34,
        built=0.6,
        farms=0.08,
        house=(9, 24),
        house_height=(3.5, 8),
        ridge=1.5,
        roofs=((0.80, 0.82, 0.84), (0.62, 0.66, 0.70), (0.58, 0.22, 0.18), (0.30, 0.42, 0.34)),
        tree=44,
        orchard=0.0,
        crown=3,
        tree_height=(5, 12),
        pointed=0.0,
        leaf=(0.30, 0.40, 0.20),
    ),
    # dry hills: orchards in rows, walls of pale stone, close towns of flat and tiled roofs
    Country(
        cell=62,
        jitter=0.36,
        bend=5,
        shares=(0.2, 0.5, 0.3),
        wood=1.0,
        village=0.75,
        water=2.1,
        relief=(12, 2.2),
        ground=((0.64, 0.60, 0.40), (0.70, 0.58, 0.42), (0.34, 0.38, 0.24), (0.68, 0.62, 0.52), (0.76, 0.66, 0.50)),
        crop_stripes=(4, 7),
        road=0.5,
        hedge=0.35,
        road_half_width=3,
        road_color=(0.52, 0.50, 0.48),
        line_color=(0.86, 0.84, 0.78),
        hedge_height=1.6,
        hedge_color=(0.72, 0.68, 0.60),
        lot=18,
        built=0.85,
        farms=0.05,
        house=(8, 14),
        house_height=(4, 14),
        ridge=0.6,
        roofs=((0.78, 0.44, 0.30), (0.84, 0.54, 0.38), (0.88, 0.85, 0.78), (0.68, 0.38, 0.28)),
        tree=30,
        orchard=0.5,
        crown=2,
        tree_height=(3, 6),
        pointed=0.0,
        leaf=(0.36, 0.44, 0.28),
    ),
    # the north: conifers and lakes, clearings, red and yellow houses of wood, gravel roads
    Country(
        cell=105,
        jitter=0.38,
        bend=9,
        shares=(0.55, 0.25, 0.2),
        wood=-0.1,
        village=0.95,
        water=1.1,
        relief=(9, 2.5),
        ground=((0.44, 0.54, 0.26), (0.58, 0.60, 0.28), (0.10, 0.22, 0.17), (0.40, 0.50, 0.30), (0.50, 0.46, 0.44)),
        crop_stripes=(6, 10),
        road=0.45,
        hedge=0.0,
        road_half_width=3,
        road_color=(0.62, 0.58, 0.54),
        line_color=None,
        hedge_height=1.2,
        hedge_color=(0.45, 0.42, 0.38),
        lot=30,
        built=0.7,
        farms=0.1,
        house=(7, 14),
        house_height=(3, 7),
        ridge=3.2,
        roofs=((0.24, 0.24, 0.27), (0.45, 0.16, 0.13), (0.34, 0.34, 0.36), (0.66, 0.56, 0.28)),
        tree=20,
        orchard=0.0,
        crown=2,
        tree_height=(7, 16),
        pointed=2.0,
        leaf=(0.11, 0.25, 0.18),
    ),
)
LARGEST_HOUSE = 24
LARGEST_CROWN = 3


def country(number: int) -> Country:
    """The country of a number: the known ones first, then mixtures of them with palettes of their own.

    Raises
    ------
    ValueError
        A number below 0.
    """
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise ValueError(f"country {number!r}: expected a whole number, 0 or more")
    if number < len(KNOWN):
        return KNOWN[number]
    rng = np.random.default_rng([number, 19])
    # what belongs together comes from one country: crowns and their heights, roads and their lines
    together = (("house", "house_height", "lot", "ridge"), ("crown", "tree_height", "pointed"), ("road_color", "line_color"))
    source = {field.name: KNOWN[rng.integers(len(KNOWN))] for field in fields(Country)}
    for first, *others in together:
        source.update(dict.fromkeys(others, source[first]))
    chosen = {name: getattr(known, name) for name, known in source.items()}

    def tinted(colors: np.ndarray) -> np.ndarray:
        return np.clip(np.asarray(colors) * rng.uniform(0.85, 1.15, 3) + rng.normal(0, 0.03, np.shape(colors)), 0.05, 0.95)

    for name in ("ground", "roofs"):
        chosen[name] = tuple(tuple(color) for color in tinted(chosen[name]).tolist())
    chosen["leaf"] = tuple(tinted(chosen["leaf"]).tolist())
    return Country(**chosen)
