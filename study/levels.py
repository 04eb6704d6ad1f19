"""The levels of significance, each named for what it decides; with the pages that use it."""

BEATS_CHANCE = 0.001  # whether a run's PSSR beats chance, one-sided: intro, results, single runs, causes
LEARNS = 0.01  # whether a metric sees a run beat chance, one-sided: promises
DIFFERS = 0.05  # whether two things differ, two-sided, adjusted by Holm's rule for all compared: examined, causes, promises
