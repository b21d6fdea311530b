"""Valid configs are loaded into `Config`."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.config import Config, find_config, load_config
from digestbot.deliver import SmtpSettings, fingerprint
from digestbot.errors import ConfigError
from digestbot.model import AnnounceType, Destination, DestinationKind, Theme
from digestbot.secret import Secret
from digestbot.sources.arxiv import ArxivOptions
from digestbot.sources.feed import FeedOptions

SOURCES = "sources:\n  a: {kind: arxiv, categories: [cs.DC]}\n"
DIGESTS = "digests:\n  d: {schedule: daily 09:00}\n"


def load(folder: Path, text: str, **environ: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ)


def digest(folder: Path, keys: str, top: str = "", **environ: str) -> Any:
    text = f"{top}{SOURCES}digests:\n  d:\n    schedule: daily 09:00\n    {keys}\n"
    return load(folder, text, **environ).digests["d"]


def test_missing_keys_have_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, SOURCES + DIGESTS)
    assert config.path == tmp_path / "config.yaml"
    assert config.timezone.key == "UTC"
    assert config.store == f"sqlite:///{tmp_path / 'digestbot.db'}"
    assert (config.public_url, config.contact, config.templates) == (None, None, None)
    assert (config.smtp, config.slack, config.secret_addresses) == (None, None, {})
    assert config.sources == {"a": ArxivOptions(categories=("cs.DC",))}
    digest = config.digests["d"]
    assert (digest.name, digest.title, digest.schedule_text) == ("d", "d", "daily 09:00")
    assert digest.sources == ("a",)
    assert digest.types == {AnnounceType.NEW, AnnounceType.CROSS}
    assert digest.filter.atoms() == ()
    assert (digest.limit, digest.when_empty, digest.destinations) == (30, "skip", ())


def test_the_contract_of_the_design_loads(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """\
timezone: Europe/Berlin
store: postgresql://user@host/db
public_url: https://digests.example.org/
sources:
  arxiv-systems:
    kind: arxiv
    categories: [cs.DC, cs.OS]
    url: https://export.arxiv.org/api/query
    backfill: 1h30m
    interval: 3
    page_size: 100
  journal: {kind: feed, url: "https://example.org/feed.xml"}
smtp: {host: localhost, port: 25, security: none, username: null, password: null,
       sender: "Digests <digests@example.org>"}
slack: {token: "${SLACK_BOT_TOKEN}", url: https://slack.com/api/}
digests:
  systems:
    title: Systems for ML
    schedule: "0 9 * * mon-fri"
    sources: [arxiv-systems]
    types: [new, cross, replace]
    filter: {any: [serverless]}
    limit: 10
    when_empty: send
    theme: compact
    deliver:
      - email: [reader@Example.org, reader@example.org]
      - slack: "#papers"
      - webhook: ${SLACK_WEBHOOK_URL}
      - folder: out/
""",
        SLACK_BOT_TOKEN="xoxb-1",
        SLACK_WEBHOOK_URL="https://hooks.slack.com/services/T/B/X",
    )
    assert config.timezone.key == "Europe/Berlin"
    assert config.store == "postgresql://user@host/db"
    assert config.public_url == "https://digests.example.org"
    assert config.sources["arxiv-systems"] == ArxivOptions(
        categories=("cs.DC", "cs.OS"),
        backfill=timedelta(minutes=90),
        interval=timedelta(seconds=3),
        page_size=100,
    )
    assert config.sources["journal"] == FeedOptions(url="https://example.org/feed.xml")
    assert config.smtp == SmtpSettings(
        port=25, security="none", sender="Digests <digests@example.org>"
    )
    assert config.slack
    assert config.slack.token == Secret("xoxb-1")
    digest = config.digests["systems"]
    assert digest.schedule.zone is config.timezone
    assert digest.types == {AnnounceType.NEW, AnnounceType.CROSS, AnnounceType.REPLACE}
    assert (digest.sources, digest.limit, digest.when_empty) == (("arxiv-systems",), 10, "send")
    assert digest.theme is Theme.COMPACT
    assert [atom.term for atom in digest.filter.atoms()] == ["serverless"]
    hook = fingerprint("https://hooks.slack.com/services/T/B/X")
    assert digest.destinations == (
        Destination(kind=DestinationKind.EMAIL, address="reader@example.org"),
        Destination(kind=DestinationKind.SLACK, address="#papers"),
        Destination(kind=DestinationKind.WEBHOOK, address=hook),
        Destination(kind=DestinationKind.FOLDER, address=str(tmp_path / "out")),
    )
    assert config.secret_addresses == {hook: Secret("https://hooks.slack.com/services/T/B/X")}


def test_a_digest_inherits_the_language_of_the_config(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
language: de
sources: {a: {kind: arxiv, categories: [cs.DC]}}
digests: {x: {}, y: {language: zh}}
""",
    )
    assert {name: each.language for name, each in config.digests.items()} == {"x": "de", "y": "zh"}


