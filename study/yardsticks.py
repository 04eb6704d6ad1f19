"""E4: the networks of e3-losses by many metrics: ``python -m study.yardsticks`` writes results/e4-metrics.

Its plan is study/plans/e4-metrics.md. Three tables: ``values.csv``, each network at each spacing and size of the gallery;
``signals.csv``, how far each metric lies above chance, in deviations of one query; ``telling.csv``, the share of the
decided pairs of arms that a few queries of one replicate order rightly.
"""

import time
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from cvig import files
from cvig.datasets import PairedViews, load
from cvig.metrics.comparison import holm
from cvig.metrics.inference import per_query_values
from cvig.models import load_network
from cvig.ranking import exact_ranks
from cvig.training.embedding import embed_gallery, embed_ground
from study.levels import DIFFERS
from study.planned import SeedsPlan, read_table
from study.provenance import provenance
from study.replicates import by_replicate, paired_t

PLAN, OUT = Path("study/plans/seeds/e3-losses.yaml"), Path("results/e4-metrics")
SPACINGS = (12, 32, 64, 128)
SIZES = (100, 300, 1000)
QUERIES = (30, 100, 300, 1000)
DRAWS = 20
SPAN, CELL = 128, 16  # metres a side of a tile, and of the cells that land is counted in
RANKED = ("R@1", "R@1%", "MRR", "PSSR", "AUROC")
METRICS = (*RANKED, "hit", "metres", "land", "land 1%")
TRUTH = ("PSSR", "R@1%")  # which must decide a pair alike


