"""DKIM signatures, verified by dkimpy with a function as DNS."""

import re
import sys
from base64 import b64encode
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from digestbot.deliver.dkim import OVERSIGNED, SIGNED, DkimSettings, open_signer
from digestbot.errors import Misconfigured, MissingExtra
from digestbot.render import compose
from digestbot.secret import Secret
from tests.wire import Dns, check_message

Key = rsa.RSAPrivateKey | Ed25519PrivateKey | ec.EllipticCurvePrivateKey
KEYS: dict[str, rsa.RSAPrivateKey | Ed25519PrivateKey] = {
    "rsa-sha256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519-sha256": Ed25519PrivateKey.generate(),
}


def pem(key: Key) -> str:
    form, clear = ser.PrivateFormat.PKCS8, ser.NoEncryption()
    return key.private_bytes(ser.Encoding.PEM, form, clear).decode()


def records(key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> Dns:
    """Return the TXT record of the public key, by name."""
    if isinstance(key, Ed25519PrivateKey):
        kind = "ed25519"
        public = key.public_key().public_bytes(ser.Encoding.Raw, ser.PublicFormat.Raw)
    else:
        kind = "rsa"
        form = ser.PublicFormat.SubjectPublicKeyInfo
        public = key.public_key().public_bytes(ser.Encoding.DER, form)
    record = f"v=DKIM1; k={kind}; p={b64encode(public).decode()}"
    return {"digests._domainkey.example.org": record}


def settings(key: str, **more: str) -> DkimSettings:
    fields = {"domain": "example.org", "selector": "digests"} | more
    return DkimSettings(key=Secret(key), **fields)


def eml(text: str = "Größe\n", subject: str = "Systems für ML") -> bytes:
    return compose(
        subject=subject,
        html="<p>Größe</p>",
        text=text,
        sender="Bücher <digests@example.org>",
        recipient="reader@example.org",
        message_id="<one@example.org>",
        date=datetime(2026, 11, 23, 8, tzinfo=UTC),
        list_id="Systems <systems.example.org>",
        list_unsubscribe=("https://example.org/u/" + "t" * 150, "mailto:digests@example.org"),
        one_click=True,
    ).encode()


def signed(algorithm: str, message: bytes) -> bytes:
    return open_signer(settings(pem(KEYS[algorithm]))).sign(message)


def verifies(algorithm: str, message: bytes) -> bool:
    (record,) = records(KEYS[algorithm]).values()
    where = b"digests._domainkey.example.org."
    return bool(dkim.verify(message, dnsfunc=lambda n, **_: record.encode() if n == where else b""))


@pytest.fixture(params=sorted(KEYS))
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_another_verifier_agrees(algorithm: str) -> None:
    message = signed(algorithm, eml())
    assert f"a={algorithm};".encode() in message
    assert verifies(algorithm, message)
    assert check_message(message, records(KEYS[algorithm])) == []
    assert message.endswith(eml())


def test_same_message_gets_the_same_signature(algorithm: str) -> None:
    """So a repeat after a crash is identical, byte for byte."""
    assert signed(algorithm, eml()) == signed(algorithm, eml())


def test_signature_time_is_the_message_date(algorithm: str) -> None:
    at = int(datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp())
    assert f" t={at};".encode() in signed(algorithm, eml())


def test_signature_covers_all_relevant_headers(algorithm: str) -> None:
    found = re.search(rb"h=([^;]+);", signed(algorithm, eml()))
    assert found is not None
    names = re.sub(rb"\s", b"", found[1]).decode().split(":")
    assert names == [*SIGNED, *OVERSIGNED]
    assert names.count("From") == 2


@pytest.mark.parametrize("name", SIGNED)
def test_changed_header_breaks_the_signature(name: str, algorithm: str) -> None:
    message = signed(algorithm, eml())
    changed = re.sub(rb"(?m)^(" + name.encode() + rb": )", rb"\1x", message, count=1)
    assert changed != message
    assert not verifies(algorithm, changed)


def test_added_from_breaks_the_signature(algorithm: str) -> None:
    assert not verifies(algorithm, b"From: x@example.com\r\n" + signed(algorithm, eml()))


def test_changed_body_breaks_the_signature(algorithm: str) -> None:
    assert not verifies(algorithm, signed(algorithm, eml()).replace(b"Gr=C3", b"gr=C3"))


def test_usual_changes_in_transit_are_tolerated(algorithm: str) -> None:
    """Folding, whitespace, case of names and trailing empty lines (relaxed)."""
    message = signed(algorithm, eml(subject="one two three"))
    message = message.replace(b"Subject: one two", b"SUBJECT:  one\r\n   two")
    assert verifies(algorithm, message.replace(b"--\r\n", b"-- \t\r\n") + b"\r\n\r\n")


@given(
    body=st.lists(st.sampled_from([" ", "\t", "a", ".", "\r\n", "  \r\n", "=20\r\n"]), max_size=20),
    blanks=st.sampled_from(["", " ", "\t ", "\r\n ", "\r\n\t \t"]),
)
def test_any_whitespace_verifies(body: list[str], blanks: str) -> None:
    head = eml().partition(b"\r\n\r\n")[0].replace(b"Subject: ", b"Subject:" + blanks.encode())
    text = "".join([*body, "\r\n"] if body else body).encode()
    message = signed("ed25519-sha256", head + b"\r\n\r\n" + text)
    assert verifies("ed25519-sha256", message)


def test_message_without_list_headers_verifies(algorithm: str) -> None:
    lines = [line for line in eml().split(b"\r\n") if not line.startswith(b"List-Unsubscribe-Post")]
    assert verifies(algorithm, signed(algorithm, b"\r\n".join(lines)))


def test_traditional_rsa_key_format_works() -> None:
    key = KEYS["rsa-sha256"]
    form, clear = ser.PrivateFormat.TraditionalOpenSSL, ser.NoEncryption()
    text = key.private_bytes(ser.Encoding.PEM, form, clear).decode()
    assert verifies("rsa-sha256", open_signer(settings(text)).sign(eml()))


def locked() -> str:
    lock = ser.BestAvailableEncryption(b"secret")
    key = KEYS["rsa-sha256"]
    return key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, lock).decode()


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("pl4nted", "must be a private key in PEM format"),
        (
            "-----BEGIN PRIVATE KEY-----\npl4nted\n-----END PRIVATE KEY-----\n",
            "must be a private key",
        ),
        (locked(), "without a password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "must be an RSA or an Ed25519 key"),
    ],
    ids=["text", "damaged", "locked", "of another kind"],
)
def test_invalid_key_is_reported_but_not_shown(key: str, wrong: str) -> None:
    with pytest.raises(Misconfigured, match=wrong) as caught:
        open_signer(settings(key))
    assert "pl4nted" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_short_rsa_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # cryptography no longer makes keys that are too short for us.
    monkeypatch.setattr("digestbot.deliver.dkim.RSA_BITS_MIN", 4096)
    with pytest.raises(Misconfigured, match="has only 2048 bits"):
        open_signer(settings(pem(KEYS["rsa-sha256"])))


@pytest.mark.parametrize("key", ["domain", "selector"])
@pytest.mark.parametrize("name", ["", "a b", "x; d=evil.example", "ü.example.org", "a\r\nb", "-a"])
def test_invalid_names_are_rejected(key: str, name: str) -> None:
    with pytest.raises(Misconfigured, match=f"smtp.dkim.{key}"):
        open_signer(settings(pem(KEYS["ed25519-sha256"]), **{key: name}))


def test_missing_cryptography_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(MissingExtra, match=r"pip install 'digestbot\[dkim\]'"):
        open_signer(settings(pem(KEYS["ed25519-sha256"])))


def test_repr_hides_the_key() -> None:
    key = pem(KEYS["ed25519-sha256"])
    shown = f"{settings(key)!r} {open_signer(settings(key))!r}"
    assert key.splitlines()[1] not in shown
