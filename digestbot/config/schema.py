"""
The keys of config.yaml, what they may hold, and its JSON Schema: the only place with pydantic.

The options of sources and destinations are dataclasses of their rooms; here stand the keys that no
room owns. What is checked here is one value at a time; `load` checks what refers to another place.
Begin at `FileKeys` and `DigestKeys`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, partial
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_type_hints
from unicodedata import normalize
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from annotated_types import Ge, Le, MinLen
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    PlainValidator,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from digestbot.addresses import check_address
from digestbot.bounces import BouncesSettings
from digestbot.config import filter_schema
from digestbot.config.positions import Steps
from digestbot.deliver import REGISTRY as DESTINATIONS
from digestbot.deliver import DestinationType, SlackSettings, SmtpSettings
from digestbot.deliver.dkim import DkimSettings
from digestbot.deliver.folder import check_folder
from digestbot.errors import DiscreetError, InvalidFilter
from digestbot.filters import Filter, check_filter
from digestbot.languages import ENGLISH, languages
from digestbot.model import AnnounceType, Theme
from digestbot.oauth import OauthSettings
from digestbot.schedule import parse_schedule
from digestbot.sending_limits import SendingLimits
from digestbot.sources import REGISTRY

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


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


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
        errors = [_line_error(mistake, value) for mistake in mistakes]
        raise ValidationError.from_exception_data("filter", errors)
    return found


def _line_error(mistake: InvalidFilter, value: object) -> InitErrorDetails:
    kind = PydanticCustomError("invalid_filter", "{error}", {"error": str(mistake)})
    return InitErrorDetails(type=kind, loc=mistake.path, input=value)


def _schema_of(name: str, *types: str) -> WithJsonSchema:
    """A definition of the whole schema, which pydantic, seeing only a part, must not look for."""
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
    described = Field(description=kind.description)
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


_AnyDestination = GetPydanticSchema(lambda _, handler: handler.generate_schema(deliver_to()))


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
    deliver: tuple[Annotated[DeliverTo, _AnyDestination], ...] = ()
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
"""The dataclasses that stand inside others, by their keys."""


def checked(kind: type[T], data: object) -> tuple[T | None, Sequence[Mapping[str, Any]]]:
    """
    *data* as a *kind*, one of the dataclasses of keys or options, or None and what is wrong.

    The errors are pydantic's, as dicts with ``type``, ``loc``, ``input`` and ``ctx``.
    """
    hashable: Any = kind  # mypy does not see that a class is one
    ready, errors = _prepared(kind, data)
    try:
        value: T = _adapter(hashable).validate_python(ready)
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
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
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


# For editors


def json_schema() -> dict[str, Any]:
    """
    The JSON Schema (2020-12) of config.yaml, for editors.

    It is a little wider than what `load_config` takes: names that must lead somewhere, addresses
    and schedules are only texts to it, and ``${NAME}`` may stand for a number.
    """
    definitions: dict[str, Any] = {"Source": {"oneOf": [_of_source(kind) for kind in REGISTRY]}}
    sections = (SmtpSettings, SlackSettings, *more_sections().values())
    for kind in (*sections, SendingLimits, BouncesSettings, DigestKeys):
        definitions |= _definitions(kind)
    file = _definitions(file_keys())["FileKeys"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **file,
        "title": "config.yaml of digestbot",
        "$defs": {**definitions, **filter_schema.DEFINITIONS},
    }


def _of_source(kind: str) -> dict[str, Any]:
    """The options of one kind of source, and the key ``kind`` that chooses them."""
    (schema,) = _definitions(REGISTRY[kind]).values()
    named = {"kind": {"const": kind, "description": "The kind of source."}}
    required = ["kind", *schema.get("required", [])]
    return {**schema, "properties": named | schema["properties"], "required": required}


def _definitions(kind: type) -> dict[str, Any]:
    """The schema of a dataclass by its name, and those of the dataclasses in it."""
    schema = _adapter(kind).json_schema(schema_generator=_Generator)
    inner = schema.pop("$defs", {})
    return {kind.__name__: _with_refs(schema), **_with_refs(inner)}


def _with_refs(schema: Any) -> Any:
    """*schema* with its notes of `_schema_of` made references."""
    if isinstance(schema, list):
        return [_with_refs(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {key: _with_refs(value) for key, value in schema.items() if key != DEFINED}
    return renamed | ({"$ref": f"#/$defs/{schema[DEFINED]}"} if DEFINED in schema else {})


class _Generator(GenerateJsonSchema):
    """Durations and numbers as people write them; no titles that only repeat the key."""

    def timedelta_schema(self, schema: Any) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "string", "pattern": f"{DURATION}|\\$\\{{"}, {"type": "number"}],
            "examples": ["7d", "90m", "1h30m"],
        }

    def int_schema(self, schema: Any) -> dict[str, Any]:
        number = super().int_schema(schema)
        return {"anyOf": [number, {"type": "string", "pattern": r"\$\{"}]}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return f"{dft.total_seconds():g}s"
        return sorted(dft) if isinstance(dft, frozenset) else super().encode_default(dft)
