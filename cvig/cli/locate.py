"""``cvig locate`` and ``cvig calibrate``: a photograph, a gallery of tiles, and the region that holds its place."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

Tile = Annotated[float | None, typer.Option(help="Metres a side of the squares that one picture is cut into.")]
Stride = Annotated[float | None, typer.Option(help="Metres from one square to the next; the side where not given.")]
Crs = Annotated[str | None, typer.Option(help="Reference system of world files, such as EPSG:32633.")]
Zoom = Annotated[int | None, typer.Option(help="Of map tiles; the deepest where not given.")]
Scheme = Annotated[Literal["auto", "xyz", "tms"], typer.Option(help="Whether rows of map tiles count from north or south.")]
Cache = Annotated[Path | None, typer.Option(help="Folder that keeps embeddings; the user's cache where not given.")]
ModelFov = Annotated[
    float | None, typer.Option(help="Degrees across of the views that the network was trained on; 90 unless its run says.")
]


def locate(
    photographs: Annotated[
        list[Path] | None,
        typer.Argument(help="One photograph, or several of one place; with --each, of as many places.", show_default=False),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a finished training run.")] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            help="Folder of GeoTIFFs, of images with world files, or of map tiles zoom/x/y; a CSV or GeoParquet file "
            "of file, lat, lon, footprint; or one GeoTIFF, or image with a world file, that --tile cuts."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="What cvig calibrate wrote, or its folder; or a run, whose held-out views are taken then; the model's if "
            "not given."
        ),
    ] = None,
    coverage: Annotated[float, typer.Option(help="How often such a region holds the place, above 0 and below 1.")] = 0.9,
    out: Annotated[Path, typer.Option(help="Folder of the answer.")] = Path("answer"),
    score: Annotated[
        Literal["gap", "share"],
        typer.Option(help="Tiles within a gap of the nearest, fewer where it stands out; or a fixed share of the gallery."),
    ] = "gap",
    fov: Annotated[float | None, typer.Option(help="Degrees across of the photographs; EXIF says it if not given.")] = None,
    model_fov: ModelFov = None,
    screen: Annotated[
        Path | None,
        typer.Option("--filter", help="Run of notebooks/filter.ipynb: it says which photographs show no place."),
    ] = None,
    each: Annotated[
        bool,
        typer.Option("--each", help="An answer for each photograph, and whether they go on as the calibration's were."),
    ] = False,
    open_world: Annotated[
        bool, typer.Option("--open-world", help="Say whether the place is in the gallery at all, or abstain.")
    ] = False,
    tile: Tile = None,
    stride: Stride = None,
    crs: Crs = None,
    zoom: Zoom = None,
    scheme: Scheme = "auto",
    cache: Cache = None,
    demo: Annotated[bool, typer.Option("--demo", help="Show all of it on a corner of the procedural world.")] = False,
) -> None:
    """Say where a photograph was taken: a region that holds its place with a chosen coverage, as page, map and JSON.

    Nothing that the camera noted of its position is used. The coverage is the calibration's, on photographs of known
    place: it holds for photographs like those, of places that the gallery holds.
    """
    from cvig.locate.answer.folder import check_folder, write_answer, write_answers
    from cvig.locate.answer.report import text, watch_text
    from cvig.metrics.conformal import check_coverage

    check_coverage(coverage)
    page = out / "index.html"
    if demo:
        if photographs or model or gallery or calibration or screen:
            raise ValueError("--demo brings its own photograph, model, gallery, calibration and filter: give none of them")
        from cvig.locate.demo import run_demo

        typer.echo(text(run_demo(out, coverage=coverage, score=score, open_world=open_world)))
    else:
        for given, what in ((photographs, "a photograph"), (model, "--model RUN"), (gallery, "--gallery TILES")):
            if not given:
                raise ValueError(f"cvig locate needs {what}: cvig locate PHOTO --model RUN --gallery TILES; or --demo")
        check_folder(out, each=each)
        from cvig.locate import Gallery, Model, Photograph
        from cvig.locate.gallery import default_cache
        from cvig.locate.runs import read_calibration
        from cvig.locate.search import locate as search
        from cvig.locate.search import locate_each

        shown = [Photograph.read(path, fov) for path in photographs]
        network, kept = Model.read(model, model_fov), cache or default_cache()
        judge = None
        if screen:
            from cvig.filtering.saved import Filter

            judge = Filter.read(screen)
        tiles = Gallery.open(gallery, tile=tile, stride=stride, crs=crs, zoom=zoom, scheme=scheme)
        made = read_calibration(calibration or model, network, kept)
        tiles.embed(network, kept)
        options = {"coverage": coverage, "score": score, "open_to_all": open_world, "screen": judge}
        if each:
            cases, watched = locate_each(shown, network, tiles, made, **options)
            answers = write_answers(out, cases, watched)
            for folder, answer in answers.items():
                typer.echo(f"{folder}:\n{text(answer)}\n")
            typer.echo(watch_text(watched))
            page = out / next(iter(answers)) / "index.html"
        else:
            typer.echo(text(write_answer(out, search(shown, network, tiles, made, **options))))
    typer.echo(f"\nopen {page}")


def calibrate(
    model: Annotated[Path, typer.Option(help="Folder of a finished training run.")],
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Photographs of known place: a folder with photographs.csv of file, lat, lon, or EXIF. The run's held-out "
            "views where not given."
        ),
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="With --pairs: the tiles that are to be searched, as cvig locate takes them.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file; calibration.json in the model's folder if not given.")] = None,
    square: Annotated[float, typer.Option(help="Metres a side of the squares of ground that count as one.", min=1)] = 250.0,
    fov: Annotated[float | None, typer.Option(help="Degrees across of the photographs; EXIF says it if not given.")] = None,
    model_fov: ModelFov = None,
    tile: Tile = None,
    stride: Stride = None,
    crs: Crs = None,
    zoom: Zoom = None,
    scheme: Scheme = "auto",
    cache: Cache = None,
) -> None:
    """Measure on photographs of known place what a search may rule out, and how much so few of them promise."""
    from cvig.locate import Gallery, Model
    from cvig.locate.gallery import default_cache
    from cvig.locate.runs import calibrate_run
    from cvig.locate.search import calibrate_folder
    from cvig.metrics.conformal import conformal_bound, coverage_interval

    if (pairs is None) != (gallery is None):
        raise ValueError("--pairs and --gallery belong together: photographs of known place, and the tiles to search")
    network = Model.read(model, model_fov)
    if pairs is None:
        made = calibrate_run(model, network, square=square)
    else:
        tiles = Gallery.open(gallery, tile=tile, stride=stride, crs=crs, zoom=zoom, scheme=scheme)
        made = calibrate_folder(pairs, network, tiles.embed(network, cache or default_cache()), square=square, fov=fov)
    path = out or model / "calibration.json"
    made.write(path)
    what = made.source or f"{len(made)} photographs"
    typer.echo(f"{what} from {made.count} squares of {square:g} m, {made.tiles} tiles: {path}")
    for coverage in (0.5, 0.8, 0.9, 0.95):
        low, high = coverage_interval(made.count, coverage)
        bound = conformal_bound(made.share, coverage, made.square)
        said = f"the first {100 * bound:.1f}% of the tiles; so many squares promise {100 * low:.0f}% to {100 * high:.0f}%"
        if bound == math.inf:
            said = f"nothing can be ruled out: that takes {math.ceil(coverage / (1 - coverage) - 1e-9)} squares of ground"
        typer.echo(f"{100 * coverage:3g}%: {said}")
