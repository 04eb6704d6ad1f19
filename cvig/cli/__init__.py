"""The command line, ``cvig``: one module a command.

A command imports what it needs when it runs, so that ``cvig --help`` answers at once.
"""

import sys

import typer

from cvig.cli.check import check
from cvig.cli.examine import examine
from cvig.cli.label import label
from cvig.cli.score import score
from cvig.cli.world import world

app = typer.Typer(
    help="Cross-view image geo-localization: honest scores, checked data, a world to experiment on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(check)
app.command()(examine)
app.command()(label)
app.command()(score)
app.command()(world)


def main() -> None:
    """Run a command; bad input is one line on stderr and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        print(f"cvig: {error}", file=sys.stderr)
        sys.exit(2)
