"""The page of a pack in a real browser: no script runs, nothing is fetched, all can be read."""

from __future__ import annotations

import base64
import hashlib
import http.server
import re
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import incident_scene as scene
import pytest
from patience import HANG

from console.incident.pack.write import Wish, write
from console.settings import Paths

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
RAN = "ran-it"
"""What every script of a name would write into the page."""


def attacks(port: int) -> tuple[str, ...]:
    """Names that run something, or load something from a server that tells of it."""
    at = f"//127.0.0.1:{port}"
    run = f"document.title='{RAN}';document.body.append('{RAN}');fetch('{at}/f')"
    return (
        "payroll-sync",
        f"<script>{run}</script>",
        f'"><img src="{at}/i" onerror="{run}">',
        f"</title></style></svg></text><svg onload=\"{run}\"><image href='{at}/s'/></svg>",
        f'<link rel=stylesheet href="{at}/c"><meta http-equiv=refresh content="0;url={at}/m">',
        f'<iframe src="{at}/r"></iframe><object data="{at}/o"></object><base href="{at}/b/">',
        f"&lt;script&gt;{run}&lt;/script&gt; javascript:alert(1) \u202egnp.exe \x1b[31m",
        "' onmouseover='alert(1)' style='background:url(" + f"{at}/u)'",
    )


class Asked(http.server.ThreadingHTTPServer):
    """A web server that gives out one directory and keeps what it was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Asked

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        file = self.server.root / self.path.lstrip("/")
        found = file.is_file()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(file.read_bytes() if found else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A pack whose names know where the server is that gives it out."""
    place = tmp_path_factory.mktemp("page")
    server = Asked(place / "INC")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        paths: Paths = scene.opened(place / "home", attacks(server.port))
        write(paths, scene.ID, Wish(place / "INC", ask=False))
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def page(served: Asked) -> str:
    return (served.root / "report.html").read_text()


def browse(place: Path, *words: str, log: bool = False) -> str:
    """What a browser says, with a profile of its own; its log if that is asked for."""
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage",
            f"--user-data-dir={place / 'profile'}", *words,
        ],
        capture_output=True, timeout=HANG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return (done.stderr if log else done.stdout).decode("utf-8", "replace")


class _Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.style = ""
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data


def test_the_page_has_no_element_that_could_run_or_load(page: str) -> None:
    elements = _Elements()
    elements.feed(page)
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "img", "image", "link", "iframe", "object", "embed", "base", "a",
                       "form", "foreignobject", "use", "video", "audio"}  # fmt: skip
    for tag, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert not set(attributes) & {"href", "src", "style", "srcset", "xlink:href"}, tag
    metas = [attributes for tag, attributes in elements.found if tag == "meta"]
    (policy,) = (
        each["content"] for each in metas if each.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    digest = base64.b64encode(hashlib.sha256(elements.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "url(" not in elements.style
    assert "@import" not in elements.style


def test_control_and_direction_characters_are_not_in_the_page(page: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


@needs_browser
def test_no_name_runs_or_loads_anything(served: Asked, tmp_path: Path) -> None:
    served.paths.clear()
    shown = browse(
        tmp_path, "--virtual-time-budget=4000", "--dump-dom",
        f"http://127.0.0.1:{served.port}/report.html",
    )  # fmt: skip
    assert "What happened, and when" in shown
    assert set(served.paths) - {"/favicon.ico"} == {"/report.html"}
    body = re.sub(r"document\.[^<&]*", "", shown)
    assert RAN not in body.replace(f"'{RAN}'", "")
    assert f"<title>{RAN}" not in shown


@needs_browser
def test_the_same_names_do_run_where_nothing_makes_them_harmless(
    served: Asked, tmp_path: Path
) -> None:
    """So that the test before would see it."""
    (served.root / "evil.html").write_text("<body>" + "".join(attacks(served.port)))
    try:
        served.paths.clear()
        browse(tmp_path, "--virtual-time-budget=4000", "--dump-dom",
               f"http://127.0.0.1:{served.port}/evil.html")  # fmt: skip
        assert set(served.paths) & {"/f", "/i", "/s", "/c", "/r", "/m"}
    finally:
        (served.root / "evil.html").unlink()


@needs_browser
def test_its_style_is_taken(served: Asked, tmp_path: Path) -> None:
    """A digest that does not fit would leave a bare page."""
    picture = tmp_path / "page.png"
    browse(
        tmp_path, f"--screenshot={picture}", "--window-size=1200,1600",
        f"file://{served.root / 'report.html'}",
    )  # fmt: skip
    data = picture.read_bytes()
    assert struct.unpack(">II", data[16:24]) == (1200, 1600)
    broken = tmp_path / "broken.html"
    broken.write_text((served.root / "report.html").read_text().replace("<style>", "<style> "))
    for page, refused in ((served.root / "report.html", False), (broken, True)):
        log = browse(
            tmp_path, "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom",
            f"file://{page}", log=True,
        )  # fmt: skip
        assert ("inline style" in log) is refused


@needs_browser
def test_it_can_be_printed(served: Asked, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    browse(tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer",
           f"file://{served.root / 'report.html'}")  # fmt: skip
    assert paper.read_bytes().startswith(b"%PDF")
