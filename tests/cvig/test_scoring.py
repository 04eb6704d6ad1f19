"""What ``cvig score`` makes of a case: options, doubts, and every kind of output."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
from command_line import call

from cvig.metrics import compare
from cvig.metrics.conventions.answers import recalls_of_answers
from cvig.ranking import exact_ranks
from cvig.reading.truth import from_labels
from cvig.scoring.report import schema

N, D = 150, 12


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pairs(noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    gallery = unit(rng.normal(size=(N, D)))
    return unit(gallery + noise * rng.normal(size=(N, D)) / np.sqrt(D) * 3), gallery


@pytest.fixture
def score(monkeypatch, capsys, tmp_path):
    """Exit code, output and errors of ``cvig score WORDS`` in a folder with q.npy and g.npy."""
    monkeypatch.chdir(tmp_path)
    for name, rows in zip("qg", pairs(), strict=True):
        np.save(f"{name}.npy", rows)

    def run(*words, sides=True):
        first = ("--query", "q.npy", "--gallery", "g.npy") if sides else ()
        return call(monkeypatch, capsys, "score", *first, *words)

    return run


def found(outcome):
    code, output, errors = outcome
    assert code == 0, errors
    return json.loads(output)


def refused(outcome, *fragments):
    code, output, errors = outcome
    assert (code, output) == (2, "")
    assert errors.count("\n") == 1
    for fragment in fragments:
        assert fragment in errors


# --- what answers --------------------------------------------------------------------------------------------------------


def test_one_line_says_what_was_understood(score):
    label = np.random.default_rng(0).integers(0, 20, N)
    np.save("l.npy", label)
    lines = score("--query-labels", "l.npy", "--gallery-labels", "l.npy")[1].splitlines()
    counts = np.bincount(label)[label]
    assert lines[1] == f"positives: {counts.min()} to {counts.max()} gallery rows for each of {N} queries, from labels"
    assert score()[1].splitlines()[1] == "positives: row i answers query i"


def test_queries_without_an_answer_are_left_out_or_lost(score):
    answer = np.where(np.arange(N) % 3 == 0, -1, np.arange(N))
    np.save("p.npy", answer)
    query, gallery = pairs()
    some = answer >= 0
    ranks = exact_ranks(query[some], gallery, answer[some])
    share = (ranks.closer + ranks.tied == 0).mean()
    report = found(score("--positives", "p.npy", "--json", "-"))
    assert report["summary"]["R@1"]["value"] == pytest.approx(share)
    assert report["truth"]["answered"] == some.sum()
    assert "50 of 150 queries have no answer in the gallery and are left out" in " ".join(report["understood"])
    lost = found(score("--positives", "p.npy", "--unanswered", "wrong", "--json", "-"))
    assert lost["summary"]["R@1"]["value"] == pytest.approx(share * some.sum() / N)
    assert lost["truth"]["lost"] == 50
    np.save("none.npy", np.full(N, -1))
    refused(score("--positives", "none.npy"), "none of the 150 queries has an answer")


def test_semi_positives_give_the_hit_rate_beside_recall(score):
    """VIGOR's labels: the first answers, the other three are neither right nor wrong in the hit rate."""
    label = (np.arange(N)[:, None] + [0, 1, -1, 2]) % N
    np.save("label.npy", label)
    np.save("first.npy", label[:, 0])
    np.save("rest.npy", label[:, 1:])
    rng = np.random.default_rng(0)
    gallery = unit(np.cumsum(rng.normal(size=(N, D)), axis=0))  # tiles beside each other look alike
    query = unit(gallery + 0.1 * rng.normal(size=(N, D)))
    np.save("q.npy", query)
    np.save("g.npy", gallery)
    hit = exact_ranks(query, gallery, label[:, 0], ignored=list(label[:, 1:]))
    expected = (hit.closer + hit.tied == 0).mean()
    plain = found(score("--json", "-"))["summary"]["R@1"]["value"]
    assert expected > plain + 0.05
    for words in (
        ("--positives", "label.npy", "--semi", "rest"),
        ("--positives", "first.npy", "--semi", "rest.npy"),
        ("--positives", "first.npy", "--semi", "label.npy"),
    ):
        report = found(score(*words, "--json", "-"))
        assert report["summary"]["hit rate"]["value"] == pytest.approx(expected)
        assert report["summary"]["R@1"]["value"] == pytest.approx(plain)
    assert found(score("--positives", "first.npy", "--ignored", "label.npy", "--json", "-"))["summary"]["R@1"][
        "value"
    ] == pytest.approx(expected)
    refused(score("--positives", "label.npy"), "--semi rest", "--semi none")
    four = found(score("--positives", "label.npy", "--semi", "none", "--json", "-"))
    assert four["truth"]["most_answers"] == 4
    assert "hit rate" not in four["summary"]
    np.save("classes.npy", 4 * (np.arange(N) // 4 % (N // 4))[:, None] + np.arange(4))  # no two overlap in part
    assert score("--positives", "classes.npy", "--own-row", "keep")[0] == 0


def test_vigors_own_label_file_tells_positives_from_semi_positives(score):
    """Beside VIGOR's own loop (train_SAFA.py, validate_top), restated in NumPy."""
    rng = np.random.default_rng(0)
    query, gallery = pairs()
    tiles = [f"satellite_41.{i:04d}_-87.{i:04d}.png" for i in range(N)]
    order = rng.permutation(N)
    label = (order[:, None] + [0, 1, -1, 2]) % N
    offsets = rng.uniform(-320, 320, (N, 4, 2)).round(1)
    lines = [
        f"id_{i},41.8,-87.6,.jpg " + " ".join(f"{tiles[t]} {dx} {dy}" for t, (dx, dy) in zip(row, off, strict=True))
        for i, (row, off) in enumerate(zip(label, offsets, strict=True))
    ]
    with open("same_area_balanced_test.txt", "w") as stream:
        stream.write("\n".join(lines) + "\n")
    with open("satellite_list.txt", "w") as stream:
        stream.write("\n".join(tiles) + "\n")
    np.save("q.npy", query[order])
    words = ("--positives", "same_area_balanced_test.txt", "--gallery-names", "satellite_list.txt")
    report = found(score(*words, "--json", "-"))
    distance = 2 - 2 * query[order].astype(np.float64) @ gallery.T.astype(np.float64)
    closer = distance < distance[np.arange(N), label[:, 0]][:, None]
    assert report["summary"]["R@1"]["value"] == pytest.approx((closer.sum(axis=1) < 1).mean())
    closer[np.arange(N)[:, None], label[:, 1:]] = False
    assert report["summary"]["hit rate"]["value"] == pytest.approx((closer.sum(axis=1) < 1).mean())
    assert "semi-positives: all but the first gallery row of each query" in report["understood"]
    refused(score(*words[:2]), "--gallery-names")


def test_packed_bits_are_compared_by_the_bits_that_differ(score):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (2, N, 128))
    bits[0] = bits[1] ^ (rng.random((N, 128)) < 0.35)
    differing = (bits[0][:, None] != bits[1]).sum(axis=2)
    own = np.diag(differing)[:, None]
    worst = (differing <= own).sum(axis=1)
    for rows in (np.packbits(bits, axis=2), np.packbits(bits, axis=2).view(np.uint32), 2.0 * bits - 1, bits.astype(bool)):
        np.save("q.npy", rows[0])
        np.save("g.npy", rows[1])
        report = found(score("--similarity", "hamming", "--json", "-", "--per-query", "each.csv"))
        assert report["summary"]["mean rank"]["value"] == pytest.approx(worst.mean())
        assert report["tied_queries"] == (worst > (differing < own).sum(axis=1) + 1).sum() > 0
        assert report["similarity"] == "hamming"
        assert "query: 128 bits a row" in report["understood"]
        assert (pd.read_csv("each.csv").first_1 == differing.argmin(axis=1)).all()
        assert report["collapse"]["verdict"] == "healthy: no duplicates, no collapse"
    np.save("q.npy", np.packbits(bits[0], axis=1))
    np.save("g.npy", np.packbits(bits[1], axis=1))
    assert "if they are packed binary codes (np.packbits), say --similarity hamming" in score()[1]
    np.save("q.npy", pairs()[0])
    np.save("g.npy", pairs()[1])
    refused(score("--similarity", "hamming"), "query of type float32 with more than two values", "packed bits")


def test_coordinates_within_a_radius_answer(score):
    rng = np.random.default_rng(0)
    gallery = rng.uniform(0, 400, (N, 2)) + np.array([500_000, 5_000_000])
    np.save("gc.npy", gallery)
    np.save("qc.npy", gallery + rng.normal(size=(N, 2)))
    words = ("--query-coordinates", "qc.npy", "--gallery-coordinates", "gc.npy")
    report = found(score(*words, "--radius", 25, "--json", "-"))
    assert report["truth"]["most_answers"] > 1
    assert "from coordinates in metres, within 25 m" in report["understood"][0]
    refused(score(*words), "--radius")
    refused(score(*words, "--radius", 25, "--positives", "qc.npy"), "give one")


# --- what is asked about ------------------------------------------------------------------------------------------------


def test_columns_are_noticed(score):
    for name, rows in zip("qg", pairs(), strict=True):
        np.save(f"{name}.npy", rows.T.copy())
    refused(score(), "--layout columns", "--layout rows", f"{N} queries")
    for name, rows in zip("qg", pairs(), strict=True):
        np.save(f"{name}.npy", rows)
    plain = found(score("--json", "-"))["summary"]
    for name, rows in zip("qg", pairs(), strict=True):
        np.save(f"{name}.npy", rows.T.copy())
    assert found(score("--layout", "columns", "--json", "-"))["summary"] == plain


def test_a_querys_own_row_in_the_gallery_is_asked_about(score):
    gallery = pairs()[1]
    np.save("q.npy", gallery)
    np.save("l.npy", np.arange(N) // 5)
    labels = ("--query-labels", "l.npy", "--gallery-labels", "l.npy")
    refused(score(*labels), "--own-row ignore", "--own-row keep")
    assert found(score(*labels, "--own-row", "keep", "--json", "-"))["summary"]["R@1"]["value"] == 1
    report = found(score(*labels, "--own-row", "ignore", "--json", "-"))
    mine = np.arange(N)
    others = [np.setdiff1d(np.flatnonzero(mine // 5 == i // 5), i) for i in mine]
    ranks = exact_ranks(gallery, gallery, others, ignored=mine[:, None].tolist())
    assert report["summary"]["R@1"]["value"] == pytest.approx((ranks.closer + ranks.tied == 0).mean())
    assert "is one file given for both sides?" in score()[1]


def test_labels_on_one_side_are_asked_about_unless_they_count_the_rows(score):
    query = pairs()[0]
    np.savez("q.npz", query=query, query_label=np.arange(N)[::-1])
    refused(score("--query", "q.npz"), "--positives diagonal")
    np.savez("q.npz", query=query, query_label=np.arange(N))
    assert score("--query", "q.npz")[1].splitlines()[1] == "positives: row i answers query i"


# --- similarity and matrices --------------------------------------------------------------------------------------------


def test_cosine_is_exact_where_lengths_differ(score):
    gallery = pairs()[1]
    lengths = 2.0 ** np.random.default_rng(0).integers(-3, 4, (N, 1))
    plain = found(score("--json", "-"))["summary"]["PSSR"]["value"]
    np.save("g.npy", gallery * lengths)
    assert found(score("--json", "-"))["summary"]["PSSR"]["value"] != pytest.approx(plain)
    assert found(score("--similarity", "cosine", "--json", "-"))["summary"]["PSSR"]["value"] == pytest.approx(plain)


def test_a_matrix_is_ranked_as_stored(score):
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 9, (N, N)).astype(np.float16)
    np.save("m.npy", matrix)
    own = np.diag(matrix)[:, None]
    tied = (matrix == own).sum(axis=1) - 1
    for closer, ahead in (("smaller", (matrix < own).sum(axis=1)), ("larger", (matrix > own).sum(axis=1))):
        report = found(score("--matrix", "m.npy", "--closer", closer, "--json", "-", sides=False))
        assert report["summary"]["mean rank"]["value"] == pytest.approx((ahead + tied + 1).mean())
        assert report["tied_queries"] == (tied > 0).sum()
        assert report["collapse"] is None
    refused(score("--matrix", "m.npy", sides=False), "--closer smaller", "--closer larger")
    matrix[3, 4] = np.nan
    np.save("m.npy", matrix)
    refused(score("--matrix", "m.npy", "--closer", "smaller", sides=False), "NaN", "row 3")


# --- output -------------------------------------------------------------------------------------------------------------


def test_json_holds_to_its_schema(score):
    label = np.arange(N) // 3
    np.save("l.npy", label)
    np.save("m.npy", np.random.default_rng(0).normal(size=(N, N)))
    checker = jsonschema.Draft202012Validator(schema())
    checker.check_schema(schema())
    score("--per-query", "other.csv")
    for words in (
        (),
        ("--no-conventions", "--compare", "other.csv"),
        ("--query-labels", "l.npy", "--gallery-labels", "l.npy", "--k", "3", "--k", "2%"),
    ):
        checker.validate(found(score(*words, "--json", "-")))
    checker.validate(found(score("--matrix", "m.npy", "--closer", "larger", "--json", "-", sides=False)))
    report = found(score("--json", "-"))
    report["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        checker.validate(report)


def test_a_line_a_query(score):
    query, gallery = pairs()
    gallery[1] = gallery[0]
    np.save("g.npy", gallery)
    score("--per-query", "each.csv")
    table = pd.read_csv("each.csv")
    ranks = exact_ranks(query, gallery)
    np.testing.assert_array_equal(table.best_rank, ranks.closer + 1)
    np.testing.assert_array_equal(table.worst_rank, ranks.closer + ranks.tied + 1)
    distance = ((query[:, None].astype(np.float64) - gallery) ** 2).sum(axis=2)
    np.testing.assert_array_equal(
        table[[f"first_{i}" for i in range(1, 6)]], np.argsort(distance, axis=1, kind="stable")[:, :5]
    )
    np.testing.assert_array_equal(table.right, table.first_1 == table["query"])


def test_two_models_on_the_same_queries(score):
    query, gallery = pairs()
    worse = pairs(noise=1.0)[0]
    np.save("worse.npy", worse)
    expected = compare(exact_ranks(query, gallery), exact_ranks(worse, gallery))
    score("--query", "worse.npy", "--per-query", "worse.csv")
    for words in (("--compare", "worse.csv"), ("--compare", "worse.npy", "--compare", "g.npy")):
        report = found(score(*words, "--json", "-"))
        for metric, row in expected.iterrows():
            assert report["comparison"][metric] == pytest.approx(row.to_dict())
    assert "Beside the other model" in score("--compare", "worse.csv")[1]
    np.save("short.npy", worse[:-1])
    refused(score("--compare", "short.npy", "--compare", "g.npy"), "149 queries", "expected the same 150")
    refused(score("--compare", "absent.csv"), "absent.csv")


@pytest.mark.parametrize(("kind", "mark"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_figure(score, tmp_path, kind, mark):
    assert score("--figure", f"f.{kind}")[0] == 0
    data = (tmp_path / f"f.{kind}").read_bytes()
    assert data.startswith(mark)
    assert len(data) > 5000
    refused(score("--figure", "f.jpg"), ".png or .svg")


def test_why_inner_products_differ_is_said(score):
    gallery = pairs()[1]
    np.save("g.npy", gallery * np.linspace(0.1, 3, N)[:, None])
    output = score()[1]
    assert "SAFA" in output
    assert "it compares inner products" in output
    assert "its own rounding" not in output


def test_published_evaluators_are_one_line(score):
    output = score()[1]
    line = next(line for line in output.splitlines() if line.startswith("Published evaluators: "))
    report = found(score("--json", "-"))
    exact = report["summary"]["R@1"]["value"]
    coded = report["conventions"]["image-locate"]["values"]["R@1"]
    assert coded > exact
    assert f"image-locate R@1 {100 * coded:.2f}%: one place too many" in line
    # 1% of 150 rows is one row here, two to CVM-Net, VIGOR and SAFA's kin that add one
    assert "R@1% " in line
    assert "the first 2 rows, not 1" in line
    assert "SAFA" not in line
    assert "\nSAFA " in score("--all-conventions")[1]


def test_recall_at_any_cut_off(score):
    report = found(score("--k", 3, "--k", "2%", "--json", "-"))
    ranks = exact_ranks(*pairs())
    assert report["summary"]["R@3"]["value"] == pytest.approx((ranks.closer < 3).mean())
    assert report["summary"]["R@2%"]["value"] == report["summary"]["R@3"]["value"]
    refused(score("--k", "many"), "many")
    refused(score("--k", N + 1), "150 rows of the gallery")


def test_places_count_together(score):
    np.save("places.npy", np.arange(N) // 10)
    grouped = found(score("--places", "places.npy", "--json", "-"))
    assert grouped["truth"]["places"] == 15
    assert grouped["summary"]["R@1"]["value"] == found(score("--json", "-"))["summary"]["R@1"]["value"]
    np.save("places.npy", np.arange(N - 1))
    refused(score("--places", "places.npy"), "expected one for each of 150 queries")


# --- published evaluators of several answers ---------------------------------------------------------------------------


def test_values_of_the_sources_own_functions():
    """University1652-Baseline's evaluate, VPR-methods-evaluation's loop and VIGOR's rankings, run on these numbers."""
    rng = np.random.default_rng(3)
    gallery, query = (rng.normal(size=(n, 4)).astype(np.float32) for n in (30, 12))
    of_gallery, of_query = rng.integers(0, 6, 30), rng.integers(0, 7, 12)
    truth = from_labels(of_query, of_gallery, 12, 30)
    some = np.flatnonzero(truth.counts)
    assert len(some) == 10  # two queries have no answer, and count
    values = recalls_of_answers(query[some], gallery, truth.of(some).pairs, [1, 5, 10, "1%"], given=12)
    assert [values["University-1652"][k][0] for k in (1, 5, 10, "1%")] == pytest.approx([0, 2 / 3, 3 / 4, 0])
    for name in ("OpenVPRLab", "VPR-methods-evaluation"):
        assert [values[name][k][0] for k in (1, 5, 10)] == pytest.approx([1 / 6, 7 / 12, 5 / 6])
    answer = rng.permutation(30)[:12]
    values = recalls_of_answers(query, gallery, np.column_stack([np.arange(12), answer]), [1, 5, 10])
    for name in ("Sample4Geo", "TransGeo"):
        assert [values[name][k][0] for k in (1, 5, 10)] == pytest.approx([0, 1 / 12, 1 / 6])


def test_scripts_that_would_end_with_an_error_are_named(score):
    said = score()[1]
    assert "so small a gallery, where their rule alone is applied: image-locate (501 rows), SAFA (1000 rows)." in said


def test_average_precision_of_two_models(score):
    """Chance and a test of their own, and a row of the comparison where all positives of both were ranked."""
    label = np.arange(N) // 3
    np.save("l.npy", label)
    np.save("other.npy", pairs(noise=2)[0])
    labels = ("--query-labels", "l.npy", "--gallery-labels", "l.npy", "--average-precision", "--no-conventions")
    report = found(score(*labels, "--compare", "other.npy", "--compare", "g.npy", "--json", "-"))
    row = report["summary"]["mAP"]
    assert row["chance_low"] < row["chance"] < row["chance_high"] < row["value"]
    assert row["p_value"] < 0.01
    assert report["comparison"]["mAP"]["difference"] > 0
    score(*labels, "--per-query", "each.csv")
    assert "mAP" not in found(score(*labels, "--compare", "each.csv", "--json", "-"))["comparison"]
