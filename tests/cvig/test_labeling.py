"""The labelling page, spoken to as a browser would."""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from cvig.filtering import read_labels
from cvig.filtering.labelling import Labels, server


@pytest.fixture
def folder(tmp_path):
    photos = tmp_path / "photos"
    for name in ("a.jpg", "b,c.png", "below/d é.jpg", "e.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(photos / name)
    (tmp_path / "secret.jpg").write_bytes((photos / "a.jpg").read_bytes())
    (photos / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (photos / "notes.txt").write_text("private")
    return photos


@pytest.fixture
def start():
    running = []

    def begin(labels):
        running.append(server(labels))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}"

    yield begin
    for one in running:
        one.shutdown()
        one.server_close()


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read()


def post(url, **content):
    with urllib.request.urlopen(urllib.request.Request(url + "/act", json.dumps(content).encode())) as answer:
        return json.loads(answer.read())


def test_labels_reach_the_file_at_once_and_a_later_start_goes_on(folder, start, tmp_path):
    file = tmp_path / "labels.csv"
    url = start(Labels(folder, file))
    state = json.loads(get(url + "/state"))
    given = {}
    for act in ("viable", "not", "viable"):
        given[state["name"]] = act == "viable"
        state = post(url, act=act, name=state["name"])
        assert read_labels(file).to_dict() == given
    assert (state["labelled"], state["viable"], state["of"]) == (3, 2, 5)
    with file.open("a") as stream:
        stream.write("half a li")  # power failed
    again = Labels(folder, file)
    assert again.given == given
    assert again.state == state
    assert again.names == Labels(folder, tmp_path / "other.csv").names != sorted(again.names)


def test_undo_takes_back_the_last_label_and_skip_comes_back_at_the_end(folder, start, tmp_path):
    labels = Labels(folder, tmp_path / "labels.csv")
    url = start(labels)
    first, second = labels.names[:2]
    assert post(url, act="skip", name=first)["name"] == second
    post(url, act="viable", name=second)
    assert post(url, act="undo", name=None)["labelled"] == 0
    assert read_labels(labels.file).empty
    for name in labels.names[1:]:
        state = post(url, act="not", name=name)
    assert state["name"] == first
    assert post(url, act="not", name=first)["name"] is None


def test_a_label_given_twice_or_to_no_photograph_is_refused(folder, start, tmp_path):
    labels = Labels(folder, tmp_path / "labels.csv")
    url = start(labels)
    post(url, act="viable", name=labels.names[0])
    for content in ({"act": "not", "name": labels.names[0]}, {"act": "viable", "name": "x.jpg"}, {"act": "eat", "name": ""}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(url, **content)
    assert len(read_labels(labels.file)) == 1


@pytest.mark.parametrize("path", ["../secret.jpg", "%2e%2e/secret.jpg", "link.jpg", "notes.txt", "/etc/passwd", ""])
def test_nothing_outside_the_folder_and_no_other_file_is_served(path, folder, start, tmp_path):
    url = start(Labels(folder, tmp_path / "labels.csv"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{url}/photo/{path}")


def test_photographs_are_served_whatever_their_name(folder, start, tmp_path):
    url = start(Labels(folder, tmp_path / "labels.csv"))
    assert get(url + "/photo/below/d%20%C3%A9.jpg") == (folder / "below" / "d é.jpg").read_bytes()
    assert get(url + "/photo/b%2Cc.png") == (folder / "b,c.png").read_bytes()


def test_another_site_in_the_same_browser_gets_nothing(folder, start, tmp_path):
    url = start(Labels(folder, tmp_path / "labels.csv"))
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(url + "/state", **headers)


def test_the_page_loads_nothing_from_a_network_and_names_its_keys(folder, start, tmp_path):
    page = get(start(Labels(folder, tmp_path / "labels.csv"))).decode()
    assert "http://" not in page.replace('"http://"', "")
    assert "https://" not in page
    assert all(f"<kbd>{key}</kbd>" in page for key in ("V", "N", "←", "Space"))


def test_bad_input_is_one_line(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder 'absent'"):
        Labels("absent", tmp_path / "labels.csv")
    (tmp_path / "other.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(ValueError, match="have columns a, b, c: expected name and viable"):
        Labels(folder, tmp_path / "other.csv")
    assert (tmp_path / "other.csv").read_text() == "a,b,c\n1,2,3\n"


NAMES = [
    "a.jpg",
    "b,c.jpg",
    'd"e.jpg',
    '"f.jpg',
    "g\u2028h.jpg",
    "i\x85j.jpg",
    "k\x0bl.jpg",
    "m\nn.jpg",
    "o\rp.jpg",
    " q .jpg",
]
NAMES += ["\ufeffr.jpg", "\\s.jpg", "true,t.jpg", "name.jpg", "'u.jpg", "v\tw.jpg", "x\r\n,true.jpg", "é.jpg"]


def photographs(root, names=NAMES):
    root.mkdir()
    for name in names:
        (root / name).write_bytes(b"x")
    return root


def test_any_name_comes_back_as_it_was(tmp_path):
    labels = Labels(photographs(tmp_path / "photos"), tmp_path / "labels.csv")
    given = {name: number % 2 == 0 for number, name in enumerate(labels.names)}
    for name, viable in given.items():
        labels.give(name, viable)
    assert read_labels(labels.file).to_dict() == given == Labels(tmp_path / "photos", labels.file).given
    assert set(given) == set(NAMES)
    assert len(labels.file.read_bytes().split(b"\n")) == len(NAMES) + 2  # a line a label, and the header


NO_TABLES = [b'{"a": 1}', b"\x89PNG\r\n\x1a\n\0\0", b"a\nb"]
NO_TABLES += [b"name,viable\na.jpg,maybe", b"name,viable,east\na.jpg,true,3\n"]


@pytest.mark.parametrize("content", NO_TABLES)
def test_a_file_that_is_no_table_of_labels_stays_as_it_is(tmp_path, content):
    photos = photographs(tmp_path / "photos")
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"labels '.*expected"):
        Labels(photos, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_bytes() == content


def test_a_last_label_without_its_end_is_kept(tmp_path):
    (tmp_path / "labels.csv").write_text("name,viable\na.jpg,true\né.jpg,false")
    labels = Labels(photographs(tmp_path / "photos"), tmp_path / "labels.csv")
    assert labels.given == {"a.jpg": True, "é.jpg": False}
    labels.give("b,c.jpg", True)
    assert read_labels(labels.file).to_dict() == {"a.jpg": True, "é.jpg": False, "b,c.jpg": True}


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_line_torn_anywhere_is_no_label_and_spoils_no_other(tmp_path, cut):
    labels = Labels(photographs(tmp_path / "photos"), tmp_path / "labels.csv")
    labels.give("a.jpg", False)
    whole = labels.file.read_bytes()
    labels.give("b,c.jpg", True)  # "b,c.jpg",true
    line = labels.file.read_bytes()[len(whole) :]
    labels.file.write_bytes(whole + line[:cut])
    again = Labels(tmp_path / "photos", labels.file)
    assert again.given == {"a.jpg": False} | ({"b,c.jpg": True} if cut >= len(line) - 1 else {})
    again.give("é.jpg", True)
    assert read_labels(labels.file).to_dict() == again.given
    assert again.given["é.jpg"]


def test_undo_takes_nothing_out_of_the_file_and_a_later_start_knows_it(tmp_path):
    labels = Labels(photographs(tmp_path / "photos"), tmp_path / "labels.csv")
    for name in ("a.jpg", "b,c.jpg"):
        labels.give(name, True)
    before = labels.file.read_bytes()
    labels.undo()
    assert labels.file.read_bytes().startswith(before)
    assert Labels(tmp_path / "photos", labels.file).given == {"a.jpg": True} == read_labels(labels.file).to_dict()
    labels.give("b,c.jpg", False)
    assert read_labels(labels.file).to_dict() == {"a.jpg": True, "b,c.jpg": False}


def test_a_second_program_on_one_file_is_refused(tmp_path):
    photos, file = photographs(tmp_path / "photos"), tmp_path / "labels.csv"
    Labels(photos, file)
    code = f"from cvig.filtering.labelling import Labels; Labels({str(photos)!r}, {str(file)!r})"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert done.returncode
    assert f"is being written (pid {os.getpid()}, since" in done.stderr
