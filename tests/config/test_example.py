"""config.example.yaml has every key and loads, as does the config of `digestbot init`."""

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.bounces.settings import BouncesSettings
from digestbot.config import load_config
from digestbot.config.initial import Answers, initial_config
from digestbot.config.schema import DigestKeys, FileKeys, deliver_to
from digestbot.deliver import REGISTRY as DESTINATIONS
from digestbot.deliver import SlackSettings, SmtpSettings
from digestbot.oauth import OauthSettings
from digestbot.sending_limits import SendingLimits
from digestbot.sources import REGISTRY

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
ENVIRON = {
    "SMTP_PASSWORD": "planted",
    "S2_API_KEY": "planted",
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/X",
    "OPENALEX_API_KEY": "planted",
    "NCBI_API_KEY": "planted",
}


def test_the_example_loads() -> None:
    config = load_config(EXAMPLE, ENVIRON)
    assert list(config.sources) == ["arxiv-systems", "arxiv-gpu", "journal"]
    assert {d.kind for d in config.digests["systems"].destinations} == set(DESTINATIONS)
    assert config.digests["everything"].sources == tuple(config.sources)


def test_the_minimal_example_loads(tmp_path: Path) -> None:
    comment = EXAMPLE.read_text(encoding="utf-8").partition("\n# `digestbot init`")[0]
    lines = [line.removeprefix("#   ") for line in comment.splitlines()[2:] if line != "#"]
    assert len(lines) == 10
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    config = load_config(path, {})
    assert config.digests["systems"].filter.atoms()


def test_the_commented_sources_load(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    head, _, rest = text.partition("  # More kinds;")
    comments, _, tail = rest.partition("\n# Your mail server;")
    lines = [line.replace("  # ", "  ", 1) for line in comments.splitlines()[3:]]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join([head, *lines, "#" + tail]), encoding="utf-8")
    written = re.findall(r"^ +# +kind: (\w+)", comments, re.MULTILINE)
    assert len(written) >= 6
    found = [type(each) for each in load_config(path, ENVIRON).sources.values()]
    assert found[3:] == [REGISTRY[kind] for kind in written]


@pytest.mark.parametrize(
    "kind",
    [
        FileKeys,
        DigestKeys,
        deliver_to(),
        SmtpSettings,
        SlackSettings,
        OauthSettings,
        BouncesSettings,
        SendingLimits,
        *REGISTRY.values(),
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_key_is_in_the_example(kind: type) -> None:
    keys = {field.name for field in dataclasses.fields(kind)}
    written = set(re.findall(r"^[ #-]*(\w+):", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    assert keys <= written


def test_commented_keys_show_their_defaults(tmp_path: Path) -> None:
    """Uncommenting a key changes nothing, except for keys marked as examples."""
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = [
        re.sub(r"^( +)# (?=\w+: \S)", r"\1", line) if "example" not in line else line
        for line in text.splitlines()
    ]
    assert lines != text.splitlines()
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    given, opened = load_config(EXAMPLE, ENVIRON), load_config(path, ENVIRON)
    assert opened.sources == given.sources
    assert opened.slack == given.slack
    assert opened.smtp
    assert given.smtp
    assert given.smtp.effective_port == 587
    assert dataclasses.replace(opened.smtp, port=None) == given.smtp


def test_the_initial_config_loads_with_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(initial_config(Answers()), encoding="utf-8")
    digest = load_config(path, {}).digests["my-field"]
    assert digest.title == "My field"
    assert digest.schedule.in_words() == "Monday to Friday at 09:00 (UTC)"
    assert [d.address for d in digest.destinations] == [str(tmp_path / "out")]
    assert len(initial_config(Answers()).splitlines()) < 30


def test_the_initial_config_contains_the_answers(tmp_path: Path) -> None:
    answers = Answers(
        title="Lab: #1",
        timezone="Europe/Berlin",
        categories=("astro-ph", "cs.DC"),
        keywords=(),
        email="reader@example.org",
        slack="#papers",
        smtp_host="mail.example.org",
    )
    path = tmp_path / "config.yaml"
    path.write_text(initial_config(answers), encoding="utf-8")
    config = load_config(path, {"SLACK_BOT_TOKEN": "x"})
    digest = config.digests["my-field"]
    assert (digest.title, config.timezone.key) == ("Lab: #1", "Europe/Berlin")
    assert digest.filter.atoms() == ()
    assert config.smtp
    assert (config.smtp.host, config.smtp.security) == ("mail.example.org", "none")
    assert [str(d) for d in digest.destinations] == [
        f"folder:{tmp_path / 'out'}",
        "email:reader@example.org",
        "slack:#papers",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    title=st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    | st.sampled_from(["null", "yes", "~", "1", "1e3", "- a", "a #b", "${X}", "$${", "a: b", " a "])
)
def test_any_answer_survives_the_round_trip(tmp_path: Path, title: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(initial_config(Answers(title=title)), encoding="utf-8")
    assert load_config(path, {}).digests["my-field"].title == title
