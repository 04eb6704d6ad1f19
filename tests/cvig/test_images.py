"""Images as cameras and people leave them: turned, of 16 bits, of other formats, under names in capitals."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from cvig.datasets import load
from cvig.datasets.images import decode, read_image
from cvig.inspection.check import check

ROOT = Path(__file__).parents[2]


def photograph(seed: int = 0, size: tuple[int, int] = (96, 48)) -> Image.Image:
    """Smooth, so that JPEG changes it little, and like none of its own turns."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


# How each orientation's file is made of the upright picture (EXIF 2.3, tag 274): the inverse of what a reader has to do.
STORED = {
    1: lambda x: x,
    2: ImageOps.mirror,
    3: lambda x: x.rotate(180),
    4: ImageOps.flip,
    5: lambda x: ImageOps.mirror(x.rotate(-90, expand=True)),
    6: lambda x: x.rotate(90, expand=True),
    7: lambda x: ImageOps.mirror(x.rotate(90, expand=True)),
    8: lambda x: x.rotate(-90, expand=True),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("size", [None, (24, 48)])
def test_a_picture_is_upright_however_the_camera_was_held(tmp_path, orientation, size):
    upright = photograph()
    exif = Image.Exif()
    exif[274] = orientation
    STORED[orientation](upright).save(tmp_path / "a.jpg", quality=95, exif=exif)
    read = decode(tmp_path / "a.jpg", size)
    wanted = upright.resize((48, 24), Image.Resampling.BILINEAR) if size else upright
    assert read.size == wanted.size
    off = np.abs(np.asarray(read, np.float64) - np.asarray(wanted, np.float64)).mean()
    others = [
        np.abs(np.asarray(turn(wanted), np.float64) - np.asarray(wanted)).mean() for turn in (ImageOps.mirror, ImageOps.flip)
    ]
    assert off < min(others) / 4


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_of_grey_are_scaled_to_eight(tmp_path, kind):
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{kind}")
    assert read_image(tmp_path / f"a.{kind}")[:, 0].tolist() == [[0, 1, 128, 255]] * 3


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_grey_values_of_either_depth_are_turned_upright_too(tmp_path, kind, depth):
    values = np.arange(12, dtype=depth).reshape(3, 4) * (257 if depth == np.uint16 else 1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # upright after a quarter turn to the right
    Image.fromarray(values).save(tmp_path / f"a.{kind}", exif=exif)
    assert read_image(tmp_path / f"a.{kind}")[0].tolist() == np.rot90(np.arange(12).reshape(3, 4), -1).tolist()


def test_sixteen_bits_of_colour_are_scaled_to_eight(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + np.array([[0, 32896, 65535]], ">u2").tobytes()
    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert read_image(tmp_path / "a.png").flatten().tolist() == [0, 128, 255]


def test_floating_point_numbers_are_refused_and_not_clipped(tmp_path):
    Image.fromarray(np.array([[0.5]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="floating point numbers: expected 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


def flat(root, names, make=photograph):
    for number, name in enumerate(names):
        for folder in ("clean_ground", "clean_aerial"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            make(number).save(root / folder / name)
    return root


def test_all_formats_and_capitals_are_counted_and_what_is_left_out_is_said(tmp_path, capsys):
    names = ["a.JPG", "b.jpeg", "c.PNG", "d.webp", "e.tif", "f.TIFF", "g.jpg"]
    root = flat(tmp_path / "data", names, lambda i: photograph(i, (48, 48)))
    (root / "clean_ground" / "h.HEIC").write_bytes(b"")
    (root / "clean_ground" / "notes.txt").write_text("")
    counts = [load("flat", str(root), split).ground_count for split in ("train", "val", "test")]
    assert sum(counts) == len(names)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"'{root / 'clean_ground'}': 1 images are left out, for .HEIC cannot be read here")


def test_check_reports_orientation_and_sixteen_bits(tmp_path):
    root = flat(tmp_path / "data", [f"{i}.png" for i in range(8)])
    exif = Image.Exif()
    exif[274] = 6
    photograph(2).save(root / "clean_ground" / "2.png", exif=exif)
    Image.fromarray(np.arange(48 * 96, dtype=np.uint16).reshape(48, 96)).save(root / "clean_ground" / "3.png")
    report = check("flat", root, progress=False)
    found = report.findings[report.findings["check"] == "peculiar"]
    assert found.set_index("file")["detail"].to_dict() == {
        "clean_ground/2.png": "EXIF orientation 6",
        "clean_ground/3.png": "16 bits a value",
    }
    assert report.summary.loc["peculiar", "result"] == "warning"


def test_a_name_that_is_not_utf8_ends_no_report(tmp_path):
    root = flat(tmp_path / "data", [f"{i}.png" for i in range(8)])
    for name in (b"clean_ground/\xff.png", b"clean_aerial/\xfe.png", b"clean_ground/\xfd.png", b"clean_aerial/\xfd.png"):
        (root / os.fsdecode(name)).write_bytes((root / "clean_ground" / "1.png").read_bytes())
    command = [sys.executable, "-m", "cvig", "check", "flat", str(root), "--json", "report.json", "--csv", "findings.csv"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LC_ALL": "C"}
    code = "import sys; sys.argv[0] = 'cvig'; from cvig.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *command[3:]], cwd=tmp_path, capture_output=True, env=environment)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1
    assert b"missing half of a pair" in done.stdout
    assert b"\xff" in (tmp_path / "findings.csv").read_bytes()


@pytest.mark.parametrize("number", ["9" * 23, "-" + "9" * 400, "1e400"])
def test_a_number_that_no_row_has_is_one_line(tmp_path, number):
    np.save(tmp_path / "a.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "positives.txt").write_text(f"0\n1\n{number}\n")
    code = "import sys; sys.argv[0] = 'cvig'; from cvig.cli import main; main()"
    words = ["score", "--query", "a.npy", "--gallery", "a.npy", "--positives", "positives.txt"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("cvig: ")
