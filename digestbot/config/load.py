"""
Load config.yaml into a frozen `Config`, or report all its mistakes in file order.

::

    text ── yaml_reader ──► tree ── interpolation ──► data ── schema ──► keys ── load ──► Config
            positions            ${…}, files               each value       references

Each step continues after a mistake where it can, so that one run shows them all. Begin at
`load_config`.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from digestbot.addresses import check_mailbox
from digestbot.bounces.settings import BouncesSettings
from digestbot.config.error_messages import Sight, did_you_mean, flaws, unknown
from digestbot.config.interpolation import Filled, interpolate
from digestbot.config.positions import Flaw, Steps, at, path_text, problems
from digestbot.config.schema import (
    DigestKeys,
    FileKeys,
    checked,
    file_keys,
    keys_of,
    more_sections,
)
from digestbot.config.settings import Config, DigestConfig
from digestbot.config.yaml_reader import read_yaml
from digestbot.deliver import REGISTRY as DESTINATIONS
from digestbot.deliver import SlackSettings, SmtpSettings
from digestbot.deliver.smtp_settings import TLS_PORT, is_helo
from digestbot.deliver.verp import TOKEN, check_template
from digestbot.errors import ConfigError, InvalidAddress, Problem
from digestbot.filters.conditions import ConditionError
from digestbot.model import Destination, Form
from digestbot.schedule import parse_schedule
from digestbot.secret import Secret, hide, is_private
from digestbot.sending_limits import SendingLimits
from digestbot.sources import REGISTRY, OnDisk, Options
from digestbot.sources.enrichment import EnrichmentSettings

T = TypeVar("T")
MAX_BYTES = 4 * 1024 * 1024
"""Size of a config file; more than its 100,000 values need."""
MIN_SECRET = 16
"""Characters; `openssl rand -hex 16` makes 32."""


def find_config(
    explicit: str | None, environ: Mapping[str, str], cwd: Path, platform: str = sys.platform
) -> Path:
    """
    Return the path of the config file.

    It is *explicit*, else ./config.yaml, else one in the user's config folder:
    ``$XDG_CONFIG_HOME/digestbot`` (``~/.config``), ``~/Library/Application Support`` on macOS,
    ``%APPDATA%`` on Windows. If no file exists, return ./config.yaml for the error.
    """
    if explicit:
        return cwd / explicit
    here = cwd / "config.yaml"
    user_folder = _user_folder(environ, platform)
    if user_folder is None or here.exists():
        return here
    there = user_folder / "digestbot" / "config.yaml"
    return there if there.exists() else here


def _user_folder(environ: Mapping[str, str], platform: str) -> Path | None:
    """Return the user's config folder on *platform*, if the environment names it."""
    home = environ.get("HOME")
    if platform == "win32":
        return Path(environ["APPDATA"]) if environ.get("APPDATA") else None
    if platform == "darwin":
        return Path(home) / "Library" / "Application Support" if home else None
    # XDG Base Directory Specification: relative paths must be ignored.
    given = Path(environ.get("XDG_CONFIG_HOME", ""))
    if given.is_absolute():
        return given
    return Path(home) / ".config" if home else None


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """
    Load the config file *path*, filling ``${NAME}`` from *environ*.

    Raises:
        ConfigError: With all problems in file order; no message shows a secret.
    """
    path = path.absolute()
    file = _shown(path)
    root, found = read_yaml(_text(path, file), file)
    filled = interpolate(root, environ, path.parent)
    hide(filled.pieces)
    draft = _Draft(filled, path.parent)
    draft.check()
    found += problems(file, root, [*filled.flaws, *draft.flaws])
    if found:
        raise ConfigError(sorted(set(found), key=lambda p: (p.line, p.column, p.message)))
    return draft.config(path)


def locator(path: Path) -> Callable[[Iterable[Flaw]], list[Problem]]:
    """
    Return a function that locates flaws in a valid config.

    It returns problems in file order, and reads the file once, however often it is called: a
    thousand digests make a long file.

    Raises:
        ConfigError: The file has become unreadable.
    """
    file = _shown(path)
    root, _ = read_yaml(_text(path, file), file)

    def located(flaws: Iterable[Flaw]) -> list[Problem]:
        return sorted(problems(file, root, flaws), key=lambda p: (p.line, p.column, p.message))

    return located


