"""
Translated text of an edition: messages, plurals, dates and numbers.

The catalogues (`digestbot.languages`) are read from their .po files on first use instead of being
compiled ahead, so they are always current. Begin at `language`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal

from digestbot.languages import DOMAIN, ENGLISH, catalogue_of, languages


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language. Its methods have gettext's names, so that pybabel finds the messages."""

    tag: str
    """Value of the ``lang`` attribute (BCP 47): ``en``, ``de``, ``zh-Hans``."""
    locale: Locale
    catalogue: NullTranslations = field(repr=False)

    def gettext(self, message: str, **facts: object) -> str:
        """Translate *message* and fill in ``%(name)s`` from *facts*."""
        translated = self.catalogue.gettext(message)
        return translated % facts if facts else translated

    def ngettext(self, one: str, many: str, number: int, /, **facts: object) -> str:
        """Translate *one* or *many*, depending on *number*, which fills ``%(number)s``."""
        translated = self.catalogue.ngettext(one, many, number)
        return translated % {"number": self.number(number), **facts}

    def pgettext(self, context: str, message: str) -> str:
        """Translate *message*; *context* distinguishes it from equal messages."""
        return self.catalogue.pgettext(context, message)

    def number(self, number: int) -> str:
        """Format *number*: ``1,200``, in German ``1.200``."""
        return str(number) if -1000 < number < 1000 else format_decimal(number, locale=self.locale)

    def date(self, when: datetime, zone: ZoneInfo) -> str:
        """Format *when* in *zone* as ``Monday, 23 November 2026``."""
        return self._formatted(self.pgettext("whole date", "EEEE, d MMMM y"), when, zone)

    def day(self, when: datetime, zone: ZoneInfo) -> str:
        """Format *when* in *zone* as ``23 Nov``."""
        return self._formatted(self.pgettext("short date", "d MMM"), when, zone)

    def day_of_year(self, when: datetime, zone: tzinfo) -> str:
        """Format *when* in *zone* as ``23 Nov 2026``."""
        return self._formatted(self.pgettext("short date with year", "d MMM y"), when, zone)

    def weekday(self, when: datetime, zone: tzinfo) -> str:
        """Format *when* in *zone* as ``Fri 27 Nov``."""
        return self._formatted(self.pgettext("day of the week", "EEE d MMM"), when, zone)

    def time(self, when: datetime, zone: tzinfo) -> str:
        """Format the time of *when* in *zone* as ``09:00 CET``."""
        return self._formatted(self.pgettext("time", "HH:mm"), when, zone, with_zone=True)

    def moment(self, when: datetime, zone: ZoneInfo, *, with_zone: bool = True) -> str:
        """Format *when* in *zone* as ``Tue 24 Nov, 09:00 CET``."""
        pattern = self.pgettext("day and time", "EEE d MMM, HH:mm")
        return self._formatted(pattern, when, zone, with_zone=with_zone)

    def names(self, names: Iterable[str], more: int = 0) -> str:
        """List *names*: ``Ana Pérez, Ion Stoica and 14 more``."""
        shown = ", ".join(names)
        if not more:
            return shown
        return self.ngettext(
            "%(names)s and %(number)s more", "%(names)s and %(number)s more", more, names=shown
        )

    def _formatted(
        self, pattern: str, when: datetime, zone: tzinfo, with_zone: bool = False
    ) -> str:
        return _formatted(pattern, when, zone, with_zone, self.tag)


@cache
def language(name: str) -> Language:
    """
    Return the language *name*, one of `languages`.

    Any other name gives English: the config checks names, and an edition in English is better than
    none.
    """
    if name == ENGLISH or name not in languages():
        locale = Locale.parse(ENGLISH)
        return Language(tag=ENGLISH, locale=locale, catalogue=NullTranslations())
    # Imported late: only needed for languages other than English.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with catalogue_of(name).open("rb") as file:
        read = read_po(file, domain=DOMAIN)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    catalogue = GNUTranslations(compiled)
    tag = catalogue.pgettext("tag of this language (BCP 47)", "en")
    return Language(tag=tag, locale=Locale.parse(name), catalogue=catalogue)


@lru_cache(maxsize=10_000)
def _formatted(pattern: str, when: datetime, zone: tzinfo, with_zone: bool, tag: str) -> str:
    # Cached: Babel takes longer than the rest of a mail, and mails share dates.
    local = when.astimezone(zone)
    shown = format_datetime(local, pattern, locale=Locale.parse(tag, sep="-"))
    return f"{shown} {local.tzname()}" if with_zone else shown
