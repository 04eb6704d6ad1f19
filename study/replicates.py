"""What independent trainings say together: a value a replicate, which arms share, and Student's answers over them."""

import numpy as np
import pandas as pd
from scipy import stats

REPLICATE = ["block", "seed"]  # what the arms of one replicate share, such as the country and the seed


def by_replicate(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric: a row a replicate, a column an arm."""
    return runs.pivot(index=REPLICATE, columns="arm", values=metric)


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's interval of a mean; of values that are all equal, that value; NaN of fewer than two."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return np.nan, np.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    low, high = stats.t.interval(level, len(values) - 1, values.mean(), stats.sem(values))
    return float(low), float(high)


def paired_t(difference: np.ndarray) -> float:
    """p of the two-sided paired t test; 1 where nothing differs."""
    return float(stats.ttest_1samp(difference, 0).pvalue) if np.ptp(difference) else float(not difference.any())
