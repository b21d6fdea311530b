"""
Keys of config.yaml and the checks of their values.

The options of sources and destinations are dataclasses in their packages; this module has all other
keys. It checks one value at a time; `load` checks references between keys. pydantic is imported
only for a config with mistakes. Begin at `FileKeys` and `DigestKeys`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
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
from digestbot.bounces import BouncesSettings
from digestbot.config import exact
from digestbot.config.annotations import (
    AfterValidator,
    BeforeValidator,
    Ge,
    Le,
    MinLen,
    PlainValidator,
    WithJsonSchema,
)
from digestbot.config.error_messages import DiscreetError
from digestbot.config.positions import Steps
from digestbot.deliver import SmtpSettings
from digestbot.deliver.dkim import DkimSettings
from digestbot.errors import InvalidFilter
from digestbot.filters import Filter, check_filter
from digestbot.languages import ENGLISH, languages
from digestbot.model import AnnounceType, Theme
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


def _folder(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise DiscreetError("must be a path")
    if text.startswith("~"):
        raise DiscreetError('"~" is not your home here; write ${HOME}')
    return text


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _channel(value: object) -> object:
    if value is None:
        raise DiscreetError(
            'nothing is here: "#" begins a comment in YAML, so write "#papers" in quotes'
        )
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"#[^\s#@,<>]{1,80}|[CGD][A-Z0-9]{6,}", value):
        return value
    better = re.sub(r"[\s#@,<>]+", "-", value).strip("-").lower()
    hint = f'; did you mean "#{better}"?' if better else ""
    raise ValueError(f'"{value[:80]}" is no channel such as "#papers" or C0123456789{hint}')


def is_private(url: str) -> bool:
    """Return True if a secret may be sent to *url*: it is https, or on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    is_near = host in ("localhost", "127.0.0.1", "::1")
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_near))


def _webhook(secret: Secret) -> Secret:
    if not is_private(secret.reveal()):
        raise DiscreetError("must be an https address")
    return secret


def _language(text: str) -> str:
    if text in languages():
        return text
    near = get_close_matches(text.lower()[:2], languages(), n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"use one of {', '.join(languages())}"
    raise ValueError(f'"{text[:60]}" is not a supported language; {hint}')


def _schedule(text: str) -> str:
    parse_schedule(text, ZoneInfo("UTC"))
    return text


def _filter(value: object) -> Filter:
    found, mistakes = check_filter(value)
    if found is None:
        raise _with_places(mistakes, value)
    return found


def _with_places(mistakes: Iterable[InvalidFilter], value: object) -> ValueError:
    """Return pydantic's error for mistakes at places in a filter."""
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
Folder = Annotated[str, AfterValidator(_folder)]
Language = Annotated[str, AfterValidator(_language)]


# Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverTo:
    """Entry of ``deliver:``: exactly one of the four keys."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    email: Annotated[tuple[Address, ...], BeforeValidator(_one_or_many), _schema_of("Values")] = ()
    """One email address or a list; each gets a separate message. Needs `smtp:`."""
    slack: Annotated[str | None, BeforeValidator(_channel)] = None
    """Slack channel, as `"#papers"` in quotes or by ID. Needs `slack: {token: …}`."""
    webhook: Annotated[Secret, AfterValidator(_webhook)] | None = None
    """URL of a Slack incoming webhook; write `${SLACK_WEBHOOK_URL}`."""
    folder: Folder | None = None
    """Folder for the .eml, .html, .txt and .json of each edition, relative to the config."""

    def __post_init__(self) -> None:
        given = [f.name for f in fields(self) if getattr(self, f.name)]
        if not given:
            raise DiscreetError("names no destination: give one of email, slack, webhook, folder")
        if len(given) > 1:
            raise ValueError(f'has {" and ".join(given)}; begin each with its own "- "')


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestKeys:
    """One digest: which papers go to whom, and when."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    title: str | None = None
    """Title that readers see; the digest's name by default."""
    schedule: Annotated[str, AfterValidator(_schedule)] = "weekdays 09:00"
    """`weekdays 09:00` (the default), `daily 09:00`, `weekly mon 09:00`, `monthly 1 09:00`, or the
    five fields of cron (`"0 9 * * mon-fri"`), in the config's time zone."""
    sources: Annotated[tuple[str, ...], MinLen(1)] | None = None
    """Names of sources; all by default."""
    types: Annotated[frozenset[AnnounceType], MinLen(1)] = frozenset(
        {AnnounceType.NEW, AnnounceType.CROSS}
    )
    """Announce types; `[new, cross]` by default."""
    filter: Annotated[Filter, PlainValidator(_filter), _schema_of("Filter")] = field(
        default_factory=lambda: _filter(None)
    )
    """Conditions that papers must meet; every paper by default. See docs/filters.md."""
    limit: Annotated[int, Ge(1), Le(MAX_LIMIT)] = 30
    """Maximum number of papers in one edition; the edition says how many were cut."""
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
    deliver: tuple[DeliverTo, ...] = ()
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
    """URL of the web pages; without it, emails do not link to them."""
    contact: Address | None = None
    """Your email address, sent to the sources as arXiv requests."""
    templates: Folder | None = None
    """Folder with your templates, relative to the config."""
    sources: dict[Name, Annotated[Any, _schema_of("Source")]]
    """Where papers come from: a name of your choice with the options of its kind."""
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


# Checking


_INNER: Mapping[type, Mapping[str | int, type]] = {
    DigestKeys: {"deliver": DeliverTo},
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
