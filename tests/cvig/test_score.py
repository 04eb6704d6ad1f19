"""``cvig score`` as a user meets it: files of every kind, bad files, and numbers that agree with the functions."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
import scipy.io
from optional import torch
from safetensors.numpy import save_file

from cvig import cli
from cvig.metrics import summary
from cvig.metrics.collapse import diagnose
from cvig.metrics.conventions import CONVENTIONS, pssr_as_coded, recalls
from cvig.metrics.conventions.answers import ANSWERS_CONVENTIONS
from cvig.ranking import exact_ranks
from cvig.reading.embeddings import read_array
from cvig.scoring.queries import read_per_query

N = 120
KS = {"R@1": 1, "R@5": 5, "R@10": 10, "R@1%": "1%", "R@5%": "5%", "R@10%": "10%"}


def embeddings(n=N, seed=0):
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(n, 8))
    query = gallery + rng.normal(size=(n, 8))
    gallery[: n // 4] = 0  # a quarter of the gallery is one point
    return query.astype(np.float32), gallery.astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with query.npy and gallery.npy."""
    monkeypatch.chdir(tmp_path)
    for name, rows in zip(("query", "gallery"), embeddings(), strict=True):
        np.save(f"{name}.npy", rows)
    return tmp_path


@pytest.fixture
def score(monkeypatch, capsys, folder):
    """Exit code, output and errors of ``cvig score WORDS``; query.npy and gallery.npy unless others are named."""

    def call(*words, query="query.npy", gallery="gallery.npy"):
        monkeypatch.setattr("sys.argv", ["cvig", "score", "--query", query, "--gallery", gallery, *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return call


def strict_json(text):
    """JSON by the standard: NaN and Infinity are errors."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def assert_refused(outcome, *fragments):
    code, output, errors = outcome
    assert code == 2
    assert output == ""
    assert errors.startswith("cvig: ")
    assert errors.count("\n") == 1
    for fragment in fragments:
        assert fragment in errors


# --- what it says ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", ["pessimistic", "optimistic", "expected"])
@pytest.mark.parametrize("similarity", ["euclidean", "dot"])
def test_json_agrees_with_the_functions(score, similarity, ties):
    code, output, _ = score("--json", "-", "--similarity", similarity, "--ties", ties)
    assert code == 0
    found = strict_json(output)
    query, gallery = embeddings()
    ranks = exact_ranks(query, gallery, similarity=similarity)
    table = summary(ranks, ties=ties)
    assert list(found["summary"]) == sorted(table.index)
    for metric, row in table.iterrows():
        assert found["summary"][metric] == pytest.approx(row.to_dict())
    assert found["tied_queries"] == (ranks.tied > 0).sum() > 0
    assert found["most_ties"] == ranks.tied.max()
    diagnosis = diagnose(query, gallery)
    assert found["collapse"]["verdict"] == diagnosis.verdict
    assert set(found["collapse"]) == {"verdict", *dataclasses.asdict(diagnosis)}
    expected = recalls(query, gallery, list(KS.values()))
    assert set(found["conventions"]) == set(CONVENTIONS)
    for name, convention in found["conventions"].items():
        values = {metric: expected[name][k] for metric, k in KS.items()}
        if name == "image-locate":
            values["PSSR"] = pssr_as_coded(query, gallery).mean()
        assert convention["values"] == pytest.approx(values)
        assert convention["source"] == CONVENTIONS[name].source


def test_csv_reads_back_as_the_same_tables(score, folder):
    assert score("--csv", "out.csv", "--json", "out.json")[0] == 0
    table = pd.read_csv("out.csv").set_index(["evaluator", "metric"])
    found = strict_json((folder / "out.json").read_text())
    for metric, row in found["summary"].items():
        assert table.loc[("cvig", metric)].to_dict() == pytest.approx(row)
    for name, convention in found["conventions"].items():
        for metric, value in convention["values"].items():
            assert table.loc[(name, metric), "value"] == pytest.approx(value)
    assert len(table) == len(found["summary"]) + 6 * len(CONVENTIONS) + 1


def test_the_report_shows_each_value_and_the_verdict(score):
    code, output, errors = score()
    assert code == 0
    assert errors == ""
    query, gallery = embeddings()
    ranks = exact_ranks(query, gallery)
    table = summary(ranks)
    for metric, row in table.iterrows():
        line = next(line for line in output.splitlines() if line.startswith(metric + " "))
        if metric.startswith("R@"):
            assert f"{100 * row['value']:.2f}% [{100 * row.low:.2f}%, {100 * row.high:.2f}%]" in line
            assert f"{100 * row.optimistic:.2f}%" in line
    assert f"{(ranks.tied > 0).sum()} of {N} queries have other gallery rows exactly as far" in output
    assert diagnose(query, gallery).verdict in output
    assert "image-locate R@1 " in output
    output = score("--all-conventions")[1]
    lines = {line.split()[0]: line for line in output.splitlines() if line.split()}
    for name, recall in recalls(query, gallery, [1]).items():
        assert f" {100 * recall[1]:.2f}%" in lines[name]
    assert "norm 1; these have norms from 0 to " in output


def test_stdout_holds_only_what_claimed_it(score):
    _, output, _ = score("--csv", "-")
    assert pd.read_csv(io.StringIO(output)).evaluator.iloc[0] == "cvig"
    assert_refused(score("--csv", "-", "--json", "-"), "both claim stdout")
    assert_refused(score("--csv", "/dev/stdout", "--json", "-"), "both claim stdout")
    for name in ("-", "/dev/stdout", "/dev/fd/1"):
        for option, parse in (("--csv", lambda text: pd.read_csv(io.StringIO(text))), ("--json", strict_json)):
            _, output, errors = score(option, name, "--no-conventions")
            assert len(parse(output)) > 5
            assert errors.startswith("120 queries, 120 gallery rows")


def test_a_gallery_of_few_rows_and_one_of_one_row(score, folder):
    for n in (1, 2, 7):
        for name, rows in zip(("q", "g"), embeddings(n), strict=True):
            np.save(f"{name}.npy", rows)
        code, output, _ = score("--json", "-", query="q.npy", gallery="g.npy")
        assert code == 0
        found = strict_json(output)
        assert ("R@5" in found["summary"]) == (n >= 5)
        assert set(found["conventions"]["SAFA"]["values"]) == {m for m in found["summary"] if m.startswith("R@")}


def test_conventions_are_those_that_apply_to_the_ground_truth(score, folder):
    np.save("pos.npy", np.arange(N)[::-1].copy())
    found = strict_json(score("--json", "-", "--positives", "pos.npy")[1])
    assert set(found["conventions"]) == set(ANSWERS_CONVENTIONS)
    np.save("two.npy", np.stack([np.arange(N), (np.arange(N) + 1) % N, np.full(N, -1)], axis=1))
    found = strict_json(score("--json", "-", "--positives", "two.npy")[1])
    assert set(found["conventions"]) == {"University-1652", "OpenVPRLab", "VPR-methods-evaluation"}
    assert "VPR-methods-evaluation" in score("--positives", "two.npy")[1]
    np.save("pos.npy", np.arange(N))
    assert set(strict_json(score("--json", "-", "--positives", "pos.npy")[1])["conventions"]) == set(CONVENTIONS)
    assert strict_json(score("--json", "-", "--no-conventions")[1])["conventions"] is None


def test_the_verdict_on_collapse_can_be_left_out(score):
    assert strict_json(score("--json", "-", "--no-collapse")[1])["collapse"] is None
    assert "Collapse" in score()[1]
    assert "Collapse" not in score("--no-collapse")[1]


def test_views_of_one_answer_are_resampled_together(score, folder):
    """Four copies of each query tell no more than one: the interval must not shrink."""
    query, _ = embeddings()
    np.save("four.npy", np.repeat(query, 4, axis=0))
    np.save("pos.npy", np.repeat(np.arange(N), 4))
    once = strict_json(score("--json", "-")[1])["summary"]["PSSR"]
    found = strict_json(score("--json", "-", "--positives", "pos.npy", query="four.npy")[1])["summary"]["PSSR"]
    assert found["value"] == pytest.approx(once["value"])
    assert found["high"] - found["low"] == pytest.approx(once["high"] - once["low"], rel=0.1)


# --- files of every kind -----------------------------------------------------------------------------------------------


@pytest.fixture
def squares(folder):
    """Twenty-five squares of 100 m, 24 queries in each, all of one square found or lost together."""
    rng = np.random.default_rng(0)
    corner = np.repeat(np.stack(np.meshgrid(range(5), range(5)), axis=-1).reshape(-1, 2), 24, axis=0)
    gallery = rng.normal(size=(600, 8))
    lost = np.repeat(rng.random(25) < 0.4, 24)
    np.save("g.npy", gallery)
    np.save("q.npy", np.where(lost[:, None], -gallery, gallery))
    np.save("other.npy", np.where(np.repeat(rng.random(25) < 0.4, 24)[:, None], -gallery, gallery))
    where = corner * 100 + rng.uniform(5, 95, (600, 2))
    where[0], where[-1] = 0.5, 499.5  # the grid begins at the least easting and northing
    np.save("where.npy", where)
    return 5 * corner[:, 0] + corner[:, 1]


def test_block_side_resamples_squares_of_ground(score, squares):
    """As `--places` would with the number of each query's square, in the summary and beside another model."""
    np.save("places.npy", squares)
    both = {"query": "q.npy", "gallery": "g.npy"}
    words = ("--compare", "other.npy", "--compare", "g.npy", "--no-conventions", "--no-collapse", "--json", "-")
    alone, in_squares, by_place = (
        json.loads(score(*more, *words, **both)[1])
        for more in ((), ("--query-coordinates", "where.npy", "--block-side", 100), ("--places", "places.npy"))
    )
    assert in_squares["truth"] == {**by_place["truth"], "block_side": 100}
    for part in ("summary", "comparison", "search_share"):
        assert in_squares[part] == by_place[part]
    ends = [report["summary"]["R@1"] for report in (alone, in_squares)]
    assert ends[1]["high"] - ends[1]["low"] > 3 * (ends[0]["high"] - ends[0]["low"])
    assert in_squares["comparison"]["R@1"]["p_value"] > alone["comparison"]["R@1"]["p_value"]
    code, out, _ = score("--query-coordinates", "where.npy", "--block-side", "measured", **both)
    assert code == 0
    assert "intervals and tests: over " in out
    assert "Queries that share their square count together" in out
    assert "squares that of the mean rank is too narrow" in out
    assert "too narrow where" not in score(query="q.npy", gallery="g.npy")[1]  # 600 places


def test_block_side_says_what_it_misses(score, squares):
    both = {"query": "q.npy", "gallery": "g.npy"}
    assert_refused(score("--block-side", "100", **both), "--block-side needs --query-coordinates")
    where = ("--query-coordinates", "where.npy")
    for side in ("0", "-3", "wide", "nan"):
        assert_refused(score(*where, "--block-side", side, **both), f"--block-side '{side}': expected metres")
    assert_refused(score(*where, "--block-side", "1000", **both), "all queries lie in one square")
    assert_refused(score(*where, **both), "--query-coordinates and --gallery-coordinates belong together")


def write(kind, names):
    query, gallery = embeddings()
    rows = dict(zip(names, (query, gallery), strict=True))
    if kind == "npz":
        np.savez("both.npz", **rows)
    elif kind == "mat":
        scipy.io.savemat("both.mat", rows)
    elif kind == "pt":
        torch.save({name: torch.from_numpy(x) for name, x in rows.items()} | {"epoch": 3}, "both.pt")
    else:
        save_file(rows, "both.safetensors")
    return f"both.{kind}"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("mat", ("grd_global_descriptor", "sat_global_descriptor")),
        ("npz", ("query", "gallery")),
        ("npz", ("ground", "aerial")),
        ("pt", ("query_f", "gallery_f")),
        ("safetensors", ("query", "gallery")),
    ],
)
def test_one_file_may_hold_both_sides(score, kind, names):
    file = write(kind, names)
    assert score("--csv", "-", query=file, gallery=file)[1] == score("--csv", "-")[1]
    assert score("--csv", "-", query=f"{file}:{names[0]}", gallery=f"{file}:{names[1]}")[1] == score("--csv", "-")[1]


