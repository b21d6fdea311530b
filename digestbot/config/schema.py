"""
Keys of config.yaml and the checks of their values.

The options of sources and destinations are dataclasses in their packages; this module has all other
keys. It checks one value at a time; `load` checks references between keys. pydantic is imported
only for a config with mistakes. Begin at `FileKeys` and `DigestKeys`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, make_dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, partial
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    get_args,
    get_type_hints,
)
from unicodedata import normalize
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from digestbot.addresses import check_address
from digestbot.bounces.settings import BouncesSettings
from digestbot.config import exact
from digestbot.config.annotations import (
    AfterValidator,
    BeforeValidator,
    Described,
    Ge,
    Le,
    MinLen,
    PlainValidator,
    ReadAs,
    WithJsonSchema,
)
from digestbot.config.positions import Steps
from digestbot.deliver import REGISTRY as DESTINATIONS
from digestbot.deliver import DestinationType, SmtpSettings
from digestbot.deliver.dkim import DkimSettings
from digestbot.deliver.folder import check_folder
from digestbot.errors import DiscreetError, InvalidFilter, InvalidSchedule
from digestbot.filters import Filter, check_filter
from digestbot.languages import ENGLISH, languages
from digestbot.model import AnnounceType, Overflow, Theme, UpdateKind
from digestbot.oauth import OauthSettings
from digestbot.schedule import parse_schedule
from digestbot.secret import Secret

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
STRICT: dict[str, object] = {"extra": "forbid", "use_attribute_docstrings": True}
DEFINED = "digestbot-definition"
MAX_NAME = 64
MAX_LIMIT = 100_000
"""Papers in one edition; an email shows as many as fit and counts the rest."""
DURATION = r"^(\d+(\.\d+)?(w|d|h|m|s))+$"
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
MAX_SECONDS = 10**10
"""About 300 years, within the range of timedelta and the calendar."""


# Values


def _name(text: str) -> str:
    if len(text) > MAX_NAME:
        raise ValueError(f"names have at most {MAX_NAME} characters")
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]*", text):
        return text
    ascii_only = normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    better = re.sub(r"[^a-z0-9._-]+", "-", ascii_only).strip("-._")
    hint = f'; did you mean "{better}"?' if better else ""
    raise ValueError(
        'names may contain only lower-case letters, digits, ".", "-" and "_", and must begin with'
        f" a letter or digit{hint}"
    )


def _time_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = get_close_matches(text, available_timezones(), n=1)
        hint = f'did you mean "{near[0]}"?' if near else 'write one such as "Europe/Berlin"'
        raise ValueError(f'"{text[:60]}" is not a time zone; {hint}') from error


def _umask(text: str) -> str:
    if re.fullmatch("[0-7]{3,4}", text):
        return text
    raise ValueError('must be three octal digits in quotes, such as "077" or "027"')


def _store(text: str) -> str:
    # The error does not repeat the value: it may contain a password.
    if re.fullmatch(r"sqlite:///[^?#]*[^?#/]", text) and ":memory:" not in text:
        return text
    if re.match(r"postgresql://.", text):
        return text
    hint = "; write postgresql://" if text.startswith(("postgres:", "postgresql+")) else ""
    raise DiscreetError(
        f"must be sqlite:///FILE (sqlite:////FILE for an absolute path) or postgresql://USER@HOST/NAME{hint}"
    )


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_whole = is_web and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        is_whole = False
    if not is_whole or re.search(r"\s", text):
        raise DiscreetError('must be an http or https URL without "?" or "#"')
    return text.rstrip("/")


def _ping_url(value: Secret | None) -> Secret | None:
    if value is None:
        return None
    from digestbot.net import is_web_url  # most configs have no monitor

    if not is_web_url(value.reveal()):
        raise DiscreetError("must be an http or https URL")
    return value


def _allowed_host(text: str) -> str:
    from digestbot.net import AllowedHosts  # few configs allow any

    AllowedHosts.parse([text])
    return text


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _language(text: str) -> str:
    if text in languages():
        return text
    near = get_close_matches(text.lower()[:2], languages(), n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"use one of {', '.join(languages())}"
    raise ValueError(f'"{text[:60]}" is not a supported language; {hint}')


def _schedule(written: str | dict[str, Any]) -> str | dict[str, Any]:
    try:
        parse_schedule(written, ZoneInfo("UTC"))
    except InvalidSchedule as error:
        if error.path:
            raise _with_places([error], written) from error
        raise
    return written


def _filter(value: object) -> Filter:
    found, mistakes = check_filter(value)
    if found is None:
        raise _with_places(mistakes, value)
    return found


def _with_places(mistakes: Iterable[InvalidFilter | InvalidSchedule], value: object) -> ValueError:
    """Return pydantic's error for mistakes at places in a filter or schedule."""
    from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

    errors = [
        InitErrorDetails(
            type=PydanticCustomError("invalid_filter", "{error}", {"error": str(mistake)}),
            loc=mistake.path,
            input=value,
        )
        for mistake in mistakes
    ]
    return ValidationError.from_exception_data("filter", errors)


