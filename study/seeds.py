"""Make an experiment of many small trainings: ``python -m study.seeds PLAN [MINUTES]``; the same command goes on."""

import sys

import numpy as np

from study.planned import SeedsPlan
from study.sessions.seeds import make

if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python -m study.seeds PLAN [MINUTES]")
    try:
        make(SeedsPlan.read(sys.argv[1]), 60 * float(sys.argv[2]) if sys.argv[2:] else np.inf)
    except (ValueError, OSError) as error:
        sys.exit(f"study.seeds: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
