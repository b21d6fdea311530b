"""Email as a destination."""

from dataclasses import dataclass

import pytest

from digestbot.deliver.smtp import EMAIL
from digestbot.errors import Misconfigured


@dataclass(frozen=True)
class NoSettings:
    """A config without ``smtp:``."""

    secret_addresses: dict[str, object]

    def section(self, settings: type) -> None:
        return None


def test_email_needs_a_mail_server() -> None:
    config = NoSettings(secret_addresses={})
    assert not EMAIL.is_set_up(config)  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match='set "smtp" in the config'):
        EMAIL.open(config)  # type: ignore[arg-type]
