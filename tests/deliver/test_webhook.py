"""Webhooks in the config."""

from pathlib import Path

import pytest

from digestbot.deliver.webhook import WEBHOOK, fingerprint
from digestbot.errors import DiscreetError
from digestbot.secret import Secret
from tests.planted import MARK


def test_a_webhook_is_known_by_its_fingerprint() -> None:
    url = f"https://hooks.slack.com/services/{MARK}"
    address = WEBHOOK.address(Secret(url), Path())
    assert address == fingerprint(url)
    assert len(address) == 12
    assert MARK not in address
    assert fingerprint(url) != fingerprint(f"{url}x")


def test_an_address_without_tls_is_refused_without_showing_it() -> None:
    with pytest.raises(DiscreetError) as caught:
        WEBHOOK.check_value(Secret(f"http://hooks.example.org/{MARK}"))
    assert str(caught.value) == "must be an https address"
