"""Galleries that people have: each tile lies where its file says, and shows what lies there."""

import json
import math
import shutil
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from galleries import METRE, paint
from PIL import Image

from cvig.locate.geometry import areas, centers, plane
from cvig.locate.sources import open_tiles

DEGREES = (METRE, 0, 0, -METRE)


def world_file(path, numbers):
    path.write_text("".join(f"{number:.12f}\n" for number in numbers))


def place(path, west, north, metres=1.0):
    """A world file that puts an image's upper left corner there; at the equator, in degrees."""
    step = metres * METRE
    ends = {".jpg": ".jgw", ".png": ".pgw", ".tif": ".tfw"}
    world_file(path.with_suffix(ends[path.suffix]), (step, 0, 0, -step, west + step / 2, north - step / 2))


def test_images_lie_where_their_world_files_say(tmp_path):
    for i in range(3):
        pixels = paint(tmp_path / f"{i}.png", (100, 100), seed=i)
        place(tmp_path / f"{i}.png", 0.01 * i, 0.5)
    tiles = open_tiles(tmp_path)
    assert tiles.corners[2, 0] == pytest.approx([0.02, 0.5], abs=1e-9)
    assert areas(tiles.corners) == pytest.approx(1e4, rel=1e-3)
    assert (tiles.picture(2, 100) == pixels).all()


def test_a_picture_is_cut_into_squares_that_show_their_ground(tmp_path):
    pixels = paint(tmp_path / "map.png", (240, 180))
    place(tmp_path / "map.png", 0.0, 0.0)
    tiles = open_tiles(tmp_path / "map.png", tile=60, stride=30)
    assert len(tiles) == 7 * 5
    row = 2 * 7 + 3
    assert plane(tiles.corners[row, 0], 0) == pytest.approx([90, -60], abs=0.01)
    assert (tiles.picture(row, 60) == pixels[60:120, 90:150]).mean() > 0.99


@pytest.mark.parametrize("scheme", ["xyz", "tms"])
def test_map_tiles_lie_where_their_numbers_say(tmp_path, scheme):
    # Greenwich's observatory; the web map's formula goes from degrees to rows, the code from rows to degrees
    y = int((1 - math.asinh(math.tan(math.radians(51.4769))) / math.pi) / 2 * 2**15)
    y = y if scheme == "xyz" else 2**15 - 1 - y
    paint(tmp_path / "15" / "16383" / f"{y}.png", (256, 256))
    (tmp_path / "14" / "1").mkdir(parents=True)
    if scheme == "tms":
        (tmp_path / "tilemapresource.xml").write_text("<TileMap/>")
    tiles = open_tiles(tmp_path)
    (west, south), (east, north) = tiles.corners[0].min(axis=0), tiles.corners[0].max(axis=0)
    assert west < -0.0015 < east
    assert south < 51.4769 < north
    assert open_tiles(tmp_path, scheme=scheme).corners == pytest.approx(tiles.corners)


