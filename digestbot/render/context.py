"""What rendering must know beside the edition itself."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from digestbot.languages import ENGLISH
from digestbot.model import Form, Theme
from digestbot.render.language import Language, language
from digestbot.render.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """The owner's side of a rendering: templates, clock face and the links of the footer."""

    templates: Templates
    timezone: ZoneInfo
    """The zone in which dates are shown."""
    public_url: str | None = None
    """Where the owner's pages are; the digest's title links there."""
    edition_url: str | None = None
    """Where this edition can be read as a whole; *public_url* if there is no such page."""
    attach: tuple[Form, ...] = ()
    """Lists of all papers that go with the mail."""
    next_edition_at: datetime | None = None
    unsubscribe: str | None = None
    """A mailto: or https: link; ``{token}`` in it is filled in for each reader."""
    filter_in_words: str | None = None
    """Why one gets this: the filter on one line."""
    theme: Theme = Theme.DEFAULT
    language: str = ENGLISH
    """Of the digest's own words, one of `languages`."""

    @property
    def words(self) -> Language:
        """The digest's own words."""
        return language(self.language)
