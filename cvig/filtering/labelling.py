"""A local web page on which a person labels photographs as viable or not viable, with two keys.

The server listens on 127.0.0.1 alone, serves the images of one folder and nothing else, and writes each label at once. It
uses the standard library alone, and the page loads nothing from a network.

Lines are only ever appended to the file of labels. Each label is a line; to take a label back, a line with the same name and
no label is appended. A line that was cut short by a full disk or a power failure is no label, and the next label begins on a
new line.
"""

import json
import os
import random
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit

from cvig import files, locks
from cvig.datasets.paths import inside
from cvig.filtering.names import HEADER, as_row, read_rows
from cvig.filtering.photographs import list_folder

WORDS = {True: "true", False: "false"}
KINDS = {".png": "image/png", ".webp": "image/webp", ".tif": "image/tiff", ".tiff": "image/tiff"}


class Labels:
    """The labels of a folder of photographs, kept in a CSV file to which every change is written at once.

    Parameters
    ----------
    folder : path
    file : path
        A CSV file with the columns name (below `folder`) and viable. It is made if it does not exist; labels that it
        already holds are kept.
    seed : int
        Seed of the order in which photographs are shown.

    Raises
    ------
    ValueError, FileNotFoundError
        The folder has no image, or `file` is something else than such a table.
    """

    def __init__(self, folder: Path | str, file: Path | str, seed: int = 0):
        self.folder, self.file, self.lock = Path(folder), Path(file), Lock()
        self.names = list_folder(folder)
        random.Random(seed).shuffle(self.names)
        self.known = set(self.names)
        self.given: dict[str, bool] = {}
        self.skipped: list[str] = []
        if self.file.exists() and not self.file.is_file():
            raise ValueError(f"labels '{self.file}': expected the name of a file, and this is a folder, a device or a pipe")
        locks.hold(self.file)
        if self.file.exists() and self.file.stat().st_size:
            self._read()  # raises before anything is written if the file is something else
        else:
            files.write(self.file, ",".join(HEADER) + "\n")

    def _read(self) -> None:
        for number, name, word in read_rows(self.file, no_more=True):
            if word not in (*WORDS.values(), ""):
                raise ValueError(
                    f"labels '{self.file}', line {number}: viable is '{word}', expected true or false; name another file"
                )
            self.given.pop(name, None)  # the last label counts, and `undo` takes the last one back
            if word:
                self.given[name] = word == "true"

    def _append(self, name: str, word: str) -> None:
        with self.file.open("r+b") as stream:
            torn = False
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                torn = stream.read(1) != b"\n"
            line = as_row(name, word).encode()
            stream.write(b"\n" * torn + line)
            stream.flush()
            os.fsync(stream.fileno())

    def give(self, name: str, viable: bool) -> None:
        """Label one photograph; ValueError if the folder does not hold it or it has a label already."""
        with self.lock:
            if name not in self.known or name in self.given:
                raise ValueError(f"'{name}' is not waiting for a label")
            self._append(name, WORDS[viable])
            self.given[name] = viable

    def skip(self, name: str) -> None:
        """Put a photograph behind all others that have no label yet."""
        with self.lock:
            if name in self.known and name not in self.given:
                self.skipped = [other for other in self.skipped if other != name] + [name]

    def undo(self) -> None:
        """Take the last label back."""
        with self.lock:
            if self.given:
                name = next(reversed(self.given))
                self._append(name, "")
                del self.given[name]

    @property
    def state(self) -> dict:
        """The photograph to label next, the one after it, and the counts of what is labelled."""
        waiting = [name for name in self.names if name not in self.given and name not in self.skipped]
        waiting += [name for name in self.skipped if name not in self.given]
        viable = sum(self.given.values())
        return {
            "name": waiting[0] if waiting else None,
            "next": waiting[1] if len(waiting) > 1 else None,
            "labelled": len(self.given),
            "viable": viable,
            "of": len(self.names),
        }


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Label photographs</title>
<style>
:root { color-scheme: light dark }
body { margin: 0; height: 100dvh; display: flex; flex-direction: column; font: 1rem/1.4 system-ui, sans-serif }
header, footer { padding: .5rem .8rem }
main { flex: 1; min-height: 0; display: flex; justify-content: center; padding: 0 .8rem }
img { width: 100%; height: 100%; object-fit: contain }
h1 { font-size: 1rem; margin: 0 }
progress { width: 100% }
footer { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; max-width: 40rem; width: 100%; margin: 0 auto;
         box-sizing: border-box }
