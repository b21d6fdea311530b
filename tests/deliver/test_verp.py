"""Bounce addresses and their tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.addresses import check_address
from digestbot.deliver.verp import bounce_address, check_template, delivery_of
from digestbot.errors import InvalidAddress

TEMPLATE = "bounces+{token}@example.org"
KEY = "pl4nted-s3cret-of-sixteen"
IDS = st.integers(0, 2**63 - 1)


@given(delivery_id=IDS)
def test_bounce_address_leads_back_to_its_delivery(delivery_id: int) -> None:
    address = bounce_address(TEMPLATE, delivery_id, KEY)
    assert check_address(address) == address
    assert len(address.partition("@")[0]) <= 64
    assert delivery_of(address, TEMPLATE, KEY) == delivery_id
    assert delivery_of(f" {address.upper()}\n", TEMPLATE, KEY) == delivery_id


def test_repeat_has_the_same_envelope() -> None:
    assert bounce_address(TEMPLATE, 7, KEY) == "bounces+77osuihhok755ajso@example.org"


@given(delivery_id=IDS, other=IDS)
def test_signature_is_valid_for_one_delivery(delivery_id: int, other: int) -> None:
    token = bounce_address("{token}@example.org", delivery_id, KEY).partition("@")[0]
    forged = f"bounces+{other:x}{token[-16:]}@example.org"
    assert delivery_of(forged, TEMPLATE, KEY) == (delivery_id if other == delivery_id else None)


@given(address=st.text(max_size=80) | st.from_regex(r"bounces\+[0-9a-z]{1,40}@example\.org"))
def test_other_addresses_are_not_ours(address: str) -> None:
    assert delivery_of(address, TEMPLATE, KEY) is None


def test_signature_of_another_key_is_invalid() -> None:
    address = bounce_address(TEMPLATE, 7, KEY)
    assert delivery_of(address, TEMPLATE, "pl4nted-other-key") is None
    assert delivery_of(address, "bounce-{token}@example.org", KEY) is None
    assert delivery_of(address, "bounces+{token}@example.com", KEY) is None


@pytest.mark.parametrize("template", ["bounces@example.org", TEMPLATE, "{token}@example.org"])
def test_valid_templates_are_accepted(template: str) -> None:
    assert check_template(template) == template


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("bounces", "is not an email address"),
        ("bounces+{token}", "before the @"),
        ("bounces@{token}.example.org", "before the @"),
        ("{token}{token}@example.org", "once"),
        ("b" * 40 + "{token}@example.org", r"up to 32 characters\)"),
        ("{token}@x, {token}@y", "once"),
    ],
)
def test_invalid_templates_are_rejected(template: str, wrong: str) -> None:
    with pytest.raises(InvalidAddress, match=wrong):
        check_template(template)