def test_npy_is_mapped_and_a_bare_tensor_and_a_single_array_need_no_name(folder):
    query, _ = embeddings()
    assert isinstance(read_array("query.npy", "query"), np.memmap)
    torch.save(torch.from_numpy(query), "t.pt")
    torch.save(torch.from_numpy(query), "old.pt", _use_new_zipfile_serialization=False)
    np.savez("one.npz", whatever=query)
    for file in ("t.pt", "old.pt", "one.npz"):
        np.testing.assert_array_equal(read_array(file, "query"), query)


def test_bfloat16_tensors_are_read_as_the_numbers_they_are(folder):
    rows = torch.from_numpy(embeddings()[0]).bfloat16()
    torch.save(rows, "half.pt")
    found = read_array("half.pt", "query")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, rows.float().numpy())


def test_a_colon_in_a_file_name_is_no_array_name(folder):
    np.save("run:2.npy", embeddings()[0])
    assert read_array("run:2.npy", "query").shape == (N, 8)


def test_several_positives_are_scored_by_the_best_placed(score, folder):
    query, gallery = embeddings()
    rows = [[i, (i + 1) % N] for i in range(N)]
    (folder / "p.csv").write_text("".join(f"{a},{b}\n" for a, b in rows))
    found = strict_json(score("--json", "-", "--positives", "p.csv", "--form", "rows")[1])
    expected = summary(exact_ranks(query, gallery, rows))
    assert found["summary"]["PSSR"]["value"] == pytest.approx(expected.loc["PSSR", "value"])


