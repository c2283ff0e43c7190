"""The built documentation in a real browser: it fits a telephone and a desk, and has no error.

`make docs` builds it; Debian's package `chromium` has the browser. One run of it loads every page
in a frame of each width, over HTTP from a thread of this process.
"""

from __future__ import annotations

import functools
import html
import json
import re
import shutil
import subprocess
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

BUILT = Path(__file__).resolve().parents[2] / "docs" / "_build" / "html"
CHROMIUM = shutil.which("chromium")
WIDTHS = (390, 1280)

# Quiet without a network: the machine of the tests may have none.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--timeout=90000", "--dump-dom",
]  # fmt: skip

DRIVER = """\
<!doctype html><meta charset=utf-8><pre id=result></pre><script>
const pages = PAGES, widths = WIDTHS, result = [];
function look(page, width) {
  return new Promise(done => {
    const frame = document.createElement("iframe");
    frame.style.cssText = `width:${width}px;height:800px;border:0`;
    frame.onload = () => {
      const inside = frame.contentDocument, root = inside.scrollingElement;
      const links = [...inside.querySelectorAll("a[href]")].map(a => a.href);
      const images = [...inside.images].filter(i => i.complete && !i.naturalWidth && i.currentSrc);
      result.push({page, width, needed: root ? root.scrollWidth : -1,
                   links: [...new Set(links)], broken: images.map(i => i.src)});
      frame.remove();
      done();
    };
    frame.src = page;
    document.body.append(frame);
  });
}
(async () => {
  for (const page of pages) await Promise.all(widths.map(width => look(page, width)));
  document.getElementById("result").textContent = JSON.stringify(result);
})();
</script>
"""


class _Quiet(SimpleHTTPRequestHandler):
    """Serves the built pages and the driver, and logs nothing."""

    driver = b""

    def do_GET(self) -> None:
        """The driver, or a file."""
        if self.path != "/driver.html":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.driver)))
        self.end_headers()
        self.wfile.write(self.driver)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Nothing."""


def pages() -> list[str]:
    """The pages that are looked at: all, but of those of single rules only a few."""
    found = sorted(path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*.html"))
    rules = [name for name in found if name.startswith("rules/") and "index" not in name]
    left_out = {*rules[3:], *(name for name in found if name.startswith("_modules/"))}
    return [name for name in found if name not in left_out]


@pytest.fixture(scope="module")
def looked() -> tuple[list[Any], str]:
    """What the browser measured of each page at each width, and what it wrote to its log."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt install chromium")
    if not (BUILT / "index.html").exists():
        pytest.skip("the documentation is not built: make docs")
    driver = DRIVER.replace("PAGES", json.dumps(pages())).replace("WIDTHS", json.dumps(WIDTHS))
    handler = type("Handler", (_Quiet,), {"driver": driver.encode()})
    serve = functools.partial(handler, directory=str(BUILT))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), serve) as server,
        # Processes of the browser may write to it after the first one ended.
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/driver.html"
        done = subprocess.run(
            [CHROMIUM, *FLAGS, "--virtual-time-budget=600000", f"--user-data-dir={profile}",
             address],
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        server.shutdown()
    found = re.search(r"<pre id=\"?result\"?>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found
    return json.loads(html.unescape(found[1])), done.stderr


def test_every_page_was_looked_at(looked: tuple[list[Any], str]) -> None:
    """Each page loaded at both widths."""
    expected = {(page, width) for page in pages() for width in WIDTHS}
    assert expected == {(each["page"], each["width"]) for each in looked[0]}


def test_pages_fit_their_width(looked: tuple[list[Any], str]) -> None:
    """No page is wider than its window: what is wide scrolls by itself."""
    wide = [(each["page"], each["width"], each["needed"]) for each in looked[0]]
    assert [] == [each for each in wide if each[2] > each[1]]


def test_the_console_has_no_error(looked: tuple[list[Any], str]) -> None:
    """No script fails, and nothing that a page asks for is missing."""
    lines = [line for line in looked[1].splitlines() if "CONSOLE" in line]
    assert [] == lines


def test_links_and_images_are_there(looked: tuple[list[Any], str]) -> None:
    """Every link within the documentation leads to a file, and to an anchor in it."""
    texts: dict[Path, str] = {}
    missing = set()
    for each in looked[0]:
        missing |= set(each["broken"])
        for link in each["links"]:
            place, _, anchor = link.partition("#")
            if "://127.0.0.1" not in place:
                continue
            path = BUILT / re.sub(r"^http://[^/]+/", "", place).partition("?")[0]
            if path.is_dir():
                path /= "index.html"
            if not path.exists():
                missing.add(link)
            elif anchor and path.suffix == ".html":
                text = texts.setdefault(path, path.read_text(encoding="utf-8"))
                if f'id="{anchor}"' not in text:
                    missing.add(link)
    assert set() == missing
