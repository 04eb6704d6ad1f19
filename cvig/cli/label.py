"""``cvig label``: label photographs viable or not viable, in the browser."""

from pathlib import Path
from typing import Annotated

import typer


def label(
    folder: Annotated[Path, typer.Argument(help="The photographs, in it and below.")],
    out: Annotated[Path, typer.Option(help="CSV file of name and viable; labels it holds are kept.")] = Path("labels.csv"),
    seed: Annotated[int, typer.Option(help="Of the order in which photographs are shown.")] = 0,
    port: Annotated[int, typer.Option(help="Of 127.0.0.1; 0 is any free one.", min=0, max=65535)] = 0,
) -> None:
    """Show a page that labels photographs with two keys; every label is saved at once, and a later start goes on."""
    from cvig.filtering.labelling import Labels, server

    labels = Labels(folder, out, seed)
    with server(labels, port) as running:
        state = labels.state
        typer.echo(f"{state['labelled']} of {state['of']} photographs labelled in {out}")
        typer.echo(f"open http://127.0.0.1:{running.server_port}/ and press V or N; Ctrl-C ends")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            typer.echo(f"{labels.state['labelled']} of {state['of']} photographs labelled in {out}")