# --- bad input ---------------------------------------------------------------------------------------------------------


def test_missing_and_unknown_files(score, folder):
    assert_refused(score(query="absent.npy"), "query file 'absent.npy' does not exist")
    assert_refused(score(gallery="."), "gallery file '.'")
    (folder / "g.jpg").write_text("")
    assert_refused(score(gallery="g.jpg"), "g.jpg", ".npy")
    (folder / "g.parquet").write_text("")
    assert_refused(score(gallery="g.parquet"), "convert it: python -c \"import pandas; pandas.read_parquet('g.parquet')")
    assert_refused(score("--positives", "absent.csv"), "absent.csv")


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "safetensors", "mat"])
@pytest.mark.parametrize("part", [0.0, 0.05, 0.6])
def test_truncated_files(score, folder, kind, part):
    file = "query.npy" if kind == "npy" else write(kind, ("query", "gallery"))
    data = (folder / file).read_bytes()
    (folder / f"cut.{kind}").write_bytes(data[: int(part * len(data))])
    cut = f"cut.{kind}"
    assert_refused(score(query=cut, gallery=cut), f"file '{cut}'")


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "safetensors", "mat"])
def test_text_named_like_an_array(score, folder, kind):
    if kind == "pt":
        pytest.importorskip("torch")
    (folder / f"x.{kind}").write_text("this is no array of embeddings\n" * 20)
    assert_refused(score(query=f"x.{kind}"), f"'x.{kind}'")


