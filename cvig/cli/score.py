"""``cvig score``: exact metrics of anyone's embeddings, and what published evaluators would have made of them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

SOURCES = "Embeddings"
TRUTH = "Ground truth"
OUTPUT = "Output"


def score(
    query: Annotated[
        str | None, typer.Option(help="Embeddings of the queries: FILE or FILE:NAME.", rich_help_panel=SOURCES)
    ] = None,
    gallery: Annotated[
        str | None, typer.Option(help="Embeddings of the gallery: FILE or FILE:NAME.", rich_help_panel=SOURCES)
    ] = None,
    matrix: Annotated[
        str | None,
        typer.Option(
            help="In their place a matrix [Q, N], ranked exactly as stored; --closer says how.", rich_help_panel=SOURCES
        ),
    ] = None,
    closer: Annotated[
        Literal["smaller", "larger"] | None,
        typer.Option(help="Which numbers of --matrix are closer: smaller for distances.", rich_help_panel=SOURCES),
    ] = None,
    similarity: Annotated[
        Literal["euclidean", "dot", "cosine", "hamming"],
        typer.Option(help="What makes a gallery row close; hamming is of binary codes.", rich_help_panel=SOURCES),
    ] = "euclidean",
    layout: Annotated[
        Literal["auto", "rows", "columns", "batches"],
        typer.Option(help="How a file holds embeddings, where that is asked: columns is [D, N].", rich_help_panel=SOURCES),
    ] = "auto",
    dim: Annotated[int | None, typer.Option(help="Numbers a row of a .bin file.", rich_help_panel=SOURCES)] = None,
    positives: Annotated[
        str | None,
        typer.Option(
            help="Which gallery rows answer: row numbers, lists, a mask [Q, N], pairs, a dictionary; or diagonal. "
            "Without it labels beside the embeddings tell, else row i answers query i.",
            rich_help_panel=TRUTH,
        ),
    ] = None,
    query_labels: Annotated[
        str | None, typer.Option(help="Labels of the queries: gallery rows of the same label answer.", rich_help_panel=TRUTH)
    ] = None,
    gallery_labels: Annotated[str | None, typer.Option(help="Labels of the gallery.", rich_help_panel=TRUTH)] = None,
    query_coordinates: Annotated[
        str | None, typer.Option(help="Where the queries are: gallery rows within --radius answer.", rich_help_panel=TRUTH)
    ] = None,
    gallery_coordinates: Annotated[
        str | None, typer.Option(help="Where the gallery rows are.", rich_help_panel=TRUTH)
    ] = None,
    radius: Annotated[float | None, typer.Option(help="In metres.", rich_help_panel=TRUTH)] = None,
    coordinates: Annotated[
        Literal["auto", "metres", "lat-lon", "lon-lat"],
        typer.Option(help="What the coordinates are, where that is asked: metres is UTM.", rich_help_panel=TRUTH),
    ] = "auto",
    query_names: Annotated[
        str | None, typer.Option(help="Names of the queries, for ground truth by name.", rich_help_panel=TRUTH)
    ] = None,
    gallery_names: Annotated[str | None, typer.Option(help="Names of the gallery rows.", rich_help_panel=TRUTH)] = None,
    ignored: Annotated[
        str | None,
        typer.Option(help="Gallery rows that are neither right nor wrong, as --positives.", rich_help_panel=TRUTH),
    ] = None,
    semi: Annotated[
        str | None,
        typer.Option(
            help="Semi-positives, ignored in the hit rate: as --positives, rest for all but each query's first positive, "
            "or none.",
            rich_help_panel=TRUTH,
        ),
    ] = None,
    form: Annotated[
        Literal["auto", "rows", "pairs", "mask"],
        typer.Option(help="How the numbers of --positives are meant, where that is asked.", rich_help_panel=TRUTH),
    ] = "auto",
    first_row: Annotated[
        int | None,
        typer.Option(help="0 or 1: what --positives call the first row, where that is asked.", rich_help_panel=TRUTH),
    ] = None,
    own_row: Annotated[
        Literal["ask", "keep", "ignore"],
        typer.Option(help="What to do with gallery rows that are the queries themselves.", rich_help_panel=TRUTH),
    ] = "ask",
    unanswered: Annotated[
        Literal["leave-out", "wrong"],
        typer.Option(help="Queries that no gallery row answers: left out, or counted as lost.", rich_help_panel=TRUTH),
    ] = "leave-out",
    places: Annotated[
        str | None,
        typer.Option(
            help="Which place each query shows; by default queries of one answer share theirs.", rich_help_panel=TRUTH
        ),
    ] = None,
    block_side: Annotated[
        str | None,
        typer.Option(
            help="Intervals and tests over squares of ground of this side: METRES, or measured. Needs --query-coordinates, "
            "with or without --radius.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    ties: Annotated[
        Literal["pessimistic", "optimistic", "expected"],
        typer.Option(help="The tie rule of the value.", rich_help_panel=OUTPUT),
    ] = "pessimistic",
    k: Annotated[
        list[str], typer.Option(help="Take recall here too: a count, or a percentage such as 2%.", rich_help_panel=OUTPUT)
    ] = (),
    average_precision: Annotated[
        bool, typer.Option("--average-precision", help="Rank every answer, and report mAP too.", rich_help_panel=OUTPUT)
    ] = False,
    compare: Annotated[
        list[str],
        typer.Option(
            help="Another model on the same queries: its file of both sides, or given twice its queries and its gallery, or "
            "what --per-query wrote for it.",
            rich_help_panel=OUTPUT,
        ),
    ] = (),
    json_to: Annotated[
        str | None, typer.Option("--json", help="Write everything to this file; - is stdout.", rich_help_panel=OUTPUT)
    ] = None,
    csv_to: Annotated[
        str | None, typer.Option("--csv", help="Write both tables to this file; - is stdout.", rich_help_panel=OUTPUT)
    ] = None,
    per_query: Annotated[
        Path | None, typer.Option(help="Write a line a query to this .csv: ranks, ties, first rows.", rich_help_panel=OUTPUT)
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw recall curve and PSSR to this .png or .svg.", rich_help_panel=OUTPUT)
    ] = None,
    collapse: Annotated[
        bool, typer.Option(help="Say whether the embeddings have collapsed.", rich_help_panel=OUTPUT)
    ] = True,
    conventions: Annotated[
        bool, typer.Option(help="Say what published evaluators would have reported.", rich_help_panel=OUTPUT)
    ] = True,
    all_conventions: Annotated[
        bool, typer.Option("--all-conventions", help="Show it as a table.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Score embeddings exactly: recall, PSSR and MRR with intervals and chance, ties, and a verdict on collapse.

    Files may be .npy, .npz, .mat, .h5, .pt, .safetensors, .json, .pkl, .csv, .txt, .fvecs or .bin; nothing in them is ever
    run. What was understood is said, and what could mean two things is asked. The report goes to stdout, or to stderr
    where --json - or --csv - takes its place.
    """
    from cvig.files import names_stdout, naming, write_csv, write_json

    json_to, csv_to = ("-" if names_stdout(name) else name for name in (json_to, csv_to))
    if json_to == csv_to == "-":
        raise ValueError("--json - and --csv - both claim stdout: name a file for one of them")
    if figure is not None and figure.suffix.lower() not in (".png", ".svg"):
        raise ValueError(f"--figure '{figure}': expected a name ending in .png or .svg")
    if per_query is not None and per_query.suffix.lower() != ".csv":
        raise ValueError(f"--per-query '{per_query}': expected a name ending in .csv")
    if figure is not None:
        import matplotlib.figure  # noqa: F401 - where it is missing, that is said before anything is ranked

    from cvig.scoring.case import read_case
    from cvig.scoring.options import Options, refuse_to_overwrite

    options = Options(
        query=query,
        gallery=gallery,
        matrix=matrix,
        closer=closer,
        positives=positives,
        query_labels=query_labels,
        gallery_labels=gallery_labels,
        query_coordinates=query_coordinates,
        gallery_coordinates=gallery_coordinates,
        coordinates=coordinates,
        radius=radius,
        query_names=query_names,
        gallery_names=gallery_names,
        ignored=ignored,
        semi=semi,
        form=form,
        first_row=first_row,
        unanswered=unanswered,
        own_row=own_row,
        layout=layout,
        dim=dim,
        similarity=similarity,
        places=places,
        block_side=block_side,
        k=tuple(k),
        ties=ties,
        compare=tuple(compare),
        average_precision=average_precision,
    )
    refuse_to_overwrite(options, {"--json": json_to, "--csv": csv_to, "--per-query": per_query, "--figure": figure})
    case = read_case(options)

    from cvig.scoring.report import score_case, tidy
    from cvig.scoring.words import text

    scored = score_case(case, options, conventions=conventions, collapse=collapse)
    if per_query is not None:
        from cvig.scoring.queries import per_query as table

        write_csv(per_query, table(case, scored.ranks, similarity=options.compared, closer=closer))
    if figure is not None:
        from cvig.scoring.figure import write_figure

        write_figure(figure, scored.ranks, scored.places, ties, scored.table["chance"].to_dict())
    if json_to == "-":
        with naming("the standard output"):
            typer.echo(json.dumps(scored.report, indent=1, sort_keys=True, allow_nan=False))
    elif json_to:
        write_json(json_to, scored.report)
    if csv_to == "-":
        with naming("the standard output"):
            tidy(scored).to_csv(sys.stdout, index=False)
            sys.stdout.flush()
    elif csv_to:
        write_csv(csv_to, tidy(scored))
    with naming("the standard output"):
        typer.echo(text(scored.report, all_conventions=all_conventions), err="-" in (json_to, csv_to))