def test_a_table_places_tiles_by_their_middles(tmp_path):
    for i in range(2):
        paint(tmp_path / f"{i}.jpg")
    (tmp_path / "tiles.csv").write_text("file,lat,lon,footprint\n0.jpg,60,5,200\n1.jpg,-60,5,100\n")
    tiles = open_tiles(tmp_path / "tiles.csv")
    assert centers(tiles.corners) == pytest.approx(np.array([[5, 60], [5, -60]]))
    assert areas(tiles.corners) == pytest.approx([4e4, 1e4], rel=1e-3)
    assert (tiles.corners[1, 0] < [5, -59.99]).all()
    assert (tiles.corners[1, 0, 1] > tiles.corners[1, 3, 1]).all()


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        ({}, {}, "is empty"),
        ({"a.png": None}, {}, "has no coordinates"),
        (
            {"a.png": None, "b.png": None, "a.pgw": "1\n0\n0\n-1\n5\n5\n"},
            {},
            "has no coordinates (1 such; 1 others have one)",
        ),
        ({"a.png": None, "a.pgw": "1\n0\n0\n"}, {}, "expected six numbers"),
        ({"a.png": None, "a.pgw": "1\n2\n1\n2\n5\n5\n"}, {}, "span no area"),
        ({"a.png": None, "a.pgw": "1\n0\n0\n-1\n500000\n5000000\n"}, {}, "does not say its reference system"),
        ({"a.png": b"no image", "a.pgw": "1\n0\n0\n-1\n5\n5\n"}, {}, "cannot be read"),
        ({"tiles.csv": "file,lat\na.png,3\n"}, {"of": "tiles.csv"}, "expected file, lat and lon"),
        ({"tiles.csv": "file,lat,lon\na.png,3,400\n"}, {"of": "tiles.csv"}, "line 2: lon 400"),
        ({"tiles.csv": "file,lat,lon\na.png,x,4\n"}, {"of": "tiles.csv"}, "line 2: lat x"),
        ({"tiles.csv": "file,lat,lon\na.png,3,4\n"}, {"of": "tiles.csv"}, "no image"),
        ({"a.png": None, "tiles.csv": "file,lat,lon\na.png,3,4\n"}, {"of": "tiles.csv"}, "no column footprint"),
        ({"a.png": None, "a.pgw": "1\n0\n0\n-1\n5\n5\n"}, {"of": "a.png"}, "say how it is cut"),
        ({"a.png": None, "a.pgw": "1e-5\n0\n0\n-1e-5\n5\n5\n"}, {"of": "a.png", "tile": 9000}, "too small for a tile"),
        ({"a.png": None, "a.pgw": "1e-5\n1e-6\n0\n-1e-5\n5\n5\n"}, {"of": "a.png", "tile": 9}, "turns its picture"),
        ({"a.png": None}, {"of": "a.png", "tile": 9}, "has no coordinates"),
        ({"7/x/1.png": None}, {}, "no tile x/y.png"),
        ({"7/200/1.png": None}, {}, "beyond the 128 of zoom 7"),
        ({"7/20/1.png": None}, {"zoom": 9}, "has no zoom 9"),
        ({"notes.txt": "hm"}, {"of": "notes.txt"}, "expected a folder, a CSV or Parquet file"),
    ],
)
def test_a_gallery_that_cannot_be_placed_is_refused_in_one_line(files, options, said, tmp_path):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            paint(path, (40, 40))
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    of = options.pop("of", "")
    with pytest.raises(ValueError, match=r".") as raised:
        open_tiles(tmp_path / of, **options)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_gallery_at_all_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no gallery '.*nowhere'"):
        open_tiles(tmp_path / "nowhere")


# GeoTIFFs, made by rasterio and read in any reference system


def ground(lonlat: np.ndarray) -> np.ndarray:
    """A colour that says where a point lies: red by the metre eastward, green northward, of an origin."""
    east, north = np.moveaxis(plane(lonlat - np.array([15.0, 50.0]), 50.0), -1, 0)
    return np.stack([60 + east / 10, 60 + north / 10, 0 * east + 200], axis=-1)


def write_geotiff(path, crs, affine, size, nodata=None, hole=None):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    from rasterio.warp import transform

    col, row = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    x, y = affine @ np.stack([col.ravel(), row.ravel(), np.ones(col.size)])
    lonlat = np.stack(transform(crs, "EPSG:4326", x, y), axis=-1).reshape(*col.shape, 2)
    colour = np.moveaxis(ground(lonlat).round().clip(1, 255), -1, 0).astype(np.uint8)
    if hole:
        colour[:, hole[0], hole[1]] = nodata
    options = {"driver": "GTiff", "width": size[0], "height": size[1], "count": 3, "dtype": "uint8", "crs": crs}
    with rasterio.open(path, "w", **options, nodata=nodata, transform=rasterio.Affine(*affine.ravel())) as raster:
        raster.write(colour)


def utm(lon, lat):
    from rasterio.warp import transform

    return [v[0] for v in transform("EPSG:4326", "EPSG:32633", [lon], [lat])]


def turned(x, y, metres, degrees):
    c, s = metres * np.cos(np.radians(degrees)), metres * np.sin(np.radians(degrees))
    return np.array([[c, s, x], [s, -c, y]])


