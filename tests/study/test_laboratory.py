"""The tie laboratory in a browser: of every preset it says what the package says, and it follows mouse, finger and keys."""

from pathlib import Path

import numpy as np
import pytest
from browser import DESKTOP, PHONE, browser, missing

from cvig.metrics import TIES, pssr, recall_at_k, recall_curve, search_share
from cvig.metrics.conventions import CONVENTIONS, PAPER_CODE, TOP_OF_PERCENT, pssr_as_coded, recalls
from cvig.metrics.conventions.arithmetic import DIFFERENCES, FAISS, FAISS_DIFFERENCES, count
from cvig.ranking import Ranks, exact_ranks
from study.chapters.ties.laboratory import Laboratory, laboratory, presets, recall_and_area
from study.published import table

ROOT = Path(__file__).parents[2]
PRESETS = presets()
PUBLISHED_ROW = "ResNet50, published"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The laboratory alone on a page."""
    if missing():
        pytest.skip(missing())
    folder = tmp_path_factory.mktemp("page")
    (folder / "_static").symlink_to(ROOT / "book" / "_static")
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    (folder / "index.html").write_text(f"{head}<body>{laboratory()._repr_html_()}{recall_and_area()._repr_html_()}")
    with browser() as driven:
        driven.view(DESKTOP)
        driven.open(folder / "index.html")
        yield driven


def run(page, script, *arguments):
    return page.run(f"const lab = document.querySelector('.cvig-ties'); {script}", *arguments)


def load(page, name):
    return run(page, "return lab.load(arguments[0])", name)


def points(listed):
    return np.array([[np.nan if value is None else value for value in point] for point in listed])


def said_of(state):
    """Points of a state that the page gives, as the package takes them."""
    sides = [points(state[side])[:, : 2 if state["plane"] else 1] for side in ("queries", "tiles")]
    return [side.astype(np.float32) if np.isnan(side).any() else side for side in sides]


def same_scores(state):
    query, gallery = said_of(state)
    coded = pssr_as_coded(query, gallery)
    np.testing.assert_allclose(state["coded"], coded, atol=1e-12)
    if np.isnan(query).any():
        assert state["exact"] is None
        return
    ranks = exact_ranks(query, gallery)
    assert [c["closer"] for c in state["counted"]] == ranks.closer.tolist()
    assert [c["tied"] for c in state["counted"]] == ranks.tied.tolist()
    for ties in TIES:
        expected = {f"R@{k}": recall_at_k(ranks, k, ties=ties) for k in (1, "1%")} | {"PSSR": pssr(ranks, ties=ties)}
        assert state["exact"][ties] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_scores_of_the_package(page, name):
    state = load(page, name)
    query, gallery = said_of(state)
    if not PRESETS[name].bf16:
        axes = 2 if PRESETS[name].plane else 1
        np.testing.assert_array_equal(query, PRESETS[name].queries[:, :axes].astype(query.dtype))
        np.testing.assert_array_equal(gallery, PRESETS[name].tiles[:, :axes].astype(gallery.dtype))
    same_scores(state)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != PUBLISHED_ROW])
def test_published_rules_count_as_the_package_has_them(page, name):
    state = load(page, name)
    query, gallery = said_of(state)
    n = len(query)
    counts = count(query, gallery, [FAISS_DIFFERENCES], progress=False)[FAISS_DIFFERENCES]  # free of rounding on these grids
    straight = recalls(query, gallery, [1], progress=False)
    for said in state["published"]:
        convention = CONVENTIONS[said["name"]]
        for metric, top in (("R@1", 1), ("R@1%", TOP_OF_PERCENT[convention.percent](1, n))):
            assert said[metric]["value"] == pytest.approx(convention.hits(counts, top).mean(), abs=1e-12), convention.name
            if convention.any_order:
                bounds = [convention.any_order(counts, top, sign).mean() for sign in (1, -1)]
                assert [said[metric]["low"], said[metric]["high"]] == pytest.approx(bounds, abs=1e-12), convention.name
        if convention.arithmetic in (FAISS, DIFFERENCES):
            assert said["R@1"]["value"] == pytest.approx(straight[said["name"]][1], abs=1e-12)


def test_bfloat16_is_rounded_as_torch_rounds_it(page):
    torch = pytest.importorskip("torch")
    state = load(page, "bfloat16")
    for side in ("queries", "tiles"):
        stored = torch.from_numpy(getattr(PRESETS["bfloat16"], side)).float().bfloat16().double().numpy()
        np.testing.assert_array_equal(points(state[side]), stored)


def test_the_published_row_is_the_one_that_the_paper_prints(page):
    said = next(rule for rule in load(page, PUBLISHED_ROW)["published"] if rule["name"] == PAPER_CODE)
    for metric in ("R@1", "R@1%"):
        assert 100 * said[metric]["value"] == pytest.approx(table(1).loc["resnet50", metric], abs=5e-4)


def settled(page):
    """What the page shows and says, when it has drawn."""
    return run(
        page,
        """return new Promise((done) => setTimeout(() => done({
          said: lab.querySelector('.lab-said').textContent, state: lab.result, height: lab.offsetHeight,
          cells: [...lab.querySelectorAll('.lab-scores td')].slice(1).map((cell) => cell.textContent)}), 600))""",
    )


def test_collapse_ties_all_and_the_text_follows(page):
    load(page, "by hand")
    before = settled(page)
    for value in (0.5, 1):
        run(
            page,
            "const s = lab.querySelector('.lab-collapse'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
            value,
        )
        after = settled(page)
        same_scores(after["state"])
    assert "11 exactly as far" in after["said"]
    assert after["cells"] == ["0.0%", "0.0%", "0.0000", "8.3%", "8.3%", "0.4583", "100.0%", "100.0%", "0.9167"]
    assert after["height"] == before["height"]  # no layout shift


@pytest.mark.parametrize(("hand", "size"), [("mouse", DESKTOP), ("touch", PHONE)])
def test_a_point_is_dragged(page, hand, size):
    page.view(size)
    before = load(page, "healthy")["queries"][0]
    box = run(
        page,
        "const p = lab.querySelector('.lab-plot'); p.scrollIntoView({block: 'center'}); "
        "const b = p.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]",
    )
    at = [14 + (before[0] + 4) / 8 * (box[2] - 28), box[3] - 14 - (before[1] + 4) / 8 * (box[3] - 28)]
    start = (round(box[0] + at[0]), round(box[1] + at[1]))
    page.drag(start, (round(box[0] + box[2] / 2), round(box[1] + box[3] / 2)), hand)
    after = settled(page)["state"]
    page.view(DESKTOP)
    assert np.abs(after["queries"][0]).max() < 0.15  # to the middle
    same_scores(after)


def test_keys_move_the_chosen_point(page):
    before = load(page, "by hand")["queries"][0]
    run(page, "lab.querySelector('.lab-plot').focus()")
    page.press("\ue014\ue014\ue013")  # right, right, up
    state = settled(page)["state"]
    assert np.subtract(state["queries"][0], before).tolist() == [0.125, 0.0625]
    same_scores(state)


def test_the_curve_of_moved_ranks_is_the_package_s_and_its_area_is_pssr(page):
    state = page.run(
        """const lab = document.querySelector('.cvig-recall'), ranks = lab.querySelectorAll('.lab-ranks input');
        [2, 5, 5, 9, 20].forEach((rank, i) => (ranks[i].value = rank));
        ranks[0].dispatchEvent(new Event('input', {bubbles: true}));
        return {...lab.result, said: lab.querySelector('.lab-said').textContent}"""
    )
    ranks = Ranks([1, 4, 4, 8, 19], [0] * 5, 20)
    assert state["ranks"] == [2, 5, 5, 9, 20]
    np.testing.assert_allclose(state["curve"], recall_curve(ranks), atol=1e-12)
    assert state["pssr"] == pytest.approx(pssr(ranks), abs=1e-12)
    assert np.mean(state["curve"][:-1]) == pytest.approx(pssr(ranks))
    assert f"{pssr(ranks):.3f}" in state["said"]


def test_a_region_drawn_by_hand_is_the_search_share_of_the_photographs_drawn(tmp_path):
    if missing():
        pytest.skip(missing())
    rng = np.random.default_rng(0)
    rank, own = rng.permutation(60) + 1, rng.integers(0, 40, size=30)
    data = {"shares": ((own + 1) / 60).tolist(), "tiles": 60, "ranks": rank.tolist(), "places": rng.random((60, 2)).tolist()}
    (tmp_path / "_static").symlink_to(ROOT / "book" / "_static")
    shown = Laboratory("region", data)._repr_html_()
    (tmp_path / "index.html").write_text(f"<!doctype html><html lang='en'><meta charset='utf-8'><body>{shown}")
    with browser() as driven:
        driven.view(DESKTOP)
        driven.open(tmp_path / "index.html")
        for count in (0, 1, 8, 9, 19, 30):
            for coverage in (0.5, 0.75, 0.9, 0.95):
                said = run_region(driven, "return lab.set(arguments[0], arguments[1])", count, coverage)
                share = search_share(Ranks(own[:count], [0] * count, 60), coverage).share if count else 1.0
                assert said["share"] == pytest.approx(share, abs=1e-12)
                assert said["inside"] == (rank / 60 <= share + 1e-12).sum()
                assert said["held"] == ((own[count:] + 1) / 60 <= share + 1e-12).sum()
        text = "return document.querySelector('.lab-said').textContent"
        run_region(driven, "lab.set(8, 0.9)")
        assert "nothing is ruled out" in driven.run(text)
        run_region(driven, "lab.querySelector('button').focus()")
        driven.press(" ")  # the space bar draws the ninth, and that is enough
        assert run_region(driven, "return lab.result.count") == 9
        assert "Of 9 known photographs" in driven.run(text)
        assert driven.log() == []


def run_region(page, script, *arguments):
    return page.run(f"const lab = document.querySelector('.cvig-region'); {script}", *arguments)