def land_searched(order: np.ndarray, tiles: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Share of the land that is searched, tile by tile in order, until one holds the place: float64 [Q].

    Parameters
    ----------
    order : int array [Q, N]
        Rows of the gallery, the nearest first.
    tiles, where : float arrays [N, 2], [Q, 2]
        Metres of the tiles' middles and of the queries' places.
    """
    corner = np.rint((tiles - tiles.min(axis=0)) / CELL).astype(int)
    across = np.arange(SPAN // CELL)
    wide = corner[:, 1].max() + len(across)
    cells = ((corner[:, :1, None] + across[:, None]) * wide + corner[:, 1:, None] + across).reshape(len(tiles), -1)
    numbers, cells = np.unique(cells, return_inverse=True)
    cells = cells.reshape(len(tiles), -1)
    found = np.empty(len(order))
    for i, rows in enumerate(order):
        holds = (np.abs(tiles[rows] - where[i]) <= SPAN / 2).all(axis=1)
        searched = np.zeros(len(numbers), bool)
        searched[cells[rows[: holds.argmax() + 1]]] = True
        found[i] = searched.mean()
    return found


def each_query(ground: np.ndarray, aerial: np.ndarray, tiles: np.ndarray) -> dict[str, np.ndarray]:
    """Each of `METRICS` of every query, row i answering row i; ``metres`` as they are: float64 [Q] by name."""
    ranks = exact_ranks(ground, aerial, progress=False)
    n = len(aerial)
    values = per_query_values(ranks, "pessimistic", (1, "1%"))
    values["AUROC"] = (n - 1 - ranks.closer - ranks.tied / 2) / (n - 1)
    distance = (
        np.square(ground).sum(1)[:, None] - 2 * ground.astype(float) @ aerial.astype(float).T + np.square(aerial).sum(1)
    )
    order = np.argsort(distance, axis=1, kind="stable")
    away = tiles[order[:, 0]] - tiles
    land = land_searched(order, tiles, tiles)
    return {name: np.asarray(values[name], float) for name in RANKED} | {
        "hit": (np.abs(away) <= SPAN / 2).all(axis=1).astype(float),
        "metres": np.hypot(*away.T),
        "land": 1 - land,
        "land 1%": (land <= 0.01).astype(float),
    }


def summed_up(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Means over queries, larger is better; of the metres the median, with its sign turned."""
    return {name: -float(np.median(x)) if name == "metres" else float(x.mean()) for name, x in values.items()}


def in_parts(ground: np.ndarray, aerial: np.ndarray, tiles: np.ndarray, size: int) -> dict[str, float]:
    """Means over galleries of `size` places, each place in one of them at most."""
    mixed = np.random.default_rng(size).permutation(len(tiles))
    parts = [mixed[at : at + size] for at in range(0, len(mixed) - size + 1, size)]
    found = [summed_up(each_query(ground[part], aerial[part], tiles[part])) for part in parts]
    return {name: float(np.mean([each[name] for each in found])) for name in METRICS}


def by_chance(n: int) -> dict[str, float]:
    """Mean of the ranked metrics over random rankings of n rows without ties."""
    within = max(1, n // 100)
    return {
        "R@1": 1 / n,
        "R@1%": within / n,
        "MRR": float((1 / np.arange(1, n + 1)).mean()),
        "PSSR": (n - 1) / (2 * n),
        "AUROC": 0.5,
    }


def decided(table: pd.DataFrame) -> pd.DataFrame:
    """Each two arms by a metric: mean difference, deviation, and p of the paired t test, by Holm over the pairs.

    Parameters
    ----------
    table : DataFrame
        A row a replicate, a column an arm.
    """
    rows = {}
    for first, second in combinations(sorted(table), 2):
        d = (table[first] - table[second]).to_numpy()
        rows[first, second] = {"difference": d.mean(), "deviation": d.std(ddof=1), "p": paired_t(d)}
    found = pd.DataFrame.from_dict(rows, orient="index")
    return found.assign(p=holm(found.p.to_numpy()))


def true_pairs(values: pd.DataFrame) -> dict[tuple[str, str], int]:
    """The pairs of arms that all of `TRUTH` decide alike in the whole gallery at the widest spacing, with the sign."""
    whole = values[(values.spacing == max(SPACINGS)) & (values["size"] == max(SIZES))]
    found = [decided(by_replicate(whole, name)) for name in TRUTH]
    signs = np.array([np.sign(each.difference) * (each.p < DIFFERS) for each in found])
    return {pair: int(sign[0]) for pair, sign in zip(found[0].index, signs.T, strict=True) if abs(sign.sum()) == len(TRUTH)}


def telling(queries: dict[tuple, dict[str, np.ndarray]], truth: dict[tuple[str, str], int]) -> pd.DataFrame:
    """Share of the true pairs that each metric orders rightly from some queries of one replicate; equal means count half.

    Parameters
    ----------
    queries : mapping of (spacing, block, seed, arm) to `each_query`
    """
    rows = []
    for spacing, block, seed in sorted({key[:3] for key in queries}):
        rng = np.random.default_rng([spacing, int(block), int(seed)])
        for count in QUERIES:
            draws = [rng.permutation(max(SIZES))[:count] for _ in range(DRAWS if count < max(SIZES) else 1)]
            right = {name: [] for name in METRICS}
            for draw in draws:
                sums = {
                    arm: summed_up({name: x[draw] for name, x in queries[spacing, block, seed, arm].items()})
                    for arm in {arm for pair in truth for arm in pair}
                }
                for (first, second), sign in truth.items():
                    for name in METRICS:
                        right[name].append(0.5 + 0.5 * sign * np.sign(sums[first][name] - sums[second][name]))
            rows += [
                {"spacing": spacing, "block": block, "seed": seed, "queries": count, "metric": name, "right": np.mean(its)}
                for name, its in right.items()
                if its
            ]
    return pd.DataFrame(rows)


def test_views(country: str, spacing: int, size: int) -> PairedViews:
    """The test of a country, as e3-losses has it at its own spacing."""
    return load("world", "", "test", size=size, view="90", seed=0, country=int(country), spacing=spacing, count=max(SIZES))


def measure(plan: SeedsPlan, made: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All tables. Raises ValueError where a network is not there, or is not the one of its row."""
    torch.set_num_threads(1)
    values, signals, queries = [], [], {}
    size = plan.content["train"]["size"]
    for country in tqdm(plan.content["blocks"], desc="countries"):
        its = made[made.block == country]
        for spacing in SPACINGS:
            test = test_views(country, spacing, size)
            for run in its.itertuples():
                folder = plan.network(run.run)
                if not folder.exists():
                    raise ValueError(
                        f"'{folder}': no network; make it: python -m study.seeds {plan.path}, without its results"
                    )
                network = load_network(folder)
                ground, aerial = embed_ground(network, test), embed_gallery(network, test)
                found = each_query(ground, aerial, test.gallery_coordinates)
                about = {"run": run.run, "arm": run.arm, "block": country, "seed": run.seed, "spacing": spacing}
                if spacing == max(SPACINGS) and abs(found["PSSR"].mean() - run.pssr) > 1e-6:
                    raise ValueError(f"'{folder}': PSSR {found['PSSR'].mean():.6f}, {run.pssr:.6f} in {plan.out}/runs.csv")
                queries[spacing, country, run.seed, run.arm] = found
                for count in SIZES:
                    means = (
                        summed_up(found)
                        if count == len(ground)
                        else in_parts(ground, aerial, test.gallery_coordinates, count)
                    )
                    values.append(about | {"size": count} | means)
                above = {
                    name: (found[name].mean() - chance) / (found[name].std() or np.nan)
                    for name, chance in by_chance(len(aerial)).items()
                }
                signals.append(about | above)
    values = pd.DataFrame(values)
    return {"values": values, "signals": pd.DataFrame(signals), "telling": telling(queries, true_pairs(values))}


def main() -> None:
    """Measure, and write the tables and where they come from."""
    begun, plan = time.perf_counter(), SeedsPlan.read(PLAN)
    runs = read_table(plan.out, "runs")
    tables = measure(plan, runs)
    OUT.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        files.write_csv(OUT / f"{name}.csv", table.map(lambda x: float(f"{x:.6g}") if isinstance(x, float) else x))
    data = {"runs": files.digest_file(plan.out / "runs.csv")}
    record = provenance({"plan": str(PLAN)}, data=data, device="cpu", threads=1, seconds=time.perf_counter() - begun)
    files.write_json(OUT / "provenance.json", record)


if __name__ == "__main__":
    main()
