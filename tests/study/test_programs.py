"""The paper's Algorithm 1 and the programs that it is said to describe."""

from study.chapters.metrics import programs


def test_a_gallery_on_one_point_is_perfect_by_two_of_the_three_programs():
    table = programs.executed().astype(float)
    point = table.loc["all of the gallery on one point"]
    assert (point["CVM-Net"], point["this paper"], point["Where in the World"]) == (100, 100, 0)
    assert (point["exact, ties for"], point["exact, ties against"]) == (100, 0)


def test_without_ties_the_programs_agree_but_for_what_one_percent_is():
    rows = programs.executed().astype(float).loc[["ranks well", "ranks at random"]]
    assert (rows["exact, ties for"] == rows["exact, ties against"]).all()
    assert (rows["Where in the World"] == rows["exact, ties against"]).all()
    assert (rows["this paper"] >= rows["exact, ties against"]).all()  # one image more
    assert list(programs.rules()["images of 1%"]) == ["4", "3", "3"]
