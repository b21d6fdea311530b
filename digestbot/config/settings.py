"""
The checked config: frozen values, no YAML and no pydantic. Begin at `Config`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

from digestbot.bounces import BouncesSettings
from digestbot.deliver import SlackSettings, SmtpSettings
from digestbot.filters import Filter
from digestbot.model import AnnounceType, Destination, Form, Theme
from digestbot.schedule import Schedule
from digestbot.secret import Secret
from digestbot.sending_limits import SendingLimits
from digestbot.sources import Options

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestConfig:
    """One digest: a named rule of what goes to whom, and when."""

    name: str
    title: str
    schedule: Schedule
    schedule_text: str
    """As written, blanks made single."""
    sources: tuple[str, ...]
    """Names of `Config.sources`; all of them if the digest names none."""
    types: frozenset[AnnounceType]
    filter: Filter
    limit: int
    """Papers of one edition at most."""
    when_empty: Literal["skip", "send"]
    theme: Theme
    language: str
    """Of its own words, one of `digestbot.languages.languages`."""
    exports: tuple[Form, ...]
    """Some of `digestbot.model.EXPORTS`, written into folders beside what always is."""
    attach: tuple[Form, ...]
    """Lists of all papers that go with each mail: BibTeX, RIS."""
    expires: timedelta
    """How long an edition is news."""
    destinations: tuple[Destination, ...]
    """In the order of the config, each once; a folder's address is an absolute path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole config.yaml, checked: every name in it leads somewhere."""

    path: Path
    """Of the file itself, absolute."""
    timezone: ZoneInfo
    store: str = field(repr=False)
    """``sqlite:///`` and an absolute path, or ``postgresql://…``, which may hold a password."""
    public_url: str | None
    """Without a slash at its end."""
    contact: str | None
    """Address of the owner, told to arXiv and other servers."""
    templates: Path | None
    """Folder of the owner's own templates, absolute."""
    sources: Mapping[str, Options]
    smtp: SmtpSettings | None
    slack: SlackSettings | None
    sending_limits: SendingLimits
    bounces: BouncesSettings | None
    """Its folder and its file of authorities are absolute paths."""
    digests: Mapping[str, DigestConfig]
    secret_addresses: Mapping[str, Secret]
    """Secret values of destinations, such as webhooks, by the address that stands for each."""
    more_sections: Mapping[str, object] = field(default_factory=dict)
    """Settings of further kinds of destination, by their config key."""

    def section(self, settings: type[T]) -> T | None:
        """Return the section of type *settings*; None if the file has none."""
        sections = (self.smtp, self.slack, *self.more_sections.values())
        return next((found for found in sections if isinstance(found, settings)), None)
