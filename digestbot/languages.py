"""
Languages of the digests: English, and each one with a message catalogue.

English is in the code and the templates; the gettext catalogues are
``locales/*/LC_MESSAGES/digestbot.po``. `render.language` reads them.
"""

from pathlib import Path

ENGLISH = "en"
DOMAIN = "digestbot"
LOCALES = Path(__file__).parent / "locales"


def catalogue_of(name: str) -> Path:
    """Return the path of a language's catalogue, which may not exist."""
    return LOCALES / name / "LC_MESSAGES" / f"{DOMAIN}.po"


def languages() -> tuple[str, ...]:
    """Return the codes of the supported languages, as used in the config."""
    names = (path.name for path in LOCALES.iterdir())
    return (ENGLISH, *sorted(name for name in names if catalogue_of(name).is_file()))
