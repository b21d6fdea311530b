"""
The languages that digestbot speaks to its readers: English, and each that has a catalogue.

English stands in the code and the templates; the catalogues of gettext are
``locales/*/LC_MESSAGES/digestbot.po``. `render.language` reads them.
"""

from pathlib import Path

ENGLISH = "en"
DOMAIN = "digestbot"
LOCALES = Path(__file__).parent / "locales"


def catalogue_of(name: str) -> Path:
    """Where the catalogue of that language stands, if there is one."""
    return LOCALES / name / "LC_MESSAGES" / f"{DOMAIN}.po"


def languages() -> tuple[str, ...]:
    """The languages there are, by the names that a config has for them."""
    names = (path.name for path in LOCALES.iterdir())
    return (ENGLISH, *sorted(name for name in names if catalogue_of(name).is_file()))
