"""``cvig examine``: what a printed table of recall percentages can and cannot be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer


def examine(
    table: Annotated[
        Path, typer.Argument(help="CSV of recall percentages as printed: a row a model, columns such as R@5, R@1%.")
    ],
    n_range: Annotated[str, typer.Option(help="Sizes of the test set to try, FIRST:LAST.")] = "500:20000",
    stated_n: Annotated[int | None, typer.Option(help="The size that the publication states.", min=1)] = None,
    rule: Annotated[str, typer.Option(help="plain: R@k looks at k rows; as-coded: at k + 1.")] = "plain",
    printing: Annotated[str, typer.Option(help="How last decimals came about: rounded, cut, or either.")] = "either",
) -> None:
    """Examine a published table of recall percentages by arithmetic alone.

    Which size of the test set explains its cells, and how probable such a fit is by chance; orderings that no ranking gives;
    the counts behind the cells, each against chance; and whether a row lies closer to chance than chance would.
    """
    from cvig.printed.tables import read_table

    for line in _lines(read_table(table), str(table), _sizes(n_range), stated_n, rule, printing):
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
    from cvig.words import say_p

    ks = printed.cutoffs(table)
    count_tests.tops_under(ks, sizes[-1], rule)  # a mistyped rule ends here, before anything is printed
    found = scan(table, sizes, printing)
    cells = len(found.cells)
    yield f"{name}: {cells} cells, {len(set(found.cells))} different values, {len(table)} rows"

    said = f"n = {found.best} explains {found.at(found.best)} of {cells} cells"
    yield f"\nSize of the test set, {sizes[0]} to {sizes[-1]}\n  {said}; the median n explains {found.median:g}"
    if found.runner_up:
        yield "  runner-up, up to half as large again: n = {} explains {}".format(*found.runner_up)
    alone, anywhere = say_p(found.p_value.min()), say_p(found.adjusted)
    yield f"  by chance: p = {alone} for this n alone, at most {anywhere} for any n of the scan"
    if len(found.equals) > 1:
        yield f"  as many are explained by n = {', '.join(str(n) for n in found.equals if n != found.best)}"
    n = found.best if found.adjusted < LEVEL else None
    if n is None:
        yield f"  no n stands out (at the level of {LEVEL})"
    if stated is not None:
        explained = scan(table, [stated], printing).at(stated)
        yield f"  the stated n = {stated} explains {explained}"
        if n is None and explained == cells:
            n = stated

    wrong = printed.impossible_orderings(table, n)
    yield f"\nOrderings that no ranking gives: {len(wrong)}"
    for pair in wrong.itertuples():
        yield f"  {pair.row}: {pair.smaller} is {pair.at_smaller}, above {pair.larger} at {pair.at_larger}"
    if n is None:
        yield "\nCounts and their tests need an n: none stands out, and none that is stated explains all cells"
        return
    yield from _tests(printed.counts(table, n, printing), count_tests.tops_under(ks, n, rule), n, rule)


def _tests(counts, top, n: int, rule: str) -> Iterator[str]:
    """Counts behind the cells, and what they are by the side of chance."""
    import pandas as pd

    from cvig.printed.chance import against_chance, scatter
    from cvig.words import say_p

    shown = pd.concat([top.to_frame("chance").T.astype("Int64"), counts[top.index]])
    yield f"\nCounts at n = {n}, and what chance expects under the rule '{rule}'\n{_indented(shown.to_string(na_rep='?'))}"
    cells = against_chance(counts, top, n)
    far = cells[cells.holm < 0.05]
    least = cells.loc[cells.p_value.idxmin()]
    yield f"\nEach count against chance (exact binomial, two-sided; Holm over {len(cells)} cells): {len(far)} differ at 0.05"
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
        f"Holm over {len(rows)} rows)\n"
        + _indented(rows.drop(columns="degrees").rename_axis(None).to_string(float_format="{:.3g}".format))
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
