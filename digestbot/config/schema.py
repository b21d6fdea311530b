"""
The keys of config.yaml, what they may hold, and its JSON Schema: the only place with pydantic.

The options of sources and destinations are dataclasses of their rooms; here stand the keys that no
room owns. What is checked here is one value at a time; `load` checks what refers to another place.
Begin at `FileKeys` and `DigestKeys`.
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
"""Papers of one edition; a mail shows what it can hold of them and says how many more there are."""
DURATION = r"^(\d+(\.\d+)?(w|d|h|m|s))+$"
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
MAX_SECONDS = 10**10
"""About 300 years: what timedelta and the calendar bear."""


# Values


def _name(text: str) -> str:
    if len(text) > MAX_NAME:
        raise ValueError(f"a name has at most {MAX_NAME} characters")
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]*", text):
        return text
    ascii_only = normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    better = re.sub(r"[^a-z0-9._-]+", "-", ascii_only).strip("-._")
    hint = f'; did you mean "{better}"?' if better else ""
    raise ValueError(
        'a name has only lower-case letters, digits, ".", "-" and "_", and begins with a letter or'
        f" digit{hint}"
    )


def _time_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = get_close_matches(text, available_timezones(), n=1)
        hint = f'did you mean "{near[0]}"?' if near else 'write one such as "Europe/Berlin"'
        raise ValueError(f'"{text[:60]}" is no time zone; {hint}') from error


def _store(text: str) -> str:
    # The text is not repeated: it may hold a password.
    if re.fullmatch(r"sqlite:///[^?#]*[^?#/]", text) and ":memory:" not in text:
        return text
    if re.match(r"postgresql://.", text):
        return text
    hint = "; write postgresql://" if text.startswith(("postgres:", "postgresql+")) else ""
    raise DiscreetError(
        f"must be sqlite:///FILE (sqlite:////FILE from the root) or postgresql://USER@HOST/NAME{hint}"
    )


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_whole = is_web and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        is_whole = False
    if not is_whole or re.search(r"\s", text):
        raise DiscreetError("must be an http or https address without ? and #")
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
    """Whether nobody in between can read what is sent there: https, or this machine."""
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
    hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(languages())}"
    raise ValueError(f'"{text[:60]}" is no language that digestbot speaks; {hint}')


def _schedule(text: str) -> str:
    parse_schedule(text, ZoneInfo("UTC"))
    return text


def _filter(value: object) -> Filter:
    found, mistakes = check_filter(value)
    if found is None:
        raise _with_places(mistakes, value)
    return found


def _with_places(mistakes: Iterable[InvalidFilter], value: object) -> ValueError:
    """Return pydantic's error with the place of each mistake in the filter."""
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
    """A definition of the whole schema, which pydantic, seeing only a part, must not look for."""
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
    """One place an edition goes to: exactly one of the four keys."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    email: Annotated[tuple[Address, ...], BeforeValidator(_one_or_many), _schema_of("Values")] = ()
    """One mail address or a list of them; each gets a mail of its own. Needs `smtp:`."""
    slack: Annotated[str | None, BeforeValidator(_channel)] = None
    """A channel, `"#papers"` in quotes, or its ID. Needs `slack: {token: …}`."""
    webhook: Annotated[Secret, AfterValidator(_webhook)] | None = None
    """A Slack incoming webhook; write `${SLACK_WEBHOOK_URL}`."""
    folder: Folder | None = None
    """A folder for the .eml, .html, .txt and .json of each edition, relative to the config."""

    def __post_init__(self) -> None:
        given = [f.name for f in fields(self) if getattr(self, f.name)]
        if not given:
            raise DiscreetError("names no destination: give one of email, slack, webhook, folder")
        if len(given) > 1:
            raise ValueError(f'has {" and ".join(given)}; begin each with its own "- "')


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestKeys:
    """One digest: what goes to whom, and when."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    title: str | None = None
    """What readers see; the digest's name by default."""
    schedule: Annotated[str, AfterValidator(_schedule)] = "weekdays 09:00"
    """`weekdays 09:00` (the default), `daily 09:00`, `weekly mon 09:00`, `monthly 1 09:00`, or cron
    with its five fields (`"0 9 * * mon-fri"`), in the time zone of the config."""
    sources: Annotated[tuple[str, ...], MinLen(1)] | None = None
    """Names of sources; all of them by default."""
    types: Annotated[frozenset[AnnounceType], MinLen(1)] = frozenset(
        {AnnounceType.NEW, AnnounceType.CROSS}
    )
    """What must have happened to a paper; `[new, cross]` by default."""
    filter: Annotated[Filter, PlainValidator(_filter), _schema_of("Filter")] = field(
        default_factory=lambda: _filter(None)
    )
    """Which papers; all by default. See docs/filters.md."""
    limit: Annotated[int, Ge(1), Le(MAX_LIMIT)] = 30
    """Papers of one edition at most; what falls out is counted in it."""
    when_empty: Literal["skip", "send"] = "skip"
    """`skip` sends nothing when nothing matches, `send` says so."""
    expires: timedelta = timedelta(days=7)
    """What is not sent by then is no news any more: it waits for you to release it. Does not hold
    for folders."""
    theme: Theme = Theme.DEFAULT
    """How much of each paper is shown: `default`, `compact` (titles) or `full` (long abstracts)."""
    exports: tuple[Literal["markdown", "bibtex", "ris", "atom"], ...] = ()
    """Also written into the digest's folders, as .md, .bib, .ris and .atom; none by default."""
    attach: tuple[Literal["bibtex", "ris"], ...] = ()
    """Lists of all papers of an edition that go with its mails, as .bib and .ris; none by
    default."""
    language: Language | None = None
    """Of the digest's own words; that of the config by default."""
    deliver: tuple[DeliverTo, ...] = ()
    """Where editions go; each entry has one key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKeys:
    """The config of digestbot."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    timezone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    """Of all schedules and of the dates that readers see, such as `Europe/Berlin`."""
    language: Language = ENGLISH
    """What the digests speak: `en`, `de` or `zh`; of papers nothing is translated."""
    store: Annotated[str, AfterValidator(_store)] = "sqlite:///digestbot.db"
    """Where everything is remembered; a file's path is relative to the config."""
    public_url: WebAddress | None = None
    """Where the web pages are reached; without it, mails have no links to them."""
    contact: Address | None = None
    """Your mail address, told to the servers that are asked for papers, as arXiv wishes."""
    templates: Folder | None = None
    """A folder with templates of your own, relative to the config."""
    sources: dict[Name, Annotated[Any, _schema_of("Source")]]
    """Where papers come from: a name of your choice, and the options of its kind."""
    smtp: Annotated[Any, _schema_of("SmtpSettings", "null")] = None
    """The mail server that takes the digests; needed for `email`."""
    slack: Annotated[Any, _schema_of("SlackSettings", "null")] = None
    """Your Slack app; needed for `slack`."""
    sending_limits: Annotated[Any, _schema_of("SendingLimits", "null")] = None
    """What is too much, so that it waits for you or for tomorrow."""
    bounces: Annotated[Any, _schema_of("BouncesSettings", "null")] = None
    """Where bounces and complaints arrive; needs a `{token}` in `smtp.envelope_from`."""
    digests: dict[Name, Annotated[Any, _schema_of("DigestKeys")]]
    """What goes to whom, and when: a name of your choice, and the digest's keys."""


