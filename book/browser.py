"""A browser without a window, driven by chromedriver's own protocol (W3C WebDriver): JSON over HTTP, no further package.

Every page opens in one process at the size of a desktop's window or of a telephone's, by day or by night.
"""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DESKTOP, PHONE = (1280, 900), (390, 844)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")  # any of them
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # chromedriver is on this machine


def missing() -> str:
    """Why no browser can be driven here, or "" where one can."""
    absent = ["chromium"] * (not any(map(shutil.which, CHROMIUM))) + ["chromedriver"] * (not shutil.which("chromedriver"))
    return f"not on the path: {', '.join(absent)}" if absent else ""


class Browser:
    """One session; `browser` makes it and ends it."""

    def __init__(self, address: str):
        self.address = address

    def ask(self, method: str, path: str, **body: object) -> object:
        """One command of the protocol, and its value; RuntimeError says what the browser says where it fails."""
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with LOCAL.open(request, timeout=900) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {json.load(error)['value']['message'].splitlines()[0]}") from None

    def open(self, page: Path | str) -> None:
        """Load a file or an address."""
        self.ask("POST", "/url", url=page.resolve().as_uri() if isinstance(page, Path) else page)

    def run(self, script: str, *arguments: object) -> object:
        """What a function's body returns in the page; a promise is waited for."""
        return self.ask("POST", "/execute/sync", script=script, args=arguments)

    def command(self, name: str, **parameters: object) -> object:
        """One command of Chromium's own protocol."""
        return self.ask("POST", "/goog/cdp/execute", cmd=name, params=parameters)

    def view(self, size: tuple[int, int], *, dark: bool = False) -> None:
        """Take the size of a window, and ask pages for their colours of the day or of the night."""
        phone = size == PHONE
        self.command("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def press(self, keys: str) -> None:
        """Press keys one after another, on what has the focus; special ones as WebDriver codes them."""
        steps = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": steps}])

    def drag(self, start: tuple[int, int], end: tuple[int, int], kind: str = "mouse") -> None:
        """Press at a point of the window, move and let go: with a mouse, a pen, or a finger ("touch")."""
        steps = [
            {"type": "pointerMove", "duration": 0, "x": start[0], "y": start[1]},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 50, "x": end[0], "y": end[1]},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": steps}
        self.ask("POST", "/actions", actions=[pointer])

    def log(self) -> list[str]:
        """What the page's scripts complained of."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", type="browser")]

    def picture(self, file: Path, *, whole: bool = False) -> None:
        """Write what the window shows as a PNG file; `whole`: the page down to its end."""
        shot = self.command(
            "Page.captureScreenshot", captureBeyondViewport=whole, **({"clip": self._all()} if whole else {})
        )
        file.write_bytes(base64.b64decode(shot["data"]))

    def _all(self) -> dict:
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}

    def print(self, file: Path) -> None:
        """Write the page as a PDF file, as it would be printed on A4."""
        pages = self.command(
            "Page.printToPDF", printBackground=True, preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69
        )
        file.write_bytes(base64.b64decode(pages["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser, ended with all its processes when it is left."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        words = ["chromedriver", "--port=0"]
        driver = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = next(line.split("port ")[1].rstrip(".\n") for line in driver.stdout if "successfully on port" in line)
            session = Browser(f"http://127.0.0.1:{port}")
            _wait(session)
            flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}"]
            flags += ["--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"]  # pages lie on this machine
            options = {"goog:chromeOptions": {"args": flags}, "goog:loggingPrefs": {"browser": "ALL"}}
            options["timeouts"] = {"script": 900_000}
            made = session.ask("POST", "/session", capabilities={"alwaysMatch": options})
            session.address += f"/session/{made['sessionId']}"
            yield session
            session.ask("DELETE", "")
        finally:
            driver.terminate()
            driver.wait()


def _wait(session: Browser) -> None:
    for _ in range(100):
        try:
            if session.ask("GET", "/status")["ready"]:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("chromedriver does not answer")