def _schema_of(name: str, *types: str) -> WithJsonSchema:
    """Refer to a definition of the whole JSON Schema, hidden from pydantic."""
    choices: list[dict[str, object]] = [{DEFINED: name}]
    choices += [{"type": each} for each in types]
    return WithJsonSchema(choices[0] if len(choices) == 1 else {"anyOf": choices})


Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(check_address)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Folder = Annotated[str, AfterValidator(check_folder)]
Language = Annotated[str, AfterValidator(_language)]


# Keys


@dataclass(frozen=True, kw_only=True)
class DeliverTo:
    """Entry of ``deliver:``: exactly one key, a kind of the registry of destinations."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        given = [kind for kind in DESTINATIONS if vars(self)[kind]]
        if not given:
            raise DiscreetError(f"names no destination: give one of {', '.join(DESTINATIONS)}")
        if len(given) > 1:
            raise ValueError(f'has {" and ".join(given)}; begin each with its own "- "')

    def values(self) -> Iterator[tuple[DestinationType, Any]]:
        """Yield each value with its kind."""
        for kind, value in vars(self).items():
            for one in value if isinstance(value, tuple) else (value,):
                if one:
                    yield DESTINATIONS[kind], one


def _destination_key(kind: DestinationType) -> tuple[str, object, object]:
    """Return the key of *kind* as a field for `make_dataclass`."""
    described = Described(kind.description)
    one: Any = Annotated[kind.value, AfterValidator(kind.check_value)]  # mypy wants a literal type
    if kind.takes_list:
        many = Annotated[
            tuple[one, ...], BeforeValidator(_one_or_many), _schema_of("Values"), described
        ]
        return kind.kind, many, ()
    refuse_null = BeforeValidator(partial(_refuse_null, kind.if_null))
    return kind.kind, Annotated[one | None, refuse_null, described], None


def _refuse_null(message: str | None, value: object) -> object:
    if value is None and message is not None:
        raise DiscreetError(message)
    return value


@cache
def deliver_to() -> type[DeliverTo]:
    """Return `DeliverTo` with a key for each kind in the registry."""
    keys = [_destination_key(kind) for kind in DESTINATIONS.values()]
    return make_dataclass("DeliverTo", keys, bases=(DeliverTo,), frozen=True, kw_only=True)


_AnyDestination = ReadAs(deliver_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestKeys:
    """One digest: which papers go to whom, and when."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    title: str | None = None
    """Title that readers see; the digest's name by default."""
    schedule: Annotated[str | dict[str, Any], AfterValidator(_schedule), _schema_of("Schedule")] = (
        "weekdays 09:00"
    )
    """`weekdays 09:00` (the default), `daily 09:00`, `weekly mon 09:00`, `monthly 1 09:00`, or the
    five fields of cron (`"0 9 * * mon-fri"`), in the config's time zone; or
    `{after: announcement, earliest: "07:00", latest: "10:00"}` to wait for arXiv's."""
    sources: Annotated[tuple[str, ...], MinLen(1)] | None = None
    """Names of sources; all by default."""
    types: Annotated[frozenset[AnnounceType], MinLen(1)] = frozenset(
        {AnnounceType.NEW, AnnounceType.CROSS}
    )
    """Announce types; `[new, cross]` by default."""
    updates: frozenset[UpdateKind] = frozenset(UpdateKind)
    """News about papers that the digest had, sent once: `published` (a preprint got a journal's DOI
    or reference) and `notice` (withdrawn, retracted or of concern); both by default."""
    filter: Annotated[Filter, PlainValidator(_filter), _schema_of("Filter")] = field(
        default_factory=lambda: _filter(None)
    )
    """Conditions that papers must meet; every paper by default. See docs/filters.md."""
    limit: Annotated[int, Ge(1), Le(MAX_LIMIT)] = 30
    """Maximum number of papers in full in one edition; see `overflow`."""
    overflow: Overflow = Overflow.LIST
    """Papers beyond the limit: `list` them by title, keep them for the `next` edition, or `attach`
    the list to the email."""
    when_empty: Literal["skip", "send"] = "skip"
    """When no paper matches: `skip` sends nothing, `send` sends an edition that says so."""
    expires: timedelta = timedelta(days=7)
    """Age at which an unsent delivery is held until you release it; folders are exempt."""
    theme: Theme = Theme.DEFAULT
    """How much of each paper to show: `default`, `compact` (titles) or `full` (long abstracts)."""
    exports: tuple[Literal["markdown", "bibtex", "ris", "atom"], ...] = ()
    """Further files for the digest's folders (.md, .bib, .ris, .atom); none by default."""
    attach: tuple[Literal["bibtex", "ris"], ...] = ()
    """Lists of the edition's papers to attach to emails (.bib, .ris); none by default."""
    language: Language | None = None
    """Language of headings and notes; the config's by default."""
    deliver: tuple[Annotated[DeliverTo, _AnyDestination], ...] = ()
    """Destinations of editions; each entry has one key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKeys:
    """Top-level keys of config.yaml."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    timezone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    """Time zone of schedules and of dates that readers see, such as `Europe/Berlin`."""
    language: Language = ENGLISH
    """Language of headings and notes: `en`, `de` or `zh`; papers are not translated."""
    store: Annotated[str, AfterValidator(_store)] = "sqlite:///digestbot.db"
    """Database: a SQLite file, relative to the config, or PostgreSQL."""
    public_url: WebAddress | None = None
    """Your URL, which identifies your Atom feeds; without web pages, emails do not link to it."""
    overdue: timedelta = timedelta(hours=2)
    """Time after a missed slot when `status` reports it and exits with 1."""
    ping_url: Annotated[Secret | None, AfterValidator(_ping_url)] = None
    """URL called after a good cycle, and with `/fail` on failure, as healthchecks.io expects."""
    contact: Address | None = None
    """Your email address, sent to the sources as arXiv requests."""
    allowed_hosts: tuple[Annotated[str, AfterValidator(_allowed_host)], ...] = ()
    """Hosts in private networks that feeds may redirect to: names, `*.` and a domain, addresses or
    networks; none by default."""
    templates: Folder | None = None
    """Folder with your templates, relative to the config."""
    umask: Annotated[str, AfterValidator(_umask)] = "077"
    """Permissions that new files lack, in quotes and octal: "027" lets the group read them."""
    sources: dict[Name, Annotated[Any, _schema_of("Source")]]
    """Where papers come from: a name of your choice with the options of its kind."""
    enrich: bool = True
    """Complete papers of feeds that lack abstracts, authors or DOIs; a source may differ."""
    enrichment: Annotated[Any, _schema_of("EnrichmentSettings", "null")] = None
    """Services that complete such papers, asked about their DOIs."""
    smtp: Annotated[Any, _schema_of("SmtpSettings", "null")] = None
    """Mail server that sends the digests; required for `email`."""
    slack: Annotated[Any, _schema_of("SlackSettings", "null")] = None
    """Your Slack app; required for `slack`."""
    sending_limits: Annotated[Any, _schema_of("SendingLimits", "null")] = None
    """Limits above which deliveries are held, or wait until the next day."""
    bounces: Annotated[Any, _schema_of("BouncesSettings", "null")] = None
    """Mailbox for bounces and complaints; requires a `{token}` in `smtp.envelope_from`."""
    digests: dict[Name, Annotated[Any, _schema_of("DigestKeys")]]
    """Which papers go to whom, and when: a name of your choice with the digest's keys."""


