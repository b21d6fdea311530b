"""The checked config as frozen values. Begin at `Config`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

from digestbot.bounces.settings import BouncesSettings
from digestbot.deliver import SlackSettings, SmtpSettings
from digestbot.errors import UsageError
from digestbot.filters import Filter
from digestbot.model import AnnounceType, Destination, Form, Overflow, Theme, UpdateKind
from digestbot.schedule import Schedule
from digestbot.secret import Secret
from digestbot.sending_limits import SendingLimits
from digestbot.sources import Options
from digestbot.sources.enrichment import EnrichmentSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestConfig:
    """One digest: a named rule for which papers go to whom, and when."""

    name: str
    title: str
    schedule: Schedule
    schedule_text: str
    """As written, with single spaces."""
    sources: tuple[str, ...]
    """Names in `Config.sources`; all of them by default."""
    types: frozenset[AnnounceType]
    updates: frozenset[UpdateKind]
    """Kinds of news about papers that the digest had."""
    filter: Filter
    limit: int
    """Maximum number of papers in full in one edition."""
    overflow: Overflow
    """Where the papers beyond the limit go."""
    when_empty: Literal["skip", "send"]
    theme: Theme
    language: str
    """Language of headings and notes, one of `digestbot.languages.languages`."""
    exports: tuple[Form, ...]
    """Further forms to write into folders, from `digestbot.model.EXPORTS`."""
    attach: tuple[Form, ...]
    """Lists of papers to attach to each email: BibTeX, RIS."""
    expires: timedelta
    """Age at which an unsent delivery is held."""
    destinations: tuple[Destination, ...]
    """Unique, in the order of the config; a folder's address is an absolute path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A checked config.yaml, in which every reference is valid."""

    path: Path
    """Absolute path of the file."""
    timezone: ZoneInfo
    store: str = field(repr=False)
    """``sqlite:///`` and an absolute path, or ``postgresql://…``, which may contain a password."""
    overdue: timedelta = timedelta(hours=2)
    """Time after a missed slot when `status` reports it."""
    ping_url: Secret | None = None
    """Called after each good cycle and on failure; its path is a secret."""
    public_url: str | None
    """URL of the web pages, without a final slash."""
    contact: str | None
    """Operator's email address, sent to arXiv and other sources."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts in private networks that redirects may lead to, for `digestbot.net.AllowedHosts`."""
    umask: int
    """Permissions that new files lack, as a number: 0o077 leaves them to their owner."""
    templates: Path | None
    """Absolute path of the operator's templates."""
    sources: Mapping[str, Options]
    smtp: SmtpSettings | None
    slack: SlackSettings | None
    sending_limits: SendingLimits
    bounces: BouncesSettings | None
    """Settings for reading bounces; `maildir` and `ca_file` are absolute paths."""
    digests: Mapping[str, DigestConfig]
    enrich: bool = True
    """Default of the feeds' `enrich`: complete their papers from other services."""
    enrichment: EnrichmentSettings = field(default_factory=EnrichmentSettings)
    secret_addresses: Mapping[str, Secret]
    """Secret values of destinations, such as webhooks, by the address that stands for each."""
    more_sections: Mapping[str, object] = field(default_factory=dict)
    """Settings of further kinds of destination, by their config key."""

    def section(self, settings: type[T]) -> T | None:
        """Return the section of type *settings*; None if the file has none."""
        sections = (self.smtp, self.slack, *self.more_sections.values())
        return next((found for found in sections if isinstance(found, settings)), None)


def find_digest(config: Config, name: str) -> DigestConfig:
    """
    Return the digest called *name*.

    Raises:
        UsageError: The config has no such digest.
    """
    if name not in config.digests:
        known = ", ".join(config.digests) or "none"
        raise UsageError(f'no digest "{name}" in the config; it has: {known}')
    return config.digests[name]