def test_the_repr_contains_no_secret(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "store: postgresql://me:pl4nted@host/db\nsmtp: {username: me, password: pl4nted}\n"
        "slack: {token: pl4nted}\n" + SOURCES + "digests:\n  d:\n    schedule: daily 09:00\n"
        "    deliver: [{webhook: https://example.org/pl4nted}]\n",
    )
    assert "pl4nted" not in repr(config)
    assert "pl4nted" in config.store


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("sqlite:///a/b.db", "sqlite:///{}/a/b.db"),
        ("sqlite:////var/lib/b.db", "sqlite:////var/lib/b.db"),
        ("postgresql:///db", "postgresql:///db"),
        ("'${DB}'", "postgresql://me:pw@host/db"),
    ],
)
def test_store_urls(tmp_path: Path, store: str, expected: str) -> None:
    config = load(tmp_path, f"store: {store}\n{SOURCES}{DIGESTS}", DB="postgresql://me:pw@host/db")
    assert config.store == expected.format(tmp_path)


def test_paths_are_relative_to_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "mine").mkdir(parents=True)
    (home / "ca.pem").touch()
    monkeypatch.chdir(tmp_path)
    (home / "config.yaml").write_text(
        f"templates: mine\nsmtp: {{ca_file: ca.pem}}\n{SOURCES}"
        "digests: {d: {schedule: daily 09:00, deliver: [{folder: out}, {folder: /srv/x}]}}\n"
    )
    config = load_config(Path("home/config.yaml"), {})
    assert config.templates == home / "mine"
    assert config.smtp
    assert config.smtp.ca_file == str(home / "ca.pem")
    folders = [d.address for d in config.digests["d"].destinations]
    assert folders == [str(home / "out"), "/srv/x"]


def test_values_are_filled_from_environment_and_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"first\nlast \r\n")
    found = digest(tmp_path, 'title: "a${X}b $${X} ${file:secret} $X ${X}"', X="\N{SNOWMAN} ${Y}")
    assert found.title == "a\N{SNOWMAN} ${Y}b ${X} first\nlast  $X \N{SNOWMAN} ${Y}"


def test_a_number_can_come_from_the_environment(tmp_path: Path) -> None:
    config = load(tmp_path, f"smtp: {{port: '${{PORT}}'}}\n{SOURCES}{DIGESTS}", PORT="2525")
    assert config.smtp
    assert config.smtp.port == 2525


def test_an_alias_repeats_a_whole_value(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        SOURCES + "digests:\n  d: {schedule: daily 09:00, filter: &f {any: [gpu]}}\n"
        "  e: {schedule: daily 10:00, filter: *f}\n",
    )
    assert config.digests["d"].filter == config.digests["e"].filter


def test_yaml_1_2_applies(tmp_path: Path) -> None:
    """``on`` and ``yes`` are text, 010 is ten, and a name may be a number."""
    config = load(
        tmp_path, SOURCES + "digests:\n  2024: {schedule: daily 09:00, title: on, limit: 010}\n"
    )
    assert config.digests["2024"].title == "on"
    assert config.digests["2024"].limit == 10


