"""
DKIM signatures (RFC 6376, and RFC 8463 for Ed25519) on finished messages: bytes in, bytes out.

The same message and key give the same bytes, so that a repeated mail is identical. The key decides
the algorithm; `cryptography` is imported with the first key. Begin at `Signer.sign`.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import ClassVar, Final

from digestbot.errors import Misconfigured, MissingExtra
from digestbot.secret import Secret

SIGNED: Final = (
    *("From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe"),
    *("List-Unsubscribe-Post", "MIME-Version", "Content-Type"),
)
"""Signed headers, in this order; RFC 8058 section 4 requires both List-Unsubscribe headers."""
OVERSIGNED: Final = ("From",)
"""Headers named once more than they occur, so that adding one breaks the signature (RFC 6376
section 8.15)."""
RSA_BITS_MIN: Final = 1024
"""Minimum of RFC 8301 section 3.2; verifiers reject shorter keys, 2048 bits are better."""
_IN_LIST = ":\r\n  "
_BLANKS = re.compile(rb"  +")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    """DKIM signing by digestbot: the config key ``smtp.dkim:``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    domain: str
    """Signing domain: that of `smtp.sender` or a parent of it, for DMARC alignment."""
    selector: str
    """Selector of the public key: its TXT record is `SELECTOR._domainkey.DOMAIN`."""
    key: Secret
    """Private key in PEM format, RSA or Ed25519; write `${file:dkim.pem}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signer of messages for one domain."""

    domain: str
    selector: str
    algorithm: str
    """``rsa-sha256`` or ``ed25519-sha256``."""
    sign_octets: Callable[[bytes], bytes]
    """Sign the canonical headers."""

    def sign(self, message: bytes) -> bytes:
        """
        Return *message* with a DKIM-Signature header on top, relaxed/relaxed.

        Args:
            message: Whole message with CRLF line ends; its Date is the time of the signature.
        """
        head, _, body = message.partition(b"\r\n\r\n")
        headers = list(_headers(head + b"\r\n"))
        unsigned = self._header(headers, body)
        octets = b"".join(_relaxed(*header) for header in _covered(headers))
        # The DKIM-Signature header itself is signed with an empty b= and without its CRLF (3.7).
        octets += _relaxed(b"DKIM-Signature", unsigned.partition(b":")[2]).removesuffix(b"\r\n")
        return unsigned + _folded(self.sign_octets(octets)) + b"\r\n" + message

    def _header(self, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
        """Return the DKIM-Signature header up to ``b=``."""
        names = [name.decode("ascii") for name, _ in _covered(headers)] + list(OVERSIGNED)
        date = next(value for name, value in headers if name.lower() == b"date")
        tags = (
            f"v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};",
            f"s={self.selector}; t={parsedate_to_datetime(date.decode('ascii')).timestamp():.0f};",
            f"h={_IN_LIST.join(':'.join(names[n : n + 6]) for n in range(0, len(names), 6))};",
            f"bh={b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode('ascii')};",
            "b=",
        )
        return ("DKIM-Signature: " + "\r\n ".join(tags)).encode("ascii")


def open_signer(settings: DkimSettings) -> Signer:
    """
    Return the signer for *settings*.

    Raises:
        MissingExtra: `cryptography` is not installed.
        Misconfigured: The key cannot be read or is too short, or the domain or the selector is
            invalid.
    """
    for key, name in (("domain", settings.domain), ("selector", settings.selector)):
        if not _SELECTOR.fullmatch(name):
            raise Misconfigured(f'"smtp.dkim.{key}" is not a valid DNS name: "{name[:100]}"')
    algorithm, sign_octets = _key(settings.key.reveal().encode())
    return Signer(
        domain=settings.domain,
        selector=settings.selector,
        algorithm=algorithm,
        sign_octets=sign_octets,
    )


def _key(pem: bytes) -> tuple[str, Callable[[bytes], bytes]]:
    """Return the algorithm of a private key, and a function that signs with it."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise MissingExtra("signing mails with DKIM", "dkim") from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: the cause may quote the key.
        raise Misconfigured(
            '"smtp.dkim.key" must be a private key in PEM format without a password'
        ) from None
    if isinstance(key, Ed25519PrivateKey):
        # RFC 8463 section 3: the key signs the hash, not the text.
        return "ed25519-sha256", lambda octets: key.sign(hashlib.sha256(octets).digest())
    if not isinstance(key, RSAPrivateKey):
        raise Misconfigured('"smtp.dkim.key" must be an RSA or an Ed25519 key')
    if key.key_size < RSA_BITS_MIN:
        raise Misconfigured(f'"smtp.dkim.key" has only {key.key_size} bits; use an RSA key of 2048')
    return "rsa-sha256", lambda octets: key.sign(octets, PKCS1v15(), SHA256())


def _headers(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the folded value of each header."""
    for field in re.findall(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", head):
        name, _, value = field.partition(b":")
        yield name, value


def _covered(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the signed *headers*; of several with one name, the last comes first (5.4.2)."""
    return [
        (wanted.encode("ascii"), value)
        for wanted in SIGNED
        for name, value in reversed(headers)
        if name.strip().lower() == wanted.lower().encode("ascii")
    ]


def _relaxed(name: bytes, value: bytes) -> bytes:
    """Return the relaxed form of RFC 6376 3.4.2: lower case, unfolded, whitespace collapsed."""
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip().lower() + b":" + unfolded + b"\r\n"


def _relaxed_body(body: bytes) -> bytes:
    """
    Return the relaxed form of RFC 6376 3.4.4: whitespace collapsed, trailing lines removed.

    Takes 0.2 ms for 75 KB; one expression that also matches single spaces takes 2 ms.
    """
    body = _BLANKS.sub(b" ", body.replace(b"\t", b" "))
    body = body.replace(b" \r\n", b"\r\n").removesuffix(b" ")
    while body.endswith(b"\r\n\r\n"):
        body = body.removesuffix(b"\r\n")
    text = b"" if body == b"\r\n" else body
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def _folded(signature: bytes) -> bytes:
    """Return *signature* in base64 on folded lines; ``b=`` ignores whitespace (3.5)."""
    encoded = b64encode(signature)
    return b"\r\n ".join(encoded[start : start + 72] for start in range(0, len(encoded), 72))