def _shown(path: Path) -> str:
    """Return *path* relative to the current folder, if it is inside."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _text(path: Path, file: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        advice = "create one with 'digestbot init', or name another with --config FILE"
        raise _unreadable(file, f"no such file; {advice}") from error
    except OSError as error:
        raise _unreadable(file, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _unreadable(file, "not UTF-8 text; save it as UTF-8", line) from error
    if len(content) > MAX_BYTES:
        raise _unreadable(file, f"longer than {MAX_BYTES:,} bytes")
    if not text.strip():
        raise _unreadable(file, "is empty; 'digestbot init --force' writes a first config")
    return text


def _unreadable(file: str, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Problem(file=file, line=line, column=1, message=message)])


class _Draft:
    """Config under construction: the sections checked so far, and all flaws."""

    def __init__(self, filled: Filled, folder: Path) -> None:
        self._sight = Sight(data=filled.data, hidden=filled.hidden)
        self._folder = folder
        self._top: FileKeys | None = None
        self._sources: dict[str, Options] = {}
        self._smtp: SmtpSettings | None = None
        self._slack: SlackSettings | None = None
        self._more_sections: dict[str, object] = {}
        self._sending_limits = SendingLimits()
        self._bounces: BouncesSettings | None = None
        self._enrichment = EnrichmentSettings()
        self._digests: dict[str, DigestKeys] = {}
        self.flaws: list[Flaw] = []

    def check(self) -> None:
        """Check every section, and the references between them."""
        self._top = self._checked(file_keys(), ())
        self._check_templates()
        if self._at("sources") == {}:
            self._flaw(("sources",), "sources is empty; add at least one source")
        for name in self._mapping("sources"):
            self._check_source(name)
        if self._at("smtp") is not None:
            self._smtp = self._checked(SmtpSettings, ("smtp",))
            self._check_smtp()
        if self._at("slack") is not None:
            self._slack = self._checked(SlackSettings, ("slack",))
        for section, settings in more_sections().items():
            if self._at(section) is not None:
                self._more_sections[section] = self._checked(settings, (section,))
        if self._at("sending_limits") is not None:
            self._sending_limits = (
                self._checked(SendingLimits, ("sending_limits",)) or self._sending_limits
            )
            self._check_sending_limits()
        if self._at("enrichment") is not None:
            self._enrichment = (
                self._checked(EnrichmentSettings, ("enrichment",)) or self._enrichment
            )
        if self._at("bounces") is not None:
            self._bounces = self._checked(BouncesSettings, ("bounces",))
            self._check_bounces()
        for name in self._mapping("digests"):
            self._check_digest(name)

    def config(self, path: Path) -> Config:
        """Return the frozen config. Requires a draft without errors."""
        top = self._top
        if top is None:
            raise ValueError("the config has errors")
        zone = ZoneInfo(top.timezone)
        digests = {name: self._digest(name, keys, top) for name, keys in self._digests.items()}
        return Config(
            path=path,
            timezone=zone,
            store=_absolute_store(top.store, self._folder),
            overdue=top.overdue,
            ping_url=top.ping_url,
            public_url=top.public_url,
            contact=top.contact,
            allowed_hosts=top.allowed_hosts,
            umask=int(top.umask, 8),
            templates=self._folder / top.templates if top.templates else None,
            sources=MappingProxyType(self._sources),
            smtp=self._smtp_from_here(),
            slack=self._slack,
            enrich=top.enrich,
            enrichment=self._enrichment,
            sending_limits=self._sending_limits,
            bounces=self._bounces_from_here(),
            digests=MappingProxyType(digests),
            secret_addresses=MappingProxyType(self._secret_addresses()),
            more_sections=MappingProxyType(self._more_sections),
        )

    # Access

    def _at(self, *steps: str | int) -> object:
        return at(self._sight.data, steps)

    def _mapping(self, *steps: str | int) -> dict[str, Any]:
        """Return the mapping at *steps*, or an empty one."""
        found = self._at(*steps)
        return found if isinstance(found, dict) else {}

    def _list(self, *steps: str | int) -> list[Any]:
        found = self._at(*steps)
        return found if isinstance(found, list) else []

    def _flaw(self, steps: Steps, message: str, *, at_key: bool = False) -> None:
        if not self._sight.has_failed(steps):
            self.flaws.append(Flaw(steps=steps, message=message, at_key=at_key))

    def _checked(self, kind: type[T], steps: Steps) -> T | None:
        """Return the value at *steps* as a *kind* and record its flaws."""
        value, errors = checked(kind, self._at(*steps))
        self.flaws += flaws(errors, self._sight, steps, partial(keys_of, kind))
        return value

    # Sections

    def _check_templates(self) -> None:
        templates = self._top.templates if self._top else None
        if templates and not (self._folder / templates).is_dir():
            self._flaw(("templates",), "templates: no such folder")

    def _check_source(self, name: str) -> None:
        steps = ("sources", name)
        options = self._at(*steps)
        if not isinstance(options, dict):
            self._flaw(steps, f'{path_text(steps)} must be a mapping with a "kind"')
            return
        kind = options.get("kind")
        if not isinstance(kind, str) or kind not in REGISTRY:
            self._no_kind(steps, kind)
            return
        rest = {key: value for key, value in options.items() if key != "kind"}
        if kind == "arxiv" and isinstance(rest.get("query"), str):
            rest["query"] = self._decoded_query(steps, rest["query"])
        source, errors = checked(REGISTRY[kind], rest)
        known = ("kind", *keys_of(REGISTRY[kind]))
        self.flaws += flaws(errors, self._sight, steps, lambda _: known)
        if source is not None:
            self._sources[name] = (
                source.located(self._folder) if isinstance(source, OnDisk) else source
            )

    def _decoded_query(self, steps: Steps, query: str) -> str:
        """Return a query in arXiv's syntax, decoded; record its mistake if it has one."""
        from digestbot.filters.query import source_query

        try:
            return source_query(query) if query.strip() else query
        except ConditionError as error:
            mistake = {"type": "value_error", "loc": ("query",), "ctx": {"error": error}}
            self.flaws += flaws([mistake], self._sight, steps, lambda _: ())
            return query

    def _no_kind(self, steps: Steps, kind: object) -> None:
        if kind is None:
            hint = did_you_mean("", REGISTRY, "kind")
            self._flaw(steps, f'missing key "kind" in {path_text(steps)}{hint}')
        elif self._sight.is_hidden((*steps, "kind")):
            self._flaw((*steps, "kind"), f"unknown kind in {path_text(steps)}")
        else:
            self._flaw((*steps, "kind"), unknown("kind", str(kind), steps, REGISTRY))

    def _check_smtp(self) -> None:
        """Check limits and combinations of the keys of ``smtp``."""
        smtp = self._mapping("smtp")
        self._check_mailbox("sender", check_mailbox)
        self._check_mailbox("envelope_from", check_template)
        self._check_token()
        for key in ("per_minute", "domain_per_minute"):
            if self._smtp and getattr(self._smtp, key) < 0:
                self._flaw(("smtp", key), f"smtp.{key} must be 0 or more")
        port = self._smtp.port if self._smtp else None
        if port is not None and not 1 <= port <= 65535:
            self._flaw(("smtp", "port"), "smtp.port must be from 1 to 65535")
        self._check_connection()
        if smtp.get("oauth") is not None:
            self._check_oauth("smtp", smtp)
            if smtp.get("security") == "none":
                message = '"none" would send the token unencrypted; use starttls or tls'
                self._flaw(("smtp", "security"), f"smtp.security: {message}")
        elif bool(smtp.get("username")) != bool(smtp.get("password")):
            lacking = "password" if smtp.get("username") else "username"
            self._flaw(("smtp",), f'missing key "{lacking}" in smtp, needed to log in')
        elif smtp.get("username") and smtp.get("security") == "none" and not smtp.get("insecure"):
            message = (
                '"none" would send the password unencrypted; use starttls or tls, '
                "or set insecure: true"
            )
            self._flaw(("smtp", "security"), f"smtp.security: {message}")
        ca_file = smtp.get("ca_file")
        if isinstance(ca_file, str) and not _is_file(self._folder / ca_file):
            self._flaw(("smtp", "ca_file"), "smtp.ca_file: no such file")

    def _check_oauth(self, section: str, keys: dict[str, Any]) -> None:
        """Require exactly one source of the token and a private connection."""
        steps: Steps = (section, "oauth")
        oauth = self._mapping(*steps)
        ways = ("token", "token_command", "refresh_token")
        if sum(bool(oauth.get(way)) for way in ways) != 1:
            self._flaw(steps, f"{path_text(steps)} needs one of {', '.join(ways)}")
        if oauth.get("refresh_token") and not oauth.get("client_id"):
            message = f'missing key "client_id" in {path_text(steps)}, needed with refresh_token'
            self._flaw(steps, message)
        if not keys.get("username"):
            self._flaw((section,), f'missing key "username" in {section}, needed to log in')
        if keys.get("password"):
            self._flaw((section,), f"{section} has both a password and oauth; keep one of them")
        url = oauth.get("url")
        if isinstance(url, str) and not is_private(url):
            self._flaw((*steps, "url"), f"{path_text(steps)}.url must be an https address")

    def _check_token(self) -> None:
        """Require a signed token and a long secret, against forged bounces."""
        template, secret = self._at("smtp", "envelope_from"), self._at("smtp", "secret")
        if isinstance(template, str) and TOKEN in template and not secret:
            message = f"smtp.envelope_from has {TOKEN}; add smtp.secret to sign it"
            self._flaw(("smtp", "envelope_from"), message)
        if isinstance(secret, str) and 0 < len(secret) < MIN_SECRET:
            message = f"smtp.secret must have at least {MIN_SECRET} characters"
            self._flaw(("smtp", "secret"), message)

    def _check_sending_limits(self) -> None:
        for each in fields(self._sending_limits):
            if getattr(self._sending_limits, each.name) < 0:
                self._flaw(
                    ("sending_limits", each.name), f"sending_limits.{each.name} must be 0 or more"
                )

    def _check_bounces(self) -> None:
        """Require exactly one mailbox and signed tokens."""
        bounces = self._mapping("bounces")
        if bool(bounces.get("imap")) == bool(bounces.get("maildir")):
            self._flaw(("bounces",), "bounces needs exactly one of imap and maildir")
        if bounces.get("oauth") is not None:
            self._check_oauth("bounces", bounces)
        for key in () if bounces.get("oauth") is not None else ("username", "password"):
            if bounces.get("imap") and not bounces.get(key):
                self._flaw(("bounces",), f'missing key "{key}" in bounces, needed to log in')
        if TOKEN not in str(self._mapping("smtp").get("envelope_from", "")):
            message = f'needs {TOKEN} in "smtp.envelope_from"; without it, bounces can be forged'
            self._flaw(("bounces",), f"bounces {message}")
        for key in ("folder", "move_to"):
            name = bounces.get(key)
            if isinstance(name, str) and not (name.isascii() and name.isprintable() and name):
                # IMAP4rev1 encodes other characters in modified UTF-7 (RFC 3501 section 5.1.3).
                self._flaw(("bounces", key), f"bounces.{key} must be a folder name in ASCII")
        port = self._bounces.port if self._bounces else 993
        if not 1 <= port <= 65535:
            self._flaw(("bounces", "port"), "bounces.port must be from 1 to 65535")
        ca_file = bounces.get("ca_file")
        if isinstance(ca_file, str) and not _is_file(self._folder / ca_file):
            self._flaw(("bounces", "ca_file"), "bounces.ca_file: no such file")

    def _check_connection(self) -> None:
        """Check what belongs together in the dialogue with the mail server."""
        smtp = self._smtp
        if smtp and smtp.port == TLS_PORT and smtp.security == "starttls":
            message = 'port 465 expects TLS from the first byte; set "security: tls"'
            self._flaw(("smtp", "port"), f"smtp.port: {message}")
        if smtp and smtp.helo is not None and not is_helo(smtp.helo):
            self._flaw(("smtp", "helo"), "smtp.helo must be a host name, or an address in brackets")

    def _check_mailbox(self, key: str, check: Callable[[str], object]) -> None:
        steps = ("smtp", key)
        text = self._at(*steps)
        try:
            check(text if isinstance(text, str) else "valid@localhost")
        except InvalidAddress as error:
            message = "not an email address" if self._sight.is_hidden(steps) else str(error)
            self._flaw(steps, f"smtp.{key}: {message}")

    def _check_digest(self, name: str) -> None:
        steps = ("digests", name)
        keys = self._checked(DigestKeys, steps)
        if keys is not None:
            self._digests[name] = keys
        for n, source in enumerate(self._list(*steps, "sources")):
            self._check_source_name((*steps, "sources", n), source)
        for place, source in _conditions_on_source(self._at(*steps, "filter")):
            self._check_source_name((*steps, "filter", *place), source)
        for n, entry in enumerate(self._list(*steps, "deliver")):
            if isinstance(entry, dict):
                self._check_destination((*steps, "deliver", n), entry)

    def _check_source_name(self, steps: Steps, source: object) -> None:
        known = self._mapping("sources")
        if not isinstance(source, str) or source in known:
            return
        if self._sight.is_hidden(steps):
            self._flaw(steps, f"unknown source in {path_text(steps[:-1])}")
        else:
            self._flaw(steps, unknown("source", source, steps[:-1], known))

    def _check_destination(self, steps: Steps, entry: dict[str, Any]) -> None:
        for key, kind in DESTINATIONS.items():
            if entry.get(key) and kind.requires and self._at(*kind.requires) in (None, ""):
                message = f"{path_text((*steps, key))} {kind.requires_hint}"
                self._flaw((*steps, key), message, at_key=True)

    # Freezing

    def _smtp_from_here(self) -> SmtpSettings | None:
        """Return the settings with `ca_file` resolved against the config's folder."""
        if self._smtp is None or not self._smtp.ca_file:
            return self._smtp
        return replace(self._smtp, ca_file=str(self._folder / self._smtp.ca_file))

    def _bounces_from_here(self) -> BouncesSettings | None:
        """Return the settings with paths resolved against the config's folder."""
        bounces = self._bounces
        if bounces is None:
            return None
        return replace(
            bounces,
            maildir=str(self._folder / bounces.maildir) if bounces.maildir else None,
            ca_file=str(self._folder / bounces.ca_file) if bounces.ca_file else None,
        )

    def _secret_addresses(self) -> dict[str, Secret]:
        entries = [entry for keys in self._digests.values() for entry in keys.deliver]
        return {
            kind.address(value, self._folder): value
            for entry in entries
            for kind, value in entry.values()
            if isinstance(value, Secret)
        }

    def _digest(self, name: str, keys: DigestKeys, top: FileKeys) -> DigestConfig:
        schedule = parse_schedule(keys.schedule, ZoneInfo(top.timezone))
        destinations = [
            Destination(kind=kind.kind, address=kind.address(value, self._folder))
            for entry in keys.deliver
            for kind, value in entry.values()
        ]
        return DigestConfig(
            name=name,
            title=keys.title or name,
            schedule=schedule,
            schedule_text=schedule.text,
            sources=tuple(dict.fromkeys(keys.sources or self._sources)),
            types=keys.types,
            updates=keys.updates,
            filter=keys.filter,
            limit=keys.limit,
            overflow=keys.overflow,
            when_empty=keys.when_empty,
            theme=keys.theme,
            language=keys.language or top.language,
            exports=tuple(dict.fromkeys(Form(name) for name in keys.exports)),
            attach=tuple(dict.fromkeys(Form(name) for name in keys.attach)),
            expires=keys.expires,
            destinations=tuple(dict.fromkeys(destinations)),
        )


def _conditions_on_source(filter_: object, steps: Steps = ()) -> Iterator[tuple[Steps, object]]:
    """Yield the place and name of each ``source`` condition in a filter."""
    if isinstance(filter_, list):
        for n, each in enumerate(filter_):
            yield from _conditions_on_source(each, (*steps, n))
    if isinstance(filter_, dict):
        for key, value in filter_.items():
            if key == "source" and not isinstance(value, (dict, list)):
                yield (*steps, key), value
            elif key == "source" and isinstance(value, list):
                yield from (((*steps, key, n), each) for n, each in enumerate(value))
            else:
                yield from _conditions_on_source(value, (*steps, key))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except ValueError:  # a null byte, before Python 3.13
        return False


def _absolute_store(store: str, folder: Path) -> str:
    """Resolve the path of a SQLite store against the config's folder."""
    scheme, slashes, file = store.partition(":///")
    return f"{scheme}{slashes}{folder / file}" if scheme == "sqlite" else store
