"""Image files: which names are those of images, and how the files are decoded."""

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
OTHER_IMAGES = (".heic", ".heif", ".avif", ".gif", ".bmp", ".jp2", ".dng", ".cr2", ".nef", ".arw")  # cannot be decoded here
DECODING = "3"  # the version of `decode`: a change in the pixels that it gives for a file gets another number
PIXEL_LIMIT = 64_000_000  # a small file can hold a huge image

_said: set[str] = set()


def images_among(names: Sequence[str], where: Path | str) -> list[str]:
    """Those of `names` that end as readable images do, in upper or lower case.

    One line on stderr, once for each folder `where`, counts images of other formats that are left out.
    """
    other = [name for name in names if name.lower().endswith(OTHER_IMAGES)]
    if other and str(where) not in _said:
        _said.add(str(where))  # each split of a data set asks again
        kinds = ", ".join(sorted({os.path.splitext(name)[1] for name in other}))
        print(
            f"'{where}': {len(other)} images are left out, for {kinds} cannot be read here; convert them to JPEG or PNG",
            file=sys.stderr,
        )
    return [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]


def _in_bytes(picture: Image.Image) -> Image.Image:
    """An image of 16 bits a value scaled to 8 bits, so that 65535 becomes 255; Pillow's conversion would clip at 255."""
    if not picture.mode.startswith(("I;16", "I")):
        return picture
    values = np.asarray(picture).astype(np.int64)
    return Image.fromarray(((values.clip(0, 65535) + 128) // 257).astype(np.uint8))


def decode(path: Path | str, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode an image file as RGB, and scale it to `size` (height, width) if given.

    The image is turned upright as its EXIF orientation says, and grey values of 16 bits are scaled to 8.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        The file is no readable JPEG, PNG, WebP or TIFF, or ends too early, or holds floating point numbers or more than
        `PIXEL_LIMIT` pixels. The message names the file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no image '{path}'")
    try:
        # not by its name: Pillow maps an uncompressed TIFF that it opens itself, and then turns it wrongly
        with open(path, "rb") as stream, Image.open(stream, formats=FORMATS) as picture:
            if picture.width * picture.height > PIXEL_LIMIT:
                raise ValueError(f"{picture.width} × {picture.height} pixels, more than {PIXEL_LIMIT}")
            if picture.mode == "F":
                raise ValueError("its values are floating point numbers: expected 8 or 16 bits")
            if size:
                # decodes a JPEG at a half, a quarter or an eighth of its size, which costs less
                picture.draft("RGB", (2 * size[1], 2 * size[0]))
            picture = _in_bytes(ImageOps.exif_transpose(picture)).convert("RGB")
            return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR) if size else picture
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"image '{path}' cannot be read: {(str(error) or repr(error)).splitlines()[0]}") from error


def peculiarity(path: Path) -> str:
    """In words, what a program may get wrong that ignores EXIF orientation or clips 16 bits; ``""`` for other files."""
    with Image.open(path, formats=FORMATS) as picture:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        found = [f"EXIF orientation {orientation}"] * (orientation not in (0, 1))
        return ", ".join([*found, *["16 bits a value"] * picture.mode.startswith("I")])


def read_image(path: Path | str, size: int | tuple[int, int] | None = None) -> torch.Tensor:
    """Read an image file as a uint8 RGB tensor [3, H, W], scaled to `size` (a side, or height and width) if given.

    Raises
    ------
    FileNotFoundError, ValueError
        As `decode` raises them.
    """
    picture = decode(path, (size, size) if isinstance(size, int) else size)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
