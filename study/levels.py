"""The levels of significance, one a question, each named for what it decides; with the pages that use it.

A page that asks two questions has two levels, and prints the level beside each answer.
"""

from cvig.printed import chance

BEATS_CHANCE = 0.001  # whether a run's PSSR beats chance, one-sided: results, single runs, causes
# whether two things differ, two-sided, adjusted by Holm's rule for all compared: examined, causes, promises, losses,
# towers, recipes
DIFFERS = chance.DIFFERS
