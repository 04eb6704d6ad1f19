"""A photograph, a gallery of tiles with places, and a region that holds the photograph's place with a chosen coverage.

`Gallery` opens, embeds and searches; `calibrate` measures on photographs of known place what may be ruled out; `region` says
what that leaves of the gallery for a photograph. ``cvig locate`` and ``cvig calibrate`` call nothing else.
"""

from cvig.extras import needing

with needing("cvig.locate"):
    from cvig.locate.calibration import Calibration, calibrate
    from cvig.locate.gallery import Found, Gallery
    from cvig.locate.model import Model
    from cvig.locate.photograph import Photograph
    from cvig.locate.region import Region, region

__all__ = ["Calibration", "Found", "Gallery", "Model", "Photograph", "Region", "calibrate", "region"]
