"""Embeddings of several runs in one projection: ``python -m study.together OUT RUN RUN...`` (the paper's Fig. 3).

The runs need their weights, which are not committed, and embeddings of as many dimensions. ``OUT`` gets ``projection.npz``
and, last, ``record.json``: where the embeddings came from, and how far each cloud spreads.
"""

import json
import sys
from pathlib import Path

import numpy as np

from cvig import files
from cvig.datasets import load
from cvig.metrics.collapse import effective_rank, relative_spread
from cvig.models import load_network
from cvig.training import devices
from cvig.training.embedding import embed_gallery, embed_ground
from study import provenance
from study.runs import Run
from study.sessions.figure_data import principal_components
from study.settings import TrainSettings

TOWERS = ("ground", "aerial")


def embedded(run: Run) -> tuple[dict[str, np.ndarray], str]:
    """Embeddings of both towers on the run's own uncropped test, and the digest of its data.

    Raises
    ------
    ValueError
        The weights are not there, or are not those of the run.
    """
    weights, parameters = run.folder / "checkpoint.safetensors", TrainSettings(**run.parameters)
    if not weights.exists():
        raise ValueError(f"'{weights}' is not there: train the run again, for weights are not committed")
    if files.digest_file(weights) != run.evaluate["checkpoint"]:
        raise ValueError(f"'{weights}' is not what the evaluation in '{run.folder}' read: train the run again")
    options = parameters.split_options("test") | {"count": run.evaluate["parameters"]["test_count"]}
    test, network = load(parameters.data, parameters.root, "test", **options), load_network(run.folder)
    if test.digest != run.evaluate["data"]["test"]:
        raise ValueError(f"the test data of '{run.folder}' come out otherwise here: expected {run.evaluate['data']['test']}")
    return {"ground": embed_ground(network, test), "aerial": embed_gallery(network, test)}, test.digest


def main(out: str, *runs: str) -> None:
    """Project, and write what a figure needs."""
    if len(runs) < 2:
        raise ValueError(f"runs {list(runs)}: expected two or more")
    folder, device, read = Path(out), devices.set_up("cpu", 1), {}
    for run in map(Run, map(Path, runs)):
        if run.name in read:
            raise ValueError(f"runs {list(runs)}: expected one of each architecture")
        read[run.name] = run
    seen = {name: embedded(run) for name, run in read.items()}
    clouds = {f"{name}_{tower}": rows[tower] for name, (rows, _) in seen.items() for tower in TOWERS}
    dimensions = {name: cloud.shape[1] for name, cloud in clouds.items()}
    if len(set(dimensions.values())) > 1:
        raise ValueError(f"dimensions {dimensions}: expected equal ones")
    towers = {
        name: {"rows": len(cloud), "spread": relative_spread(cloud), "effective_rank": effective_rank(cloud)}
        for name, cloud in clouds.items()
    }
    record = provenance.provenance(
        {"runs": {run.folder.name: run.evaluate["identity"] for run in read.values()}},
        data={name: digest for name, (_, digest) in seen.items()},
        device=device,
        threads=1,
    )
    files.write_arrays(folder / "projection.npz", **principal_components(**clouds))
    files.write_json(folder / "record.json", record | {"towers": towers})
    print(json.dumps(towers))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ValueError, OSError, TypeError) as error:
        sys.exit(f"study.together: {error}")