# Checking


_INNER: Mapping[type, Mapping[str | int, type]] = {
    DigestKeys: {"deliver": DeliverTo},
    SmtpSettings: {"dkim": DkimSettings, "oauth": OauthSettings},
    BouncesSettings: {"oauth": OauthSettings},
}
"""The dataclasses that stand inside others, by their keys."""


def checked(kind: type[T], data: object) -> tuple[T | None, Sequence[Mapping[str, Any]]]:
    """
    *data* as a *kind*, one of the dataclasses of keys or options, or None and what is wrong.

    The errors are pydantic's, as dicts with ``type``, ``loc``, ``input`` and ``ctx``.
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
    """The keys that a dataclass of keys or options has, or the dataclass in it at *steps*."""
    inner = _INNER.get(kind, {}).get(steps[0], kind) if steps else kind
    return tuple(each.name for each in fields(inner))


def parse_duration(value: object) -> timedelta | None:
    """``7d``, ``90m``, ``1h30m`` or a number of seconds, at most 300 years; None if neither."""
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
    *data* with its durations read, and what pydantic would read by other rules than ours.

    The options of rooms are plain dataclasses: of their timedeltas pydantic would take ISO 8601 and
    not "1h30m", and for their ints it would take ``true``. What is wrong is taken out, as a
    dataclass checks what its fields say together only if each of them is well.
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