@pytest.mark.parametrize(("crs", "degrees"), [("EPSG:32633", 0), ("EPSG:32633", 30), ("EPSG:4326", 0), ("EPSG:3857", 0)])
def test_squares_of_a_mosaic_show_the_ground_at_their_coordinates_whatever_its_system_and_turn(tmp_path, crs, degrees):
    pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    from rasterio.warp import transform

    x, y = (v[0] for v in transform("EPSG:4326", crs, [15.0], [50.01]))
    affine = turned(x, y, 4.0 if crs != "EPSG:4326" else 4 * METRE, degrees)
    write_geotiff(tmp_path / "mosaic.tif", crs, affine, (250, 250))
    tiles = open_tiles(tmp_path / "mosaic.tif", tile=128, stride=128)
    assert len(tiles) >= 16
    # Mercator's metres are shorter at 50 degrees; the squares are of true ones
    assert areas(tiles.corners) == pytest.approx(128**2, rel=0.01)
    shown = np.array([tiles.picture(row, 32)[12:20, 12:20].mean(axis=(0, 1)) for row in range(len(tiles))])
    inside = shown[:, 2] == 200  # squares at a turned edge are partly without data
    assert inside.mean() > 0.8
    assert np.abs(shown - ground(centers(tiles.corners)))[inside].max() < 2
    # north is up: rows of a picture go southward, columns eastward
    picture = tiles.picture(int(np.flatnonzero(inside)[len(tiles) // 4]), 32).astype(float)
    assert picture[4, :, 1].mean() > picture[28, :, 1].mean() + 5
    assert picture[:, 28, 0].mean() > picture[:, 4, 0].mean() + 5


def test_squares_without_data_are_left_out_and_holes_are_black(tmp_path):
    pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    x, y = utm(15.0, 50.01)
    hole = slice(0, 100), slice(0, 250)
    write_geotiff(tmp_path / "m.tif", "EPSG:32633", turned(x, y, 4.0, 0), (250, 250), nodata=255, hole=hole)
    tiles = open_tiles(tmp_path / "m.tif", tile=100, stride=100)
    assert len(tiles) == 10 * 6
    assert max(tiles.picture(row, 8).max() for row in range(len(tiles))) < 255
    assert any("too little data" in note for note in tiles.notes)


def test_a_folder_of_geotiffs_in_several_systems_is_placed_each_by_its_own(tmp_path):
    pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    from rasterio.warp import transform

    for name, crs, degrees in (("a.tif", "EPSG:32633", 0), ("b.tif", "EPSG:3857", 0), ("c.tif", "EPSG:32633", 30)):
        x, y = (v[0] for v in transform("EPSG:4326", crs, [15.0], [50.01]))
        write_geotiff(tmp_path / name, crs, turned(x, y, 4.0, degrees), (50, 50))
    tiles = open_tiles(tmp_path)
    assert tiles.corners[:, 0] == pytest.approx(np.array([[15.0, 50.01]] * 3), abs=1e-6)
    assert "2 reference systems" in tiles.notes[0]
    assert tiles.notes[1] == "turned against north, and matched as they lie: 1 tile"
    assert np.abs(tiles.picture(2, 8)[4, 4] - ground(centers(tiles.corners))[2]).max() < 4
    assert areas(tiles.corners)[1] == pytest.approx(4e4 * np.cos(np.radians(50)) ** 2, rel=0.01)
    assert np.abs(tiles.picture(0, 8)[4, 4] - ground(centers(tiles.corners))[0]).max() < 4


@pytest.mark.parametrize(
    ("dtype", "placed", "said"), [("uint16", True, "has values of uint16"), ("uint8", False, "has no coordinates")]
)
def test_a_geotiff_that_says_too_little_is_refused(tmp_path, dtype, placed, said):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    where = {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 5e5, 0, -1, 5e6)} if placed else {}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=9, height=9, count=1, dtype=dtype, **where) as raster:
        raster.write(np.ones((1, 9, 9), dtype))
    for of, options in (("", {}), ("a.tif", {"tile": 3})):
        with pytest.raises(ValueError, match=said):
            open_tiles(tmp_path / of, **options)


def test_world_files_in_metres_take_their_system(tmp_path):
    pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    x, y = utm(15.0, 50.0)
    Image.new("RGB", (50, 50)).save(tmp_path / "a.png")
    world_file(tmp_path / "a.pgw", (2, 0, 0, -2, x + 1, y - 1))
    assert open_tiles(tmp_path, crs="EPSG:32633").corners[0, 0] == pytest.approx([15.0, 50.0], abs=1e-7)
    (tmp_path / "a.prj").write_text("EPSG:32633")
    assert open_tiles(tmp_path).corners[0, 0] == pytest.approx([15.0, 50.0], abs=1e-7)
    with pytest.raises(ValueError, match=r"unknown reference system 'EPSG:1'"):
        open_tiles(tmp_path, crs="EPSG:1")
    with pytest.raises(ValueError, match=r"coordinates that reference system 'ESRI:102003' does not reach"):
        open_tiles(tmp_path, crs="ESRI:102003")


# Parquet files, as geopandas 1.2.0 wrote them (tests/cvig/data): squares of 100 m in UTM, of which shapely begins one at the
# lower right and one turns clockwise; points in degrees

DATA = Path(__file__).with_name("data")


def beside(tmp_path, name):
    """A file of geopandas beside the pictures that it lists."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra geoparquet)")
    for one in ("a.png", "b.png"):
        paint(tmp_path / one, (20, 20))
    return shutil.copy(DATA / name, tmp_path)


def test_outlines_of_geoparquet_lie_where_geopandas_says_from_the_upper_left_on(tmp_path):
    tiles = open_tiles(beside(tmp_path, "outlines.parquet"))
    upper_left = [[14.999999999999982, 50.0132149219907], [15.002791446991237, 50.013214888417004]]  # to_crs(4326)
    lower_right = [[15.00139569744654, 50.01231551022985], [15.004187092334396, 50.01231544308458]]
    assert tiles.corners[:, 0] == pytest.approx(np.array(upper_left), abs=1e-9)
    assert tiles.corners[:, 2] == pytest.approx(np.array(lower_right), abs=1e-9)
    assert (tiles.corners[:, 1, 0] > tiles.corners[:, 3, 0]).all()  # clockwise: the upper right comes next
    assert areas(tiles.corners) == pytest.approx(1e4, rel=5e-3)
    assert tiles.names == ["a.png", "b.png"]
    assert tiles.picture(1, 20).shape == (20, 20, 3)


def test_points_of_geoparquet_are_the_middles_of_footprints(tmp_path):
    path = beside(tmp_path, "points.parquet")
    tiles = open_tiles(path)
    assert centers(tiles.corners) == pytest.approx(np.array([[15, 50], [15.01, 50.02]]))
    assert areas(tiles.corners) == pytest.approx([1e4, 2.5e3], rel=1e-3)
    # the same with the largest byte first, as the standard allows
    from pyarrow import array, parquet

    table = parquet.read_table(path)
    big = [struct.pack(">BI2d", 0, *struct.unpack("<I2d", one[1:])) for one in table["geometry"].to_pylist()]
    parquet.write_table(table.set_column(table.column_names.index("geometry"), "geometry", array(big)), path)
    assert (open_tiles(path).corners == tiles.corners).all()


def test_geoparquet_that_names_no_system_takes_the_given_one(tmp_path):
    path = beside(tmp_path, "nowhere.parquet")
    with pytest.raises(ValueError, match=r"nowhere.parquet' does not say its reference system"):
        open_tiles(path)
    assert centers(open_tiles(path, crs="EPSG:32633").corners) == pytest.approx(np.array([[15, 50], [15.01, 50.02]]))


def test_a_plain_parquet_file_is_read_as_a_csv_file_is(tmp_path):
    path = beside(tmp_path, "points.parquet")
    pd.DataFrame({"file": ["a.png", "b.png"], "lat": [1, 2], "lon": [3, 4]}).to_parquet(path)
    assert centers(open_tiles(path, tile=50).corners) == pytest.approx(np.array([[3, 1], [4, 2]]))
    pd.DataFrame({"file": ["a.png", "b.png"], "lat": [1, 100], "lon": [3, 4]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"points.parquet', row 2: lat 100, expected degrees"):
        open_tiles(path, tile=50)
    pd.DataFrame({"file": ["a.png", None], "lat": [1, 2], "lon": [3, 4]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"points.parquet', row 2: no file is named"):
        open_tiles(path, tile=50)


@pytest.mark.parametrize(
    ("name", "said"),
    [("mixed.parquet", "row 2: expected points, or outlines of four corners"), ("no.parquet", "cannot be read as Parquet")],
)
def test_geoparquet_of_other_shapes_is_refused_in_one_line(name, said, tmp_path):
    path = beside(tmp_path, "mixed.parquet")
    if name == "no.parquet":
        path = tmp_path / name
        path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=said) as raised:
        open_tiles(path)
    assert "\n" not in str(raised.value)


GEO = {"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}


@pytest.mark.parametrize(
    ("geo", "said"),
    [
        (b"{", "does not say as GeoParquet does where its geometries are"),
        (b"[" * 100_000, "does not say as GeoParquet does"),
        (b"[1]", "does not say as GeoParquet does"),
        (b'{"primary_column": ["geometry"], "columns": {}}', "does not say as GeoParquet does"),
        (json.dumps(GEO).replace("geometry", "nothing").encode(), "no geometries as bytes in a column 'nothing'"),
        (json.dumps(GEO).replace("geometry", "file").encode(), "no geometries as bytes in a column 'file'"),
        *(
            (json.dumps(GEO).replace('"WKB"', f'"WKB", "crs": {crs}').encode(), said)
            for crs, said in [
                ('["EPSG:4326"]', "a reference system that is no PROJJSON"),
                ('{"id": [1]}', "a reference system that is no PROJJSON"),
                ('{"type": "GeographicCRS"}', "unknown reference system"),
                ('{"proj": "utm", "nadgrids": "/pipe"}', "names a file"),
                ('{"parameters": [{"name": "file", "value": "/pipe"}]}', "names a file"),
            ]
        ),
    ],
)
def test_what_is_wrong_with_the_words_of_geoparquet_is_one_line(geo, said, tmp_path):
    path = beside(tmp_path, "points.parquet")
    from pyarrow import parquet

    table = parquet.read_table(path)
    parquet.write_table(table.replace_schema_metadata({b"geo": geo}), path)
    with pytest.raises(ValueError, match=rf"points\.parquet'.*{said}"):
        open_tiles(path)


# What gdalwarp, gdal_translate, rgb2pct and QGIS leave in a file; made here by rasterio, and tried once with the tools


@pytest.mark.parametrize("how", ["alpha", "palette", "unmarked", "jpeg"])
def test_a_mosaic_with_an_alpha_band_a_palette_an_unmarked_border_or_losses_shows_its_ground(how, tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    from rasterio.enums import ColorInterp

    x, y = utm(15.0, 50.01)
    path, empty = tmp_path / "m.tif", (slice(0, 100), slice(0, 250))
    border = {"nodata": 0, "hole": empty} if how in ("alpha", "unmarked") else {}
    write_geotiff(path, "EPSG:32633", turned(x, y, 4.0, 0), (250, 250), **border)
    with rasterio.open(path) as raster:
        colour, profile = raster.read(), {**raster.profile, "nodata": None}
    if how == "alpha":
        profile |= {"count": 4}
        colour = np.concatenate([colour, 255 * colour.any(axis=0, keepdims=True).astype(np.uint8)])
    elif how == "palette":
        named, index = np.unique(colour.reshape(3, -1) // 8, axis=1, return_inverse=True)
        assert named.shape[1] <= 256
        mixed = np.random.default_rng(0).permutation(named.shape[1])  # between two numbers lies no colour
        named, index = named[:, mixed], np.argsort(mixed)[index]
        colour, profile = index.reshape(1, 250, 250).astype(np.uint8), {**profile, "count": 1, "photometric": "palette"}
    elif how == "jpeg":
        profile |= {"compress": "jpeg", "photometric": "ycbcr", "tiled": True, "blockxsize": 128, "blockysize": 128}
    with rasterio.open(path, "w", **profile) as raster:
        if how == "alpha":
            raster.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
        raster.write(colour)
        if how == "palette":
            raster.write_colormap(1, {i: tuple((8 * one + 4).tolist()) for i, one in enumerate(named.T)})
    tiles = open_tiles(path, tile=100, stride=100)
    assert len(tiles) == 10 * (6 if border else 10)
    shown = np.array([tiles.picture(row, 12)[4:8, 4:8].mean(axis=(0, 1)) for row in range(len(tiles))])
    assert np.abs(shown - ground(centers(tiles.corners))).max() < {"palette": 5, "jpeg": 4}.get(how, 2)
