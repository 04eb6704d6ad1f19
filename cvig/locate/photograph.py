"""A photograph as the network is to see it: upright, and with the field of view that it was trained on."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from cvig.datasets.images import FORMATS, PIXEL_LIMIT, decode

WIDTH_35MM = 36.0  # millimetres of the film that focal lengths are converted to
SHOWN = 900  # pixels of the longer side in the answer's page


@dataclass
class Photograph:
    """One photograph.

    Attributes
    ----------
    path : Path
    image : PIL image, upright
    fov : float or None
        Degrees from its left to its right edge; None where nothing says it.
    fov_from : str
        What says it: ``"--fov"``, ``"EXIF focal length"`` or ``""``.
    position : (float, float) or None
        Latitude and longitude that the camera noted, which the answer never uses.
    """

    path: Path
    image: Image.Image
    fov: float | None
    fov_from: str
    position: tuple[float, float] | None

    @classmethod
    def read(cls, path: str | Path, fov: float | None = None) -> "Photograph":
        """Read a photograph; `fov` goes before what the camera noted.

        Raises
        ------
        FileNotFoundError, ValueError
            No such file, or one that is no image; a field of view that no photograph has.
        """
        path = Path(path)
        if fov is not None and not 1 <= fov <= 360:
            raise ValueError(f"--fov {fov:g}: expected 1 to 360 degrees")
        image = decode(path)
        with Image.open(path, formats=FORMATS) as picture:
            exif = picture.getexif()
        found = fov or _fov_of(exif, image)
        return cls(path, image, found, "--fov" if fov else "EXIF focal length" if found else "", _position(exif))

    def framed(self, size: int, trained: float) -> np.ndarray:
        """The photograph cut, or bordered in black, to a field of view of `trained` degrees: uint8 [size, size, 3].

        It is left as it is where its own is not known, and where either is too wide for a plane.
        """
        image = self.image
        if self.fov and self.fov < 170 and trained < 170:
            share = math.tan(math.radians(trained) / 2) / math.tan(math.radians(self.fov) / 2)
            pixels = share * image.width * image.height
            if pixels > PIXEL_LIMIT:  # a view of few degrees in a wide border
                image = image.resize([max(1, int(side * math.sqrt(PIXEL_LIMIT / pixels))) for side in image.size])
            margin = image.width * (1 - share) / 2  # below 0 it is a border
            image = image.transform(
                (max(1, round(image.width * share)), image.height), Image.Transform.AFFINE, (1, 0, round(margin), 0, 1, 0)
            )
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=None))

    def small(self) -> Image.Image:
        """A smaller copy for the page; it carries nothing of what the camera noted."""
        copy = self.image.copy()
        copy.thumbnail((SHOWN, SHOWN))
        return copy


def _fov_of(exif: Image.Exif, image: Image.Image) -> float | None:
    """Degrees across, of the focal length as on 35 mm film, whose frame is 36 mm on its longer side."""
    focal = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    try:
        focal = float(focal)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not focal > 0:
        return None
    across = WIDTH_35MM * image.width / max(image.size)
    fov = math.degrees(2 * math.atan(across / (2 * focal)))
    return fov if fov >= 1 else None  # no lens is so long


def _position(exif: Image.Exif) -> tuple[float, float] | None:
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    found = []
    for value, sign, negative in (
        (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S"),
        (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W"),
    ):
        try:
            degrees, minutes, seconds = (float(part) for part in gps[value])
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None
        found.append((degrees + minutes / 60 + seconds / 3600) * (-1 if gps.get(sign) == negative else 1))
    return found[0], found[1]