def more_sections() -> dict[str, type]:
    """Return the settings of those kinds of destination that `FileKeys` has no key for."""
    known = {key.name for key in fields(FileKeys)}
    return {
        kind.section: kind.settings
        for kind in DESTINATIONS.values()
        if kind.section and kind.settings and kind.section not in known
    }


@cache
def file_keys() -> type[FileKeys]:
    """Return `FileKeys` with `more_sections`."""
    more = [
        (section, Annotated[Any, _schema_of(settings.__name__, "null")], None)
        for section, settings in more_sections().items()
    ]
    if not more:
        return FileKeys
    return make_dataclass("FileKeys", more, bases=(FileKeys,), frozen=True, kw_only=True)


# Checking


_INNER: Mapping[type, Mapping[str | int, type]] = {
    DigestKeys: {"deliver": deliver_to()},
    SmtpSettings: {"dkim": DkimSettings, "oauth": OauthSettings},
    BouncesSettings: {"oauth": OauthSettings},
}
"""Dataclasses nested in others, by key."""


def checked(kind: type[T], data: object) -> tuple[T | None, Sequence[Mapping[str, Any]]]:
    """
    Check *data* as a *kind*, a dataclass of keys or options.

    Return the value and no errors, or None and the errors. Errors are pydantic's, as dicts with
    ``type``, ``loc``, ``input`` and ``ctx``.
    """
    ready, errors = _prepared(kind, data)
    if not errors:
        with suppress(ValueError):
            return exact.build(kind, ready), ()
    return _checked_by_pydantic(kind, ready, errors)


