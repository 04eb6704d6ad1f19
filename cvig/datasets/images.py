"""Image files: which of them can be read here, and how they are decoded."""

import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
OTHER_IMAGES = (".heic", ".heif", ".avif", ".gif", ".bmp", ".jp2", ".dng", ".cr2", ".nef", ".arw")  # and cannot be read here
DECODING = "2"  # changes with what is made of a file: 2 has images upright, and 16 bits scaled
PIXEL_LIMIT = 64_000_000  # a small file can hold a huge image

_said: set[str] = set()


def images_among(names: Sequence[str], where: Path | str) -> list[str]:
    """The names of images that can be read here, whatever the case of their ends; of other images stderr has a line."""
    other = [name for name in names if name.lower().endswith(OTHER_IMAGES)]
    if other and str(where) not in _said:
        _said.add(str(where))  # once for all splits
        kinds = ", ".join(sorted({os.path.splitext(name)[1] for name in other}))
        print(
            f"'{where}': {len(other)} images are left out, for {kinds} cannot be read here; convert them to JPEG or PNG",
            file=sys.stderr,
        )
    return [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]


def _in_bytes(picture: Image.Image) -> Image.Image:
    """An image of 16 bits a value as one of 8: 65535 becomes 255. Pillow's own conversion cuts off what is above 255."""
    if not picture.mode.startswith(("I;16", "I")):
        return picture
    values = np.asarray(picture).astype(np.int64)
    return Image.fromarray(((values.clip(0, 65535) + 128) // 257).astype(np.uint8))


def decode(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode an image file whole, upright, as RGB, scaled to `size` (height, width) if given.

    The orientation that a camera noted (EXIF) is obeyed, and grey values of 16 bits are scaled to 8.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not a readable JPEG, PNG, WebP or TIFF, one that ends too early, one of floating point numbers, or one of more than
        `PIXEL_LIMIT` pixels; the file is named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image '{path}'")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > PIXEL_LIMIT:
                raise ValueError(f"{picture.width} × {picture.height} pixels, more than {PIXEL_LIMIT}")
            if picture.mode == "F":
                raise ValueError("its values are floating point numbers: expected 8 or 16 bits")
            if size:
                # a JPEG can be decoded at a half, a quarter or an eighth of its size for a fraction of the cost
                picture.draft("RGB", (2 * size[1], 2 * size[0]))
            picture = ImageOps.exif_transpose(_in_bytes(picture)).convert("RGB")
            return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR) if size else picture
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"image '{path}' cannot be read: {(str(error) or repr(error)).splitlines()[0]}") from error


def peculiarity(path: Path) -> str:
    """What a reader that takes an image's bytes as they are gets wrong: a turned picture, 16 bits; else ``""``."""
    with Image.open(path, formats=FORMATS) as picture:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        found = [f"EXIF orientation {orientation}"] * (orientation not in (0, 1))
        return ", ".join([*found, *["16 bits a value"] * picture.mode.startswith("I")])


def read_image(path: Path, size: int | tuple[int, int] | None = None) -> torch.Tensor:
    """Read an image file as uint8 RGB [3, H, W], scaled to `size` (a side, or height and width) if given.

    Raises
    ------
    FileNotFoundError, ValueError
        As `decode` does; the message names the file.
    """
    picture = decode(path, (size, size) if isinstance(size, int) else size)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
