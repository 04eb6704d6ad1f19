"""``cvig world``: write views of the procedural world as image files."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def world(
    folder: Annotated[Path, typer.Argument(help="Where clean_ground, clean_aerial and views.csv are written.")],
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="The region that the places lie in.")] = "test",
    count: Annotated[int, typer.Option(help="Places.", min=1)] = 100,
    size: Annotated[int, typer.Option(help="Pixels a side.", min=8)] = 256,
    spacing: Annotated[int | None, typer.Option(help="Metres between places; by default tiles of test places part.")] = None,
    country: Annotated[int, typer.Option(help="Number of the country.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Of the land and the places.")] = 0,
) -> None:
    """Write pairs of the world in the paper's flat layout, and what is known of them.

    views.csv has a row a pair: file name, metres east and north, heading in degrees, and whether the view is viable.
    """
    import numpy as np
    import pandas as pd
    from PIL import Image
    from tqdm import tqdm

    from cvig.datasets import load
    from cvig.files import atomic, write_csv

    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"'{folder}' is not empty: name a new folder")
    views = load("world", None, split, count=count, size=size, spacing=spacing, country=country, seed=seed)
    names = [f"{i + 1:07d}.jpg" for i in range(count)]
    for i, name in enumerate(tqdm(names, desc="writing", unit="pair", delay=2)):
        for side, picture in (("clean_ground", views.ground_image(i)), ("clean_aerial", views.aerial_image(i))):
            with atomic(folder / side / name) as temporary:
                Image.fromarray(np.moveaxis(np.asarray(picture), 0, -1)).save(temporary, quality=90)
    east, north = views.coordinates.T
    heading = np.rad2deg(views.heading.numpy()).round(2)
    table = {"name": names, "east": east, "north": north, "heading": heading, "viable": views.viable.numpy()}
    write_csv(folder / "views.csv", pd.DataFrame(table))
    typer.echo(f"{count} pairs of world/{split} in {folder}")