button { font: inherit; padding: .7rem .3rem; min-height: 44px }
kbd { font-weight: bold }
</style></head><body>
<header><h1>Could an aerial image tell where this was taken?</h1>
<progress id="progress" aria-label="photographs labelled"></progress>
<div id="status" role="status"></div></header>
<main><img id="photo" alt=""></main>
<footer>
<button data-act="viable"><kbd>V</kbd> viable</button><button data-act="not"><kbd>N</kbd> not viable</button>
<button data-act="undo"><kbd>←</kbd> undo</button><button data-act="skip"><kbd>Space</kbd> skip</button>
</footer>
<script>
const photo = document.getElementById("photo"), status = document.getElementById("status");
const bar = document.getElementById("progress"), ahead = new Image();
const source = name => "/photo/" + name.split("/").map(encodeURIComponent).join("/");
let now = null, busy = false;
function show(state) {
  now = state.name;
  bar.max = state.of; bar.value = state.labelled;
  status.textContent = state.labelled + " of " + state.of + " labelled, " + state.viable + " viable"
    + (now ? ": " + now : ". All done: you can close this page and stop the program.");
  photo.hidden = !now;
  if (now) { photo.src = source(now); photo.alt = "Photograph " + now; }
  if (state.next) ahead.src = source(state.next);
}
async function act(what) {
  if (busy || (!now && what != "undo")) return;
  busy = true;
  try {
    const answer = await fetch("/act", { method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ act: what, name: now }) });
    if (answer.ok) show(await answer.json()); else status.textContent = await answer.text();
  } catch (error) { status.textContent = "Not saved: the program has ended. Start cvig label again."; }
  busy = false;
}
const keys = { v: "viable", n: "not", Backspace: "undo", ArrowLeft: "undo", " ": "skip" };
document.addEventListener("keydown", event => {
  const what = keys[event.key.length > 1 ? event.key : event.key.toLowerCase()];
  if (!what || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act(what);
});
for (const button of document.querySelectorAll("button"))
  button.addEventListener("click", () => { act(button.dataset.act); button.blur(); });
fetch("/state").then(answer => answer.json()).then(show);
</script></body></html>
"""


def server(labels: Labels, port: int = 0) -> ThreadingHTTPServer:
    """A server of the page on 127.0.0.1, which `serve_forever` runs; port 0 takes any free port."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words) -> None:
            """Log nothing; the page shows what happens."""

        def answer(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)

        def refuse(self, status: HTTPStatus, why: str) -> None:
            self.answer(why.encode(), "text/plain; charset=utf-8", status)

        @property
        def ours(self) -> bool:
            """Whether a request comes from the page itself; other web sites in the same browser could send requests too."""
            host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
            own = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
            return host in own and (origin is None or origin.removeprefix("http://") in own)

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if not self.ours:
                self.refuse(HTTPStatus.FORBIDDEN, "this server answers its own page only")
            elif path == "/":
                self.answer(PAGE.encode(), "text/html; charset=utf-8")
            elif path == "/state":
                self.answer(json.dumps(labels.state).encode(), "application/json")
            elif path.removeprefix("/photo/") in labels.known:
                try:
                    content = inside(labels.folder, path.removeprefix("/photo/")).read_bytes()
                except (ValueError, OSError):
                    return self.refuse(HTTPStatus.NOT_FOUND, "this photograph cannot be read")
                self.answer(content, KINDS.get(os.path.splitext(path)[1].lower(), "image/jpeg"))
            else:
                self.refuse(HTTPStatus.NOT_FOUND, "no such photograph")

        def do_POST(self) -> None:
            if not self.ours or self.path != "/act":
                return self.refuse(HTTPStatus.FORBIDDEN, "this server answers its own page only")
            try:
                asked = json.loads(self.rfile.read(min(int(self.headers["Content-Length"]), 1 << 16)))
                what, name = asked["act"], asked["name"]
                if what == "undo":
                    labels.undo()
                elif what == "skip":
                    labels.skip(name)
                else:
                    labels.give(name, {"viable": True, "not": False}[what])
            except (ValueError, KeyError, TypeError) as error:
                return self.refuse(HTTPStatus.BAD_REQUEST, f"not saved: {error}")
            except OSError as error:  # a full disk
                return self.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"not saved: {error}")
            self.answer(json.dumps(labels.state).encode(), "application/json")

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
