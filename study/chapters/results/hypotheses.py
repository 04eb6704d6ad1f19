"""What became of the hypotheses of the study of places apart, in words: Markdown."""

import pandas as pd

from study.chapters.results import apart
from study.plans import Study


def _by(table: pd.DataFrame, recipe: str) -> str:
    """Which architectures a recipe beats chance with, by the plan's rule, in words."""
    part = table.xs(recipe, level="recipe")["beats chance"]
    words = {
        "yes": "beats chance",
        "open": "beats it in some runs",
        "not shown": "is not shown to",
        "no run yet": "has no run",
    }
    return "; ".join(f"{words[said]} with {', '.join(part.index[part == said])}" for said in words if (part == said).any())


def _holds(table: pd.DataFrame, recipe: str, said: str) -> bool:
    return bool((table.xs(recipe, level="recipe")["beats chance"] == said).all())


def of_apart(study: Study) -> str:
    """The plan's three hypotheses: what was found, and whether it holds, is refuted or is open."""
    table = apart.outcome(study)
    coded = [recipe for recipe in table.index.unique("recipe") if recipe.startswith("as-coded")]
    modern = "holds" if _holds(table, "modern", "yes") else "does not hold throughout"
    gained = table.xs("described", level="recipe")["beats chance"] == "yes"
    described = f"is refuted for {', '.join(gained.index[gained])}" if gained.any() else "holds as far as these runs show"
    near = {cell: row["published pattern"] for cell, row in table.iterrows() if cell[1] in coded}
    full = sum(made.split(" of ")[0] == made.split(" of ")[1] for made in near.values() if made)
    return "\n".join(
        [
            f"- *Modern beats chance in every run*: {modern}. It {_by(table, 'modern')}.",
            f"- *Described gains next to nothing*: {described}. It {_by(table, 'described')}.",
            "- *The code's recipes do not beat chance*: "
            + (
                "stands, for none is shown to; that is not to say that none does"
                if all(_holds(table, each, "not shown") for each in coded)
                else "does not hold throughout"
            )
            + f". *And find k + 1*: in all runs of {full} of {len(near)} cells ("
            + "; ".join(f"{arch} {recipe} {made}" for (arch, recipe), made in near.items())
            + "), so it is "
            + ("shown." if full == len(near) else "open for the others."),
        ]
    )
