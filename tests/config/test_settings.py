"""The checked config finds digests and sections."""

from pathlib import Path

import pytest

from digestbot.config import find_digest, load_config
from digestbot.deliver import SlackSettings, SmtpSettings
from digestbot.errors import UsageError

TEXT = """\
sources: {a: {kind: arxiv, categories: [cs.DC]}}
smtp: {host: localhost, sender: me@example.org}
digests:
  one: {deliver: [{folder: out}]}
  two: {deliver: [{folder: out}]}
"""


def test_digests_and_sections_are_found(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(TEXT)
    config = load_config(tmp_path / "config.yaml", {})
    assert find_digest(config, "two").name == "two"
    assert config.section(SmtpSettings) is config.smtp
    assert config.section(SlackSettings) is None
    with pytest.raises(UsageError, match='no digest "three" in the config; it has: one, two'):
        find_digest(config, "three")