def _checked_by_pydantic(
    kind: type[T], ready: object, errors: Sequence[Mapping[str, Any]]
) -> tuple[T | None, Sequence[Mapping[str, Any]]]:
    """Convert what is nearly right, such as a number in quotes, or return the errors."""
    from pydantic_core import ValidationError

    hashable: Any = kind  # mypy does not see that a class is hashable
    try:
        value: T = adapter(hashable).validate_python(ready)
    except ValidationError as error:
        return None, [*errors, *error.errors(include_url=False)]
    return (None, errors) if errors else (value, ())


def keys_of(kind: type, steps: Steps = ()) -> tuple[str, ...]:
    """Return the keys of *kind*, or of the dataclass nested in it at *steps*."""
    inner = _INNER.get(kind, {}).get(steps[0], kind) if steps else kind
    return tuple(each.name for each in fields(inner))


def parse_duration(value: object) -> timedelta | None:
    """Parse ``7d``, ``1h30m`` or a number of seconds, up to 300 years."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return timedelta(seconds=value) if 0 <= value <= MAX_SECONDS else None
    if not isinstance(value, str) or not re.fullmatch(DURATION, value, re.ASCII) or len(value) > 40:
        return None
    parts = re.findall(r"([\d.]+)([wdhms])", value)
    seconds = sum(timedelta(**{_UNITS[unit]: 1}).total_seconds() * float(n) for n, unit in parts)
    return timedelta(seconds=seconds) if seconds <= MAX_SECONDS else None


@cache
def adapter(kind: type[Any]) -> "TypeAdapter[Any]":
    """Return pydantic's view of *kind*."""
    from pydantic import TypeAdapter  # here: a config without mistakes does not need it

    return TypeAdapter(kind)


def _prepared(kind: type, data: object) -> tuple[object, list[dict[str, Any]]]:
    """
    Parse durations, and reject values that pydantic reads differently.

    Options are plain dataclasses: for a timedelta, pydantic would accept ISO 8601 but not "1h30m",
    and for an int it would accept ``true``. Faulty values are removed, so that the checks across
    fields still run.
    """
    if not isinstance(data, dict):
        return data, []
    known = keys_of(kind)
    ready = {key: value for key, value in data.items() if key in known}
    errors = [_unknown_key(key, value) for key, value in data.items() if key not in known]
    for key, hint in get_type_hints(kind).items():
        value, types = ready.get(key), {hint, *get_args(hint)}
        duration = parse_duration(value) if timedelta in types else None
        if duration is not None:
            ready[key] = duration
        elif value is not None and timedelta in types:
            errors.append({"type": "duration", "loc": (key,), "input": ready.pop(key)})
        elif isinstance(value, bool) and int in types:
            errors.append({"type": "int_type", "loc": (key,), "input": ready.pop(key)})
    return ready, errors


def _unknown_key(key: str, value: object) -> dict[str, Any]:
    return {"type": "unexpected_keyword_argument", "loc": (key,), "input": value}
