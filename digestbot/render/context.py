"""Everything that rendering needs besides the edition itself."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from digestbot.languages import ENGLISH
from digestbot.model import Form, Theme
from digestbot.render.language import Language, language
from digestbot.render.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """The operator's choices for rendering: templates, time zone, language, footer links."""

    templates: Templates
    timezone: ZoneInfo
    """Time zone of all dates shown."""
    public_url: str | None = None
    """Address of the operator's pages, which distinguishes their feeds from others'."""
    home_url: str | None = None
    """Web page with all digests, if there is one; the digest's title links there."""
    edition_url: str | None = None
    """Web page with the full edition, if there is one."""
    attach_list: bool = False
    """Attach the list of all papers instead of naming those beyond the limit in the mail."""
    attach: tuple[Form, ...] = ()
    """Forms of the full list of papers to attach to the mail."""
    next_edition_at: datetime | None = None
    unsubscribe: str | None = None
    """A ``mailto:`` or ``https:`` link; ``{token}`` in it is filled in for each reader."""
    filter_in_words: str | None = None
    """The filter on one line, shown as the reason for the mail."""
    theme: Theme = Theme.DEFAULT
    language: str = ENGLISH
    """Language of digestbot's own text, one of `languages`."""

    @property
    def lang(self) -> Language:
        """Messages and formats of `language`."""
        return language(self.language)
