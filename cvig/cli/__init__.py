"""The command line, ``cvig``: one module a command.

A command imports what it needs when it runs, so that ``cvig --help`` answers at once.
"""

import sys

import typer

from cvig.cli.check import check
from cvig.cli.examine import examine
from cvig.cli.label import label
from cvig.cli.locate import calibrate, locate
from cvig.cli.score import score
from cvig.cli.world import world
from cvig.extras import needing

MISUSE = typer.BadParameter.__base__.__base__  # of all that a call can get wrong, wherever this typer keeps it

app = typer.Typer(
    help="Cross-view image geo-localization: honest scores, checked data, a world to experiment on.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(calibrate)
app.command()(check)
app.command()(examine)
app.command()(label)
app.command()(locate)
app.command()(score)
app.command()(world)


def main() -> None:
    """Run a command; a bad call, bad input or a missing extra is one line on stderr and exit code 2."""
    words = sys.argv[1:] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show ends no report
            stream.reconfigure(errors="backslashreplace")
    try:
        with needing(f"cvig {words[0]}"):
            sys.exit(app(words, prog_name="cvig", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except MISUSE as error:
        said = error.format_message().replace("Value error, ", "")
    except (ValueError, OSError, OverflowError, ModuleNotFoundError) as error:
        said = error
    except (MemoryError, RecursionError) as error:
        said = f"the input is too large or too deep to be read ({error or type(error).__name__})"
    print(f"cvig: {said}", file=sys.stderr)
    sys.exit(2)
