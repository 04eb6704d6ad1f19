"""``cvig examine``: what a printed table of recall percentages can and cannot be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer


def examine(
    table: Annotated[
        Path,
        typer.Argument(help="Recalls as printed: CSV, Markdown or LaTeX; a row a model, columns such as R@5, R@1%."),
    ],
    n_range: Annotated[str, typer.Option(help="Sizes of the test set to try, FIRST:LAST.")] = "500:20000",
    stated_n: Annotated[int | None, typer.Option(help="The size that the publication states.", min=1)] = None,
    rule: Annotated[
        Literal["plain", "as-coded"], typer.Option(help="plain: R@k looks at k rows; as-coded: at k + 1.")
    ] = "plain",
    unit: Annotated[
        Literal["percent", "fraction"] | None, typer.Option(help="What the cells are, where all are at most 1.")
    ] = None,
    printing: Annotated[Literal["either", "rounded", "cut"], typer.Option(help="How last decimals came about.")] = "either",
) -> None:
    """Examine a published table of recall percentages by arithmetic alone.

    Which size of the test set explains its cells, and how probable such a fit is by chance; orderings that no ranking gives;
    the counts behind the cells, each against chance; and whether a row lies closer to chance than chance would.
    """
    from cvig.printed.reading import read_table

    cells, notes = read_table(table, unit)
    report = _lines(cells, str(table), _sizes(n_range), stated_n, rule, printing)
    typer.echo("\n".join([next(report), *(f"  {note}" for note in notes)]))
    for line in report:
        typer.echo(line)


def _sizes(text: str) -> range:
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise ValueError(f"--n-range '{text}': expected FIRST:LAST, such as 500:20000")
    return range(int(first), int(last) + 1)


def _lines(table, name: str, sizes: range, stated: int | None, rule: str, printing: str) -> Iterator[str]:
    """The report, a paragraph at a time."""
    from cvig.printed import chance as count_tests
    from cvig.printed import tables as printed
    from cvig.printed.scan import LEVEL, scan
    from cvig.words import count

    ks = printed.cutoffs(table)
    count_tests.tops_under(ks, sizes[-1], rule)  # a mistyped rule ends here, before anything is printed
    found = scan(table, sizes, printing)
    cells = len(found.cells)
    different = count(len(set(found.cells)), "different value")
    yield f"{name}: {count(cells, 'cell')}, {different}, {count(len(table), 'row')}"

    yield f"\nSize of the test set, {sizes[0]} to {sizes[-1]}"
    n = found.best if found.adjusted < LEVEL else None
    yield from _size(found, n)
    if stated is not None:
        explained = scan(table, [stated], printing).at(stated)
        yield f"  the stated n = {stated} explains {explained} of {cells}"
        if n is None and explained == cells:
            n = stated

    wrong = printed.impossible_orderings(table, n)
    yield f"\nOrderings that no ranking gives: {len(wrong)}"
    for pair in wrong.itertuples():
        yield f"  {pair.row}: {pair.smaller} is {pair.at_smaller}, above {pair.larger} at {pair.at_larger}"
    if n is None:
        yield "\nCounts and their tests need an n: none stands out, and none that is stated explains all cells"
        return
    yield from _tests(table, printed.counts(table, n, printing), count_tests.tops_under(ks, n, rule), n, rule)


def _size(found, n: int | None) -> Iterator[str]:
    """Which n the cells speak for, in a sentence that says how far it goes."""
    from cvig.printed.scan import LEVEL
    from cvig.words import say_p

    cells = len(found.cells)
    if n is None:
        p = say_p(found.adjusted)
        yield f"  no n stands out: some n fits as well as the best, {found.best}, by chance with p = {p} (level {LEVEL})"
        if free := found.explains_anything:
            yield f"  from n = {free} on any n prints any cell of so few decimals: this table cannot give a larger n away"
        return
    yield f"  n = {n} explains {found.at(n)} of {cells} cells; the median n explains {found.median:g}"
    if found.runner_up:
        yield "  runner-up, up to half as large again: n = {} explains {}".format(*found.runner_up)
    alone, anywhere = say_p(found.p_value.min()), say_p(found.adjusted)
    yield f"  by chance: p = {alone} for this n alone, at most {anywhere} for any n of the scan"
    if len(found.equals) > 1:
        yield f"  as many are explained by n = {', '.join(str(size) for size in found.equals if size != n)}"
    if missed := found.unexplained(n):
        yield (
            f"  it leaves {len(missed)} unexplained ({', '.join(missed[:5])}{', …' if len(missed) > 5 else ''}): "
            "those rows have another n or several, or the cells are means, misprints or otherwise rounded"
        )


def _tests(table, counts, top, n: int, rule: str) -> Iterator[str]:
    """Counts behind the cells, and what they are by the side of chance."""
    import pandas as pd

    from cvig.printed.chance import DIFFERS, against_chance, scatter
    from cvig.words import count, say_p

    shown = pd.concat([top.to_frame("chance").T.astype("Int64"), counts[top.index]]).astype(object)
    shown = shown.where(shown.notna(), "?")
    shown.loc[counts.index] = shown.loc[counts.index].mask(table[top.index] == "", "-")
    shown = shown.to_string() + ("\n?: no count prints so, or several do" if "?" in shown.to_numpy() else "")
    yield f"\nCounts at n = {n}, and what chance expects under the rule '{rule}'\n{_indented(shown)}"
    if counts.isna().all(axis=None):
        yield "\nNo count is certain: each cell stands for none or for several, so that none can be tested against chance"
        return
    cells = against_chance(counts, top, n)
    far = cells[cells.holm < DIFFERS]
    least = cells.loc[cells.p_value.idxmin()]
    yield (
        f"\nEach count against chance (exact binomial, two-sided; Holm over {len(cells)} cells): "
        f"{len(far)} differ at {DIFFERS}"
    )
    yield f"  smallest p: {say_p(least.p_value)} ({least.row}, {least.column}), {say_p(least.holm)} after Holm"
    for row, part in far.groupby("row", sort=False):
        yield f"  {row}: " + ", ".join(
            f"{column} {count} for {chance}" for column, count, chance in part[["column", "count", "chance"]].to_numpy()
        )
    try:
        rows = scatter(counts, top, n)
    except ValueError as error:
        yield f"\nScatter about chance: {error}"
        return
    yield (
        f"\nScatter about chance (chi-square, {rows.degrees.iloc[0]} degrees of freedom; shares of multinomial draws; "
        f"Holm over {count(len(rows), 'row')})\n"
        + _indented(rows.drop(columns="degrees").rename_axis(None).to_string(float_format="{:.3g}".format))
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
