"""A gallery of a stranger's: it is read as pictures and numbers alone, and from its own folder alone."""

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from galleries import paint

from cvig.locate.sources import open_tiles


def write_geotiff(path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    where = {"crs": "EPSG:32633", "transform": rasterio.Affine(4, 0, 5e5, 0, -4, 5e6)}
    with rasterio.open(path, "w", driver="GTiff", width=50, height=50, count=3, dtype="uint8", **where) as raster:
        raster.write(paint(path.with_suffix(".png"), (50, 50)).transpose(2, 0, 1))
    path.with_suffix(".png").unlink()


def placed_png(folder, name="a.png"):
    paint(folder / name, (40, 40))
    (folder / name).with_suffix(".pgw").write_text("1e-5\n0\n0\n-1e-5\n5\n5\n")


@pytest.mark.parametrize("how", ["a.tif", "folder", "overview", "mask", "metadata", "prj"])
def test_a_gallery_reads_no_other_file_and_no_network(tmp_path, how):
    """GDAL tells formats by content: a text that is called a.tif, or lies beside it, can name any file or address.

    It takes an address for the reference system that lies there, too.
    """
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    asked, secret, gallery = [], tmp_path / "secret.tif", tmp_path / "gallery"
    gallery.mkdir()
    write_geotiff(secret)
    text = (
        '<VRTDataset rasterXSize="50" rasterYSize="50"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>500000,5,0,5000000,0,-5</GeoTransform>"
        + "".join(
            f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename>{{0}}</SourceFilename>'
            f"<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
            for band in (1, 2, 3)
        )
        + "</VRTDataset>"
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET
        log_message = lambda *_: None  # noqa: E731

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"/vsicurl/http://127.0.0.1:{server.server_port}/a.tif"
    path = gallery / "a.tif"
    if how in ("a.tif", "folder"):
        path.write_text(text.format(secret))
    elif how == "prj":
        placed_png(gallery)
        (gallery / "a.prj").write_text(address.removeprefix("/vsicurl/"))
    else:
        write_geotiff(path)
        if how == "metadata":
            with rasterio.open(path, "r+") as raster:
                raster.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=address)
        else:
            path.with_name(f"a.tif.{'ovr' if how == 'overview' else 'msk'}").write_text(text.format(address))
    options = {"tile": 100} if how == "a.tif" else {}
    with pytest.raises(ValueError, match=r"begin as a TIFF|takes its overviews from another file|unknown reference system"):
        open_tiles(path if how == "a.tif" else gallery, **options)
    server.shutdown()
    server.server_close()
    assert asked == []


def test_a_geotiff_of_more_pixels_than_fit_is_refused_before_they_are_read(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    where = {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 5e5, 0, -1, 5e6)}
    shape = {"width": 60_000, "height": 60_000, "count": 3, "dtype": "uint8"}
    for name, more in (
        ("tiled", {"tiled": True}),
        ("one block", {"tiled": True, "blockxsize": 60_000, "blockysize": 60_000}),
    ):
        (tmp_path / name).mkdir()
        with rasterio.open(tmp_path / name / "a.tif", "w", driver="GTiff", **shape, **where, sparse_ok=True, **more):
            pass
    with pytest.raises(ValueError, match=r"a tile of 3600000000 pixels"):
        open_tiles(tmp_path / "tiled").picture(0, 16)
    with pytest.raises(ValueError, match=r"has blocks of more than"):
        open_tiles(tmp_path / "one block")


def test_coordinates_that_are_no_numbers_are_refused(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    for step in (float("nan"), float("inf"), 0.0):
        where = {"crs": "EPSG:32633", "transform": rasterio.Affine(step, 0, 5e5, 0, step, 5e6)}
        with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=9, height=9, count=3, dtype="uint8", **where):
            pass
        with pytest.raises(ValueError, match=r"has coordinates that are no numbers|has no coordinates"):
            open_tiles(tmp_path)


@pytest.mark.parametrize("layout", ["world file", "grid", "table", "geotiff"])
def test_a_link_that_leads_out_of_a_gallery_is_refused(tmp_path, layout):
    outside, gallery = tmp_path / "outside", tmp_path / "gallery"
    if layout == "geotiff":
        pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
        outside.mkdir()
        write_geotiff(outside / "a.tif")
    else:
        placed_png(outside)
    name = {"grid": "7/20/1.png", "geotiff": "a.tif"}.get(layout, "a.png")
    (gallery / name).parent.mkdir(parents=True)
    (gallery / name).symlink_to(outside / ("a.tif" if layout == "geotiff" else "a.png"))
    (gallery / "a.pgw").write_text("1e-5\n0\n0\n-1e-5\n5\n5\n")
    (gallery / "tiles.csv").write_text("file,lat,lon,footprint\na.png,5,5,9\n")
    with pytest.raises(ValueError, match=r"leads out of the data set's folder"):
        open_tiles(gallery / "tiles.csv" if layout == "table" else gallery).picture(0, 8)


def test_a_pipe_in_a_gallery_is_waited_for_by_nobody(tmp_path):
    (tmp_path / "7" / "20").mkdir(parents=True)
    os.mkfifo(tmp_path / "7" / "20" / "1.png")
    with pytest.raises(ValueError, match=r"no tile x/y.png"):
        open_tiles(tmp_path)
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "tiles.csv").write_text("file,lat,lon,footprint\na.png,5,5,9\n")
    with pytest.raises(ValueError, match=r"is no regular file"):
        open_tiles(tmp_path / "tiles.csv").key(0)
    with pytest.raises(FileNotFoundError, match=r"no image"):
        open_tiles(tmp_path / "tiles.csv").picture(0, 8)
    placed_png(tmp_path / "other")
    (tmp_path / "other" / "a.pgw").unlink()
    os.mkfifo(tmp_path / "other" / "a.pgw")
    with pytest.raises(ValueError, match=r"has no coordinates"):
        open_tiles(tmp_path / "other")
