"""The answer: its files follow their standards, its page works in a browser, and bad input is one line."""

import json
import math
import re
import xml.etree.ElementTree as ElementTree

import jsonschema
import numpy as np
import pytest
from browser import DESKTOP, PHONE, browser, missing
from command_line import call
from galleries import METRE, make_model, paint
from PIL import ExifTags, Image

from cvig.locate import Photograph
from cvig.locate.answer.report import schema
from cvig.locate.geometry import areas, plane

SIDE = 50  # metres of a tile
TAB, LEFT = "\ue004", "\ue012"  # as WebDriver codes them
SPOTS = 60


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A folder with a network, a map of 600 × 450 m, photographs of known place, and one with a camera's notes."""
    folder = tmp_path_factory.mktemp("ground")
    make_model(folder / "model")
    pixels = paint(folder / "map.png", (600, 450))
    (folder / "map.pgw").write_text(f"{METRE:.14f}\n0\n0\n{-METRE:.14f}\n{METRE / 2:.14f}\n{-METRE / 2:.14f}\n")
    rng, rows = np.random.default_rng(0), ["file,lat,lon,fov"]
    for i in range(SPOTS):
        x, y = rng.integers(30, 570), rng.integers(30, 420)
        (folder / "pairs").mkdir(exist_ok=True)
        Image.fromarray(pixels[y - 25 : y + 25, x - 25 : x + 25]).save(folder / "pairs" / f"{i}.png")
        rows.append(f"{i}.png,{-y * METRE:.9f},{x * METRE:.9f},90")
    (folder / "pairs" / "photographs.csv").write_text("\n".join(rows) + "\n")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 18
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "S", 2: (33.0, 30.0, 0.0), 3: "E", 4: (151.0, 15.0, 0.0)})
    Image.fromarray(pixels[100:160, 100:140]).save(folder / "photo <1>.jpg", exif=exif)
    return folder


GALLERY = ("--gallery", "map.png", "--tile", SIDE, "--stride", 25, "--cache", "cache")