def test_pickled_objects_are_never_run(score, folder):
    class Harm:
        def __reduce__(self):
            return (open, ("harm", "w"))

    torch.save({"query": Harm()}, "harm.pt")
    np.save("harm.npy", np.array([Harm()], dtype=object), allow_pickle=True)
    for file in ("harm.pt", "harm.npy"):
        assert_refused(score(query=file), file)
    assert not (folder / "harm").exists()


def test_wrong_and_missing_names_list_what_there_is(score):
    file = write("npz", ("left", "right"))
    assert_refused(score(query=f"{file}:middle"), "no array named 'middle'", "left, right")
    assert_refused(score(query=file), "left, right", "FILE:NAME")
    assert_refused(score(query="query.npy:x"), "leave ':x' out")
    torch.save({"epoch": 3}, "none.pt")
    assert_refused(score(query="none.pt"), "none.pt", "none")


def test_nan_and_wrong_shapes(score, folder):
    query, gallery = embeddings()
    bad = query.copy()
    bad[[3, 50]] = np.nan
    np.save("nan.npy", bad)
    assert_refused(score(query="nan.npy"), "query 'nan.npy'", f"2 of {N} rows", "first is row 3")
    np.save("short.npy", gallery[:-1])
    assert_refused(score(gallery="short.npy"), f"{N} queries and {N - 1} gallery rows")
    np.save("narrow.npy", gallery[:, :5])
    assert_refused(score(gallery="narrow.npy"), "8 dimensions", "5")
    np.save("flat.npy", gallery.ravel())
    assert_refused(score(gallery="flat.npy"), "gallery 'flat.npy' of shape (960,)")
    np.save("empty.npy", gallery[:0])
    assert_refused(score(gallery="empty.npy"), "empty.npy")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("0\n" * (N - 1), f"{N - 1} queries"),
        ("0\n" * (N - 1) + f"{N}\n", f"positives of query {N - 1}: {N} is not within"),
        ("-2\n" + "0\n" * (N - 1), "positives of query 0: -2 is not within"),
        ("0\n" * 4 + "1.5\n", "line 5: '1.5'"),
        ("0\n\n1\n", "line 2: ''"),
        ("words\n0\n", "columns words: expected one called gallery"),
        ("", "empty"),
    ],
)
def test_bad_positives(score, folder, text, fragment):
    (folder / "p.csv").write_text(text)
    assert_refused(score("--positives", "p.csv"), fragment)


