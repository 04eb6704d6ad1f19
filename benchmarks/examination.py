"""What is the examination of printed tables worth? python benchmarks/examination.py FILE.json [little | published]

Published tables of known size, and simulated honest and collapsed ones (study/plans/examination.md). The file is what the
page on the published numbers shows; "published" examines the published tables alone; "little" makes a few draws of each, for
trying out.
"""

import sys
import time

from cvig.files import write_json
from study.chapters.examined import calibration
from study.provenance import commit

if __name__ == "__main__":
    start, part = time.perf_counter(), (*sys.argv[2:], "all")[0]
    little = part == "little"
    found = {"commit": commit(), "published": list(calibration.published()) if not little else []}
    for row in found["published"]:
        print(f"{row['name']}: n = {row['n']}, named {row['named']}, {row['explained']} of {row['cells']}", flush=True)
    if part != "published":
        found["simulated"] = list(calibration.simulated(1 if little else 30))
        found["without_skill"] = calibration.without_skill(3 if little else 300)
        found["near_collapse"] = list(calibration.near_collapse(2 if little else 40))
        found["lines"] = calibration.lines(5 if little else 2000)
        found["plateaus"] = calibration.plateaus(5 if little else 500)
    found["seconds"] = round(time.perf_counter() - start, 1)
    write_json(sys.argv[1], found)
    if part != "published":
        print(f"lines: {found['lines']['built']} of {found['lines']['rows']} rows")
