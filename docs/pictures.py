"""
Screenshots for the README: the demo's edition as a browser shows its email.

Run ``make pictures`` after changing the layout. The screenshots use the arXiv page bundled with the
program and the current templates.
"""

import html
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from PIL import Image

from digestbot.demo import run_demo
from digestbot.model import Edition, Form, Theme
from digestbot.render import RenderContext, load_templates, render
from digestbot.store import open_store

IMAGES = Path(__file__).parent / "images"
NOW = datetime(2026, 4, 6, 7, 0, tzinfo=UTC)
"""The Monday after the papers of the bundled page."""
CHROMIUM = Path(sys.prefix) / "bin" / "chromium-for-tests"
WINDOW = (800, 1400)
COLOURS = 256
"""Colours per picture: enough for text, at a third of the file size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One view of the email; width and height are in CSS pixels."""

    name: str
    width: int
    height: int
    dark: bool = False
    language: str = "en"
    theme: Theme = Theme.DEFAULT
    scale: float = 1.0


PICTURES = (
    Picture(name="digest", width=720, height=1050),
    Picture(name="phone-dark", width=390, height=780, dark=True, scale=1.25),
    Picture(name="german", width=390, height=780, language="de", theme=Theme.COMPACT, scale=1.25),
)


@contextmanager
def demo_edition() -> Iterator[Edition]:
    """Create the edition of ``digestbot demo``."""
    with TemporaryDirectory() as folder:
        run_demo(Path(folder), NOW)
        with open_store(f"sqlite:///{folder}/demo.db") as store:
            edition = store.editions.get("systems", 1)
            assert edition is not None  # noqa: S101 - the demo has just created it
            yield edition


def screenshot(page: str, picture: Picture) -> Image.Image:
    """Take a screenshot of *page* in a frame: windows cannot be as narrow as a phone."""
    frame = (
        f'<iframe style="width:{picture.width}px;height:{picture.height}px;border:0"'
        f' srcdoc="{html.escape(page)}"></iframe>'
    )
    with TemporaryDirectory() as folder:
        file, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        body = f'<!doctype html><meta charset="utf-8"><body style="margin:0">{frame}'
        file.write_text(body, encoding="utf-8")
        command = [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--blink-settings=preferredColorScheme={0 if picture.dark else 1}",
            f"--force-device-scale-factor={picture.scale}",
            f"--window-size={WINDOW[0]},{WINDOW[1]}",
            f"--user-data-dir={folder}/profile",
            f"--screenshot={shot}",
            file.as_uri(),
        ]
        subprocess.run(command, capture_output=True, check=True, timeout=120)  # noqa: S603
        size = (round(picture.width * picture.scale), round(picture.height * picture.scale))
        return Image.open(io.BytesIO(shot.read_bytes())).convert("RGB").crop((0, 0, *size))


def main() -> None:
    """Write all pictures."""
    context = RenderContext(
        templates=load_templates(),
        timezone=ZoneInfo("Europe/Berlin"),
        next_edition_at=NOW + timedelta(days=1),
        unsubscribe="mailto:digests@example.org",
    )
    with demo_edition() as edition:
        for picture in PICTURES:
            page = render(
                edition, Form.HTML, replace(context, language=picture.language, theme=picture.theme)
            )
            image = screenshot(page, picture).quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE)
            image.save(IMAGES / f"{picture.name}.png", optimize=True)


if __name__ == "__main__":
    main()
