"""Every plot gives a figure and an alt text that follows the data."""

import numpy as np
import pandas as pd
import pytest

from cvig.losses import InfoNCELoss, MaxMarginLoss, SoftMarginLoss
from cvig.metrics import summary
from cvig.models import build
from cvig.ranking import Ranks
from study import figures, published, tables
from study.chapters.metrics import figures as metrics_figures
from study.chapters.models import figures as models_figures
from study.chapters.runs import quick

RNG = np.random.default_rng(0)
LOG = pd.DataFrame(
    {
        "epoch": [1, 2],
        "phase": ["max-margin", "soft-margin"],
        "loss": [0.5, 0.25],
        "val_recall_1pct": [1.0, 3.0],
        "val_pssr": [0.5, 0.75],
        "ground_spread": [1.0, 0.5],
        "aerial_spread": [1.0, 0.0],
    }
)
IMAGES = RNG.integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        (lambda: figures.training_curve(LOG), "PSSR from 0.500 to 0.750"),
        (
            lambda: figures.pssr_on_both_axes(np.zeros(20), np.arange(1, 21) / 20, bins=20),
            "equation 2: 20 queries, mean 0.0000, the fullest bin holds 100.0% of them, the emptiest 0.0%; "
            "as coded: 20 aerial images, mean 0.5250, the fullest bin holds 5.0% of them, the emptiest 5.0%",
        ),
        (lambda: figures.pssr_histogram({"a": np.full(10, 0.95)}), "a: mean 0.950, 100% of 10 queries"),
        (
            lambda: figures.projection(RNG.normal(size=(5, 2)), RNG.normal(size=(6, 2)), (0.5, 0.25)),
            "carry 75% of the variance",
        ),
        (lambda: figures.pairs(IMAGES, IMAGES), "3 ground views"),
        (
            lambda: figures.retrieval_gallery(
                IMAGES[:2], IMAGES[None].repeat(2, 0), np.array([1, -1]), np.array([2, 40]), 50
            ),
            "query 1 finds its aerial image at rank 2 of 50, shown as number 2; .* at rank 40 of 50, beyond the 3",
        ),
        (
            lambda: figures.retrieval_gallery(IMAGES[:1], IMAGES[None], np.array([-1]), np.array([40]), 50, IMAGES[:1]),
            "nearest aerial images, and at the end its own: query 1 finds its aerial image at rank 40",
        ),
        (
            lambda: metrics_figures.recall_boundary(np.zeros(1), np.array([[1.0], [2.0], [2.0]]), 1, 2),
            "has 1 images closer and 1 exactly",
        ),
        (
            lambda: metrics_figures.search_space(np.zeros(1), np.array([[1.0], [2.0], [2.0], [3.0]]), 1),
            "the first 3, .*1 are ruled out",
        ),
        (lambda: models_figures.siamese_diagram(build("cvm-net-i", embedding=8)), "trunk vgg16, then NetVLAD"),
    ],
)
def test_alt_text_says_what_the_data_say(plot, said):
    figure, alt = plot()
    assert figure.axes
    assert pd.Series([alt]).str.contains(said, regex=True).all(), alt


def test_losses_fall_as_negatives_leave():
    losses = {"a": MaxMarginLoss(), "b": SoftMarginLoss(), "c": InfoNCELoss()}
    figure, _ = models_figures.loss_curves(losses)
    for axis in figure.axes:
        values = axis.lines[0].get_ydata()
        assert (np.diff(values) <= 1e-6).all()
        assert values[0] > values[-1]


def test_a_shown_figure_carries_alt_text_and_caption_escaped():
    html = figures.show(figures.pairs(IMAGES, IMAGES), caption='a < b "c"')._repr_html_()
    assert 'alt="3 ground views' in html
    assert "<figcaption>a &lt; b &quot;c&quot;</figcaption>" in html
    assert html == figures.show(figures.pairs(IMAGES, IMAGES), caption='a < b "c"')._repr_html_()


def test_published_tables_are_the_papers():
    cropped, uncropped = published.table(1), published.table(2)
    assert cropped.loc["resnet50", "R@10"] < cropped.loc["resnet50", "R@5"]  # as printed
    assert cropped.shape == uncropped.shape == (3, 6)
    with pytest.raises(ValueError, match="tables 1 and 2"):
        published.table(3)


def test_tables_print_value_interval_and_chance():
    frame = summary(Ranks(np.arange(100), np.zeros(100), 100), resamples=50)
    table = tables.recall_table({"ours": frame})
    assert table.loc["ours", "R@10"].startswith("10.0 [")
    assert table.loc["chance", "R@10"] == "10.00"


def test_a_networks_page_needs_a_committed_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="no committed quick run of vgg16"):
        quick.runs_of("vgg16", tmp_path)
