"""The mail in a real browser: no overflow at any width, in light and dark mode."""

import html
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from digestbot.model import AnnounceType, Form, Theme
from digestbot.render import RenderContext, render
from tests.factories import make_coverage, make_edition, make_edition_paper, make_paper

WIDTHS = (320, 600, 1200)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--virtual-time-budget=5000",
)  # fmt: skip
MEASURE = """
<script>
window.onload = () => {
  const found = [...document.querySelectorAll("iframe")].map((frame) => {
    const page = frame.contentDocument;
    const wide = [...page.querySelectorAll("*")].filter(
      (element) => element.getBoundingClientRect().right > frame.clientWidth + 1);
    return {
      width: frame.clientWidth,
      scroll: page.documentElement.scrollWidth,
      wide: wide.map((element) => element.outerHTML.slice(0, 80)),
      background: getComputedStyle(page.body).backgroundColor,
    };
  });
  document.body.innerHTML = "<pre>" + JSON.stringify(found).replaceAll("<", "\\\\u003c") + "</pre>";
};
</script>
"""


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser that ``make test`` installs, or the system's."""
    own = Path(sys.prefix) / "bin" / "chromium-for-tests"
    found = str(own) if own.exists() else shutil.which("chromium")
    assert found, "no Chromium: `make test` installs it"
    return found


def measured(chromium: str, page: str, folder: Path, *, dark: bool) -> list[dict[str, Any]]:
    """Measure the page in frames, since a window cannot be as narrow as a phone."""
    frames = "".join(
        f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(page)}">'
        "</iframe>"
        for width in WIDTHS
    )
    file = folder / "frames.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{frames}{MEASURE}", encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [chromium, *FLAGS, scheme, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, file.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    text = re.search(r"<pre>(.*)</pre>", done.stdout, re.DOTALL)
    assert text, done.stdout[:500]
    found: list[dict[str, Any]] = json.loads(html.unescape(text[1]))
    return found


LANGUAGES = {Theme.DEFAULT: "de", Theme.COMPACT: "zh", Theme.FULL: "en"}
"""One language per theme: German has the longest words, Chinese the fewest spaces."""


@pytest.mark.parametrize("theme", Theme)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_overflows_the_page(
    chromium: str, tmp_path: Path, context: RenderContext, dark: bool, theme: Theme
) -> None:
    themed = replace(context, theme=theme, language=LANGUAGES[theme])
    long = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 8
    papers = (
        make_edition_paper(paper=make_paper()),
        make_edition_paper(paper=make_paper(title=long, abstract=f"{long} {long}", comment=long)),
        make_edition_paper(paper=make_paper(title="深度学习" * 60, abstract="数" * 2000)),
        make_edition_paper(
            paper=make_paper(version=2, comment=long),
            previous=make_paper(title=long),
            type=AnnounceType.REPLACE,
        ),
    )
    coverage = tuple(make_coverage(source=f"{long[:40]}{n}", status="late") for n in range(3))
    edition = make_edition(papers=papers, omitted=12_345, coverage=coverage)
    page = render(edition, Form.HTML, themed)
    found = measured(chromium, page, tmp_path, dark=dark)
    assert [frame["width"] for frame in found] == list(WIDTHS)
    assert [frame["wide"] for frame in found] == [[], [], []]
    assert [frame["scroll"] for frame in found if frame["scroll"] > frame["width"]] == []


def test_dark_mode_changes_the_background(
    chromium: str, tmp_path: Path, context: RenderContext
) -> None:
    page = render(make_edition(), Form.HTML, context)
    light = measured(chromium, page, tmp_path, dark=False)[0]["background"]
    dark = measured(chromium, page, tmp_path, dark=True)[0]["background"]
    assert light != dark
