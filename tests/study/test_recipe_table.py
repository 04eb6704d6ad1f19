"""The table of recipes names in words what they differ in."""

from dataclasses import fields

from cvig.training.recipes import Recipe
from study.chapters.models import recipes
from study.switches import RECIPES


def test_the_table_has_words_for_what_recipes_differ_in_and_for_nothing_else():
    table = recipes.recipe_table(RECIPES)
    assert list(table.columns) == list(RECIPES)
    assert not any("_" in name for name in table.index)
    assert (table.nunique(axis=1)[:-1] > 1).all()
    assert table.loc["residual blocks start as the identity", ["described", "modern"]].tolist() == ["no", "yes"]
    assert table.loc["switches of the paper's code", "described"].startswith("0 of ")


def test_every_name_is_that_of_a_parameter():
    assert set(recipes.NAMES) <= {field.name for field in fields(Recipe)}