def test_positives_that_are_no_integers(score, folder):
    np.save("p.npy", np.full(N, 0.5))
    assert_refused(score("--positives", "p.npy"), "positives of query 0: 0.5")


def test_unknown_choices(score):
    assert_refused(score("--ties", "kind"), "'--ties'", "'kind' is not one of 'pessimistic', 'optimistic', 'expected'")
    for words in (("--similarity", "manhattan"), ("--form", "odd"), ("--unanswered", "maybe")):
        assert_refused(score(*words), f"'{words[0]}'", f"'{words[1]}' is not one of ")


def test_two_outputs_of_one_name_or_a_folder_are_refused_before_any_work(score, folder):
    (folder / "link.json").symlink_to("a.json")
    (folder / "folder.csv").mkdir()
    for words in (("--per-query", "s.csv", "--csv", "./s.csv"), ("--json", "a.json", "--csv", "link.json")):
        code, _, errors = score(*words)
        assert (code, "both write" in errors) == (2, True)
    code, _, errors = score("--csv", "s.csv", "--per-query", "folder.csv")
    assert (code, errors) == (2, "cvig: --per-query 'folder.csv' is a folder: expected the name of a file to write\n")
    assert not {"s.csv", "a.json"} & {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("closer", "-1", "line 3: ranks that no query can have"),
        ("tied", "500", "line 3: ranks that no query can have"),
        ("answers_tied", "9", "line 3: ranks that no query can have"),
        ("closer", "3.5", "expected whole numbers as closer"),
        ("tied", "9" * 30, "expected whole numbers as tied"),
    ],
)
def test_ranks_of_a_file_that_no_query_can_have_are_refused(tmp_path, column, value, said):
    columns = {"query": range(3), "closer": 1, "tied": 0, "gallery": 9, "answers": 1, "answers_tied": 1}
    table = pd.DataFrame(columns).astype(str)
    table.to_csv(tmp_path / "a.csv", index=False)
    assert read_per_query(tmp_path / "a.csv")[1].closer.tolist() == [1, 1, 1]
    table.loc[1, column] = value
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=said):
        read_per_query(tmp_path / "a.csv")