@pytest.fixture(scope="module")
def answered(ground):
    """The answer's folder, and what the commands said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ground)
        said = []
        for words in (
            ("calibrate", "--model", "model", "--pairs", "pairs", "--square", 60, *GALLERY),
            ("locate", "photo <1>.jpg", "--model", "model", "--out", "answer", "--open-world", *GALLERY),
        ):
            patch.setattr("sys.argv", ["cvig", *map(str, words)])
            said.append(_output(patch))
    return ground / "answer", said


def _output(patch) -> str:
    import contextlib
    import io

    from cvig import cli

    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    return out.getvalue()


def test_the_answer_follows_its_schema_and_says_its_conditions(answered):
    folder, said = answered
    answer = json.loads((folder / "answer.json").read_text())
    jsonschema.validate(answer, schema())
    assert [region["coverage"] for region in answer["regions"]] == [0.5, 0.8, 0.9, 0.95]
    counts = [region["tiles"] for region in answer["regions"]]
    assert counts == sorted(counts)
    assert answer["gallery"]["km2"] == pytest.approx(0.6 * 0.45, rel=1e-3)
    assert [place["rank"] for place in answer["first"]] == sorted(place["rank"] for place in answer["first"])
    assert "photographs like those of the calibration" in said[1]
    assert "The place is in the gallery" in said[1]
    assert "holds a position of its camera, which was not used" in said[1]
    assert answer["photographs"][0]["camera_position"] == [-33.5, 151.25]
    assert re.search(r"60 photographs from \d+ squares", said[0])


def test_the_position_of_the_camera_changes_no_answer(answered, ground, monkeypatch, capsys):
    monkeypatch.chdir(ground)
    with Image.open("photo <1>.jpg") as picture:
        exif = picture.getexif()
        del exif[ExifTags.IFD.GPSInfo]
        picture.save("bare.png", exif=exif)
    code, said, _ = call(monkeypatch, capsys, "locate", "bare.png", "--model", "model", "--out", "bare", *GALLERY)
    assert (code, "position of its camera" in said) == (0, False)
    bare, whole = (json.loads((ground / name / "answer.json").read_text()) for name in ("bare", "answer"))
    assert (bare["photographs"][0]["camera_position"], bare["photographs"][0]["fov"]) == (None, pytest.approx(90))
    assert (bare["regions"], bare["first"]) == (whole["regions"], whole["first"])


def test_the_region_is_geojson_whose_tiles_lie_on_the_map(answered):
    folder, _ = answered
    answer, geo = (json.loads((folder / name).read_text()) for name in ("answer.json", "region.geojson"))
    assert geo["type"] == "FeatureCollection"
    assert "crs" not in geo  # RFC 7946, section 4
    for feature, region in zip(geo["features"], answer["regions"], strict=False):
        assert feature["geometry"]["type"] == "MultiPolygon"
        assert len(feature["geometry"]["coordinates"]) == region["tiles"]
        for (ring,) in feature["geometry"]["coordinates"]:
            points = np.array(ring)
            assert ring[0] == ring[-1]
            assert len(ring) == 5
            x, y = points[:-1].T
            assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0  # section 3.1.6: counterclockwise
            assert areas(points[None, :-1]) == pytest.approx(SIDE**2, rel=1e-3)
    points = [feature for feature in geo["features"] if feature["geometry"]["type"] == "Point"]
    east, north = plane(np.array(points[0]["geometry"]["coordinates"]), 0)
    assert 0 < east < 600
    assert -450 < north < 0


def test_the_kml_is_well_formed_and_has_the_same_polygons(answered):
    folder, _ = answered
    answer = json.loads((folder / "answer.json").read_text())
    space = "{http://www.opengis.net/kml/2.2}"
    root = ElementTree.parse(folder / "region.kml").getroot()
    assert root.tag == f"{space}kml"
    assert len(root.findall(f".//{space}Polygon")) == sum(region["tiles"] for region in answer["regions"])
    assert len(root.findall(f".//{space}Point")) == len(answer["first"])


def test_the_geotiff_holds_the_levels_where_the_tiles_lie(answered):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra locate)")
    folder, _ = answered
    first = json.loads((folder / "answer.json").read_text())["first"][0]
    with rasterio.open(folder / "levels.tif") as raster:
        assert raster.crs.to_epsg() == 4326
        value = next(raster.sample([(first["longitude"], first["latitude"])]))[0]
        levels = raster.read(1)
    assert value == pytest.approx(1 - first["level"], abs=1e-3)
    assert value == np.nanmax(levels)


def test_nothing_that_the_camera_noted_gets_into_the_page_and_it_needs_no_network(answered):
    folder, _ = answered
    page = (folder / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "photo &lt;1>.jpg" in page


@pytest.fixture(scope="module")
def window(answered):
    if missing():
        pytest.skip(missing())
    with browser() as opened:
        opened.view(DESKTOP)
        opened.open(answered[0] / "index.html")
        yield opened


def test_the_page_says_what_the_answer_says_at_every_coverage(window, answered):
    answer = json.loads((answered[0] / "answer.json").read_text())
    for region in answer["regions"]:
        window.run(
            f"[...document.querySelectorAll('#usual button')].find(b => b.dataset.coverage == {region['coverage']}).click()"
        )
        said = window.run("return document.getElementById('answer').textContent")
        expected = "Nothing can be ruled out" if region["rules_out_nothing"] else f"{region['km2']:.3f} km²"
        assert expected in said
    assert window.log() == []


def test_the_keyboard_moves_the_coverage_and_every_control_shows_its_focus(window):
    window.run("document.querySelectorAll('#usual button')[2].click(); document.getElementById('coverage').focus()")
    window.press(LEFT + LEFT)
    assert window.run("return document.getElementById('coverage-value').textContent") == "88%"
    window.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = set()
    for _ in range(30):
        window.press(TAB)
        reached.add(window.run("const e = document.activeElement; return e.id || e.className || e.textContent.slice(0, 12)"))
        tag, shown = window.run("const e = document.activeElement; return [e.tagName, getComputedStyle(e).outlineStyle]")
        assert tag == "BODY" or shown != "none"
    assert {"coverage", "south", "everywhere"} <= reached


def test_an_area_that_is_chosen_leaves_fewer_tiles(window):
    window.run("document.getElementById('everywhere').click()")
    everywhere = window.run("return document.getElementById('map-text').textContent")
    window.run(
        "const e = document.getElementById('east'); e.value = '0.002'; e.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    inside = window.run("return document.getElementById('map-text').textContent")
    count = [int(re.search(r"Outlined: (\d+) tiles", text)[1]) for text in (everywhere, inside)]
    assert 0 < count[1] < count[0]
    window.run("document.getElementById('everywhere').click()")


def luminance(colour: str) -> float:
    parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_page_is_accessible_in_light_and_dark_on_desk_and_phone(window, size, dark):
    """The machine-checkable part of WCAG 2.2 AA that applies: names, headings, language, contrast, reflow."""
    window.view(size, dark=dark)
    found = window.run("""
        const nameless = [...document.querySelectorAll('input, button, canvas')].filter(e =>
            !(e.labels && e.labels.length) && !e.textContent.trim() && !e.getAttribute('aria-label'));
        const levels = [...document.querySelectorAll('h1, h2, h3')].map(e => Number(e.tagName[1]));
        const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
        const back = e => { while (e) { const c = getComputedStyle(e).backgroundColor;
            if (!c.startsWith('rgba(0, 0, 0, 0')) return c; e = e.parentElement; } return 'rgb(255, 255, 255)'; };
        const hidden = '.skip, script, style, noscript';
        const texts = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest(hidden) &&
            [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
        return {nameless: nameless.map(e => e.outerHTML), levels, ids, language: document.documentElement.lang,
            alt: [...document.querySelectorAll('img')].every(e => e.hasAttribute('alt')),
            wide: document.documentElement.scrollWidth - innerWidth,
            colours: texts.map(e => [e.tagName + e.id, getComputedStyle(e).color, back(e)])};
    """)
    assert (found["nameless"], found["language"], found["alt"]) == ([], "en", True)
    assert found["levels"][0] == 1
    assert max(np.diff(found["levels"])) <= 1
    assert len(set(found["ids"])) == len(found["ids"])
    assert found["wide"] <= 0
    for name, *colours in found["colours"]:
        low, high = sorted(map(luminance, colours))
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_a_photograph_is_upright_and_seen_as_wide_as_the_network_was_trained(ground):
    photograph = Photograph.read(ground / "photo <1>.jpg")
    assert photograph.image.size == (60, 40)  # turned by what the camera noted
    assert photograph.fov == pytest.approx(math.degrees(2 * math.atan(1)))  # 18 mm before 36
    assert photograph.position == (-33.5, 151.25)
    white = Photograph(photograph.path, Image.new("RGB", (400, 300), "white"), 90.0, "--fov", None)
    narrower = white.framed(64, 2 * math.degrees(math.atan(0.5)))
    wider = white.framed(64, 2 * math.degrees(math.atan(2)))
    assert (narrower == 255).all()
    assert (wider[:, :15] == 0).all()
    assert (wider[:, 17:47] == 255).all()
    assert (wider[:, -15:] == 0).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--coverage", "1"], "coverage 1: expected above 0 and below 1"),
        (["--coverage", "0"], "coverage 0: expected above 0 and below 1"),
        (["--model", "nowhere"], "no saved network in 'nowhere'"),
        (["--calibration", "nowhere"], "no calibration 'nowhere'"),
        (["--gallery", "nowhere"], "no gallery 'nowhere'"),
        (["--calibration", "map.pgw"], "is no calibration that cvig calibrate wrote"),
        (["--fov", "400"], "--fov 400: expected 1 to 360 degrees"),
        (["--out", "pairs"], "--out 'pairs' is not empty and holds no answer"),
        (["--demo"], "--demo brings its own photograph"),
        (["broken.jpg"], "image 'broken.jpg' cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, said, answered, ground, monkeypatch, capsys):
    monkeypatch.chdir(ground)
    (ground / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    options = dict(zip(GALLERY[::2], GALLERY[1::2], strict=True)) | {"--model": "model", "--out": "other"}
    given = [word for word in words if word == "--demo" or word.endswith(".jpg")]
    if words[0].startswith("--") and len(words) == 2:
        options[words[0]] = words[1]
    flat = [str(part) for pair in options.items() for part in pair]
    code, _, errors = call(monkeypatch, capsys, "locate", "photo <1>.jpg", *given, *flat)
    assert code == 2
    assert said in errors
    assert len(errors.splitlines()) == 1
    assert not (ground / "other").exists()
    assert not (ground / ".other.part").exists()


def test_a_calibration_without_places_or_of_another_network_is_refused(answered, ground, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ground)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "photos" / "a.png")
    words = ("calibrate", "--model", "model", *GALLERY, "--out", tmp_path / "made.json", "--pairs", tmp_path / "photos")
    code, _, errors = call(monkeypatch, capsys, *words)
    assert code == 2
    assert "has no place (1 of 1 such): a calibration is split by squares of ground" in errors
    assert not (tmp_path / "made.json").exists()
    made = json.loads((ground / "model" / "calibration.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**made, "model": "another"}))
    words = ("locate", "photo <1>.jpg", "--model", "model", *GALLERY, "--calibration", tmp_path / "other.json")
    code, _, errors = call(monkeypatch, capsys, *words)
    assert (code, "the calibration is of network another" in errors) == (2, True)


def test_a_photograph_that_shows_nothing_is_answered_and_said(answered, ground, monkeypatch, capsys):
    monkeypatch.chdir(ground)
    Image.new("RGB", (40, 30), "grey").save(ground / "fog.png")
    words = ("locate", "fog.png", "--model", "model", "--out", "fog", *GALLERY)
    code, output, _ = call(monkeypatch, capsys, *words)
    assert code == 0
    assert "'fog.png' is nearly of one brightness" in output
    (judged,) = json.loads((ground / "fog" / "answer.json").read_text())["photographs"]
    assert (judged["judged_by"], judged["viable"], judged["filter_score"]) == ("brightness", False, None)
    assert "Nothing says the photograph's field of view" in output
    assert (ground / "fog" / "answer.json").exists()