@pytest.mark.parametrize(
    "address", ["http://localhost:8080/hook", "http://127.0.0.1:1/x", "https://example.org/x"]
)
def test_a_local_webhook_needs_no_tls(tmp_path: Path, address: str) -> None:
    found = digest(tmp_path, f"deliver: [{{webhook: '{address}'}}]")
    assert [d.address for d in found.destinations] == [fingerprint(address)]


@pytest.mark.parametrize("channel", ["#papers", "#lab-ü", "C0123456789", "G0123456789"])
def test_channels(tmp_path: Path, channel: str) -> None:
    found = digest(tmp_path, f"deliver: [{{slack: '{channel}'}}]", "slack: {token: x}\n")
    assert [d.address for d in found.destinations] == [channel]


def test_an_explicit_path_wins(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    assert find_config("x/other.yaml", {}, tmp_path) == tmp_path / "x" / "other.yaml"
    assert find_config("/etc/x.yaml", {}, tmp_path) == Path("/etc/x.yaml")


@pytest.mark.parametrize(
    ("platform", "variable", "below"),
    [
        ("linux", "XDG_CONFIG_HOME", "digestbot"),
        ("linux", "HOME", ".config/digestbot"),
        ("darwin", "HOME", "Library/Application Support/digestbot"),
        ("win32", "APPDATA", "digestbot"),
    ],
)
def test_the_user_folder_follows_the_current_folder(
    tmp_path: Path, platform: str, variable: str, below: str
) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    (home / below).mkdir(parents=True)
    here.mkdir()
    environ = {variable: str(home)}
    assert find_config(None, environ, here, platform) == here / "config.yaml"
    (home / below / "config.yaml").touch()
    assert find_config(None, environ, here, platform) == home / below / "config.yaml"
    (here / "config.yaml").touch()
    assert find_config(None, environ, here, platform) == here / "config.yaml"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_without_home_only_the_current_folder_is_searched(tmp_path: Path, platform: str) -> None:
    assert find_config(None, {}, tmp_path, platform) == tmp_path / "config.yaml"


def test_a_relative_xdg_folder_is_ignored(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": "etc", "HOME": str(tmp_path)}
    (tmp_path / ".config" / "digestbot").mkdir(parents=True)
    own = tmp_path / ".config" / "digestbot" / "config.yaml"
    own.touch()
    assert find_config(None, environ, tmp_path / "x", "linux") == own


PIECES = st.sampled_from(
    [
        *"\n\n\n:::,,[]{}-?*&!|>'\"%@`#~ \t\0é",
        *("  ", "    ", ": ", "- ", "${X}", "${", "$${", "${file:x}", "&a ", "*a", "<<", "---"),
        *("sources", "digests", "smtp", "slack", "store", "kind", "arxiv", "feed", "url"),
        *("schedule", "daily 09:00", "filter", "any", "title", "deliver", "email", "webhook"),
        *(
            "categories",
            "cs.DC",
            "null",
            "true",
            "1",
            "-1",
            "1e999",
            ".nan",
            "0x",
            "7d",
            "2026-01-01",
        ),
        *("timezone", "templates", "contact", "public_url", "limit", "types", "regex", "near"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | PIECES
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(PIECES | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)


def never_raises_anything_else(folder: Path, content: bytes) -> None:
    path = folder / "config.yaml"
    path.write_bytes(content)
    try:
        load_config(path, {"X": "pl4nted \0 value"})
    except ConfigError as error:
        said = str(error)
    else:
        said = "nothing"
    assert said
    assert "pl4nted" not in said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.lists(PIECES, max_size=40).map("".join) | st.text())
def test_no_text_raises_anything_but_config_errors(tmp_path: Path, text: str) -> None:
    never_raises_anything_else(tmp_path, text.encode("utf-8", "surrogatepass"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    sources=TREES, digests=TREES, smtp=TREES, slack=TREES, source=TREES, keys=TREES, places=TREES
)
def test_no_data_raises_anything_but_config_errors(tmp_path: Path, **trees: Any) -> None:
    """Generate well-formed YAML with the top-level keys and arbitrary values."""
    arxiv = (
        trees["source"] if isinstance(trees["source"], dict) else {"categories": trees["source"]}
    )
    own = trees["keys"] if isinstance(trees["keys"], dict) else {"filter": trees["keys"]}
    data = {
        "smtp": trees["smtp"],
        "slack": trees["slack"],
        "sources": {
            "a": {"kind": "arxiv", **arxiv},
            "b": {"kind": "feed", "url": trees["sources"]},
        },
        "digests": {"d": {"schedule": trees["digests"], "deliver": trees["places"], **own}},
    }
    never_raises_anything_else(tmp_path, flow(data).encode("utf-8", "replace"))


def flow(data: object) -> str:
    """Return *data* as YAML in flow style, with text in double quotes."""
    match data:
        case dict():
            return "{" + ", ".join(f"? {flow(str(k))} : {flow(v)}" for k, v in data.items()) + "}"
        case list():
            return "[" + ", ".join(flow(each) for each in data) + "]"
        case str():
            escaped = "".join(f"\\U{ord(c):08x}" if not c.isalnum() else c for c in data)
            return f'"{escaped}"'
        case None:
            return "null"
        case bool():
            return str(data).lower()
    return str(data).replace("inf", ".inf").replace("nan", ".nan")


def test_bounces_paths_are_relative_to_the_config(tmp_path: Path) -> None:
    top = 'smtp: {envelope_from: "b+{token}@example.org", secret: sixteen-letters-x}\n'
    config = load(tmp_path, f"{top}bounces: {{maildir: box, interval: 1m}}\n{SOURCES}{DIGESTS}")
    assert config.bounces is not None
    assert config.bounces.maildir == str(tmp_path / "box")
    assert config.bounces.interval == timedelta(minutes=1)
    assert load(tmp_path, SOURCES + DIGESTS).bounces is None


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("cat:cs.DC AND all:gpu", "cat:cs.DC AND all:gpu"),
        ("ti:gpu+AND+cat:cs.DC", "ti:gpu AND cat:cs.DC"),
        ("https://arxiv.org/search/?query=gpu+energy&searchtype=title", "ti:gpu AND ti:energy"),
        ("rn:SLAC-PUB-1", "rn:SLAC-PUB-1"),
    ],
)
def test_the_query_of_a_source_is_decoded(tmp_path: Path, written: str, sent: str) -> None:
    config = load(tmp_path, f"sources: {{a: {{kind: arxiv, query: '{written}'}}}}\n{DIGESTS}")
    source = config.sources["a"]
    assert isinstance(source, ArxivOptions)
    assert source.search == sent


def test_a_query_from_outside_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            f"sources: {{a: {{kind: arxiv, query: '${{Q}}'}}}}\n{DIGESTS}",
            Q="tit:hunter2",
        )
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "term", ["1e5", "007", "3.10", "0x1F", ".5", "+7", "12:30", "2026-01-02", "yes", "off", "1_000"]
)
def test_a_term_is_read_as_written(tmp_path: Path, term: str) -> None:
    [atom] = digest(tmp_path, f"filter: [{term}]").filter.atoms()
    assert atom.term == term


def test_an_id_needs_no_quotes(tmp_path: Path) -> None:
    [atom] = digest(tmp_path, "filter: {id: 2603.20940}").filter.atoms()
    assert atom.paper_id == "arxiv:2603.20940"


def test_numbers_with_another_text_are_numbers(tmp_path: Path) -> None:
    found = digest(tmp_path, "limit: 007\n    filter: {title: x, weight: 1.50, min_score: 1e0}")
    assert found.limit == 7
    assert found.filter.min_score == 1.0
    assert [atom.weight for atom in found.filter.atoms()] == [1.5]
