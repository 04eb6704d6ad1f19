"""Do intervals over squares of ground hold the truth? python benchmarks/coverage.py [draws] [queries] [FILE.json]

Outcomes that neighbours share, on 100 km² of ground: how often intervals at 95% hold the truth and paired tests at 5% keep
still, by correlation length and side of the squares (`study.coverage`). The file is what the book draws.
"""

import sys
import time

from cvig.files import write_json
from study.coverage import simulate
from study.provenance import commit

if __name__ == "__main__":
    draws, queries = (*map(int, sys.argv[1:3]), *(400, 1000)[len(sys.argv[1:3]) :])
    start, rows = time.perf_counter(), []
    for row in simulate(draws, queries=queries):
        rows.append(row)
        print(
            f"own share {row['alone']}, length {row['length']} m, side {row['side']}: recall {row['recall']:.3f}, "
            f"mean {row['mean']:.3f}, paired {row['paired']:.3f}, {row['squares']} squares",
            flush=True,
        )
    if len(sys.argv) > 3:
        seconds = round(time.perf_counter() - start, 1)
        write_json(sys.argv[3], {"commit": commit(), "draws": draws, "queries": queries, "seconds": seconds, "rows": rows})
    print(f"{len(rows)} rows of {draws} draws")
