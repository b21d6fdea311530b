"""
A DKIM signature (RFC 6376, and RFC 8463 for Ed25519) on a finished message: bytes in, bytes out.

The same message and key give the same bytes, so that a repeat is still a repeat. The key decides
the algorithm; `cryptography`, which makes the signature, is loaded with the first key. Begin at
`Signer.sign`.
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
"""In this order; RFC 8058 section 4 wants both List-Unsubscribe headers covered."""
OVERSIGNED: Final = ("From",)
"""Named once more than they occur, so that nobody can add one (RFC 6376 section 8.15)."""
RSA_BITS_MIN: Final = 1024
"""RFC 8301 section 3.2; 2048 are better, and shorter ones no verifier takes."""
_IN_LIST = ":\r\n  "
_BLANKS = re.compile(rb"  +")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    """Signing by digestbot itself, the key ``smtp.dkim`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    domain: str
    """Who signs: the domain of `smtp.sender`, or one above it, so that DMARC finds them aligned."""
    selector: str
    """Where the public key stands: the TXT record of `SELECTOR._domainkey.DOMAIN`."""
    key: Secret
    """The private key in PEM, RSA or Ed25519; write `${file:dkim.pem}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs messages for one domain."""

    domain: str
    selector: str
    algorithm: str
    """``rsa-sha256`` or ``ed25519-sha256``."""
    sign_octets: Callable[[bytes], bytes]
    """The signature of what the headers come to."""

    def sign(self, message: bytes) -> bytes:
        """
        *message* with a DKIM-Signature on top, relaxed/relaxed.

        Args:
            message: Whole, with CRLF line ends and a Date, which is the time of the signature.
        """
        head, _, body = message.partition(b"\r\n\r\n")
        headers = list(_headers(head + b"\r\n"))
        unsigned = self._header(headers, body)
        octets = b"".join(_relaxed(*header) for header in _covered(headers))
        # The signature's own header is signed too, with b= empty and without its CRLF (3.7).
        octets += _relaxed(b"DKIM-Signature", unsigned.partition(b":")[2]).removesuffix(b"\r\n")
        return unsigned + _folded(self.sign_octets(octets)) + b"\r\n" + message

    def _header(self, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
        """The header up to ``b=``."""
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
    The signer that *settings* describe.

    Raises:
        MissingExtra: `cryptography` is not installed.
        Misconfigured: The key cannot be read or is too short, or the domain or the selector is no
            name.
    """
    for key, name in (("domain", settings.domain), ("selector", settings.selector)):
        if not _SELECTOR.fullmatch(name):
            raise Misconfigured(f'"smtp.dkim.{key}" is no name of the DNS: "{name[:100]}"')
    algorithm, sign_octets = _key(settings.key.reveal().encode())
    return Signer(
        domain=settings.domain,
        selector=settings.selector,
        algorithm=algorithm,
        sign_octets=sign_octets,
    )


def _key(pem: bytes) -> tuple[str, Callable[[bytes], bytes]]:
    """The algorithm of a private key, and how it signs."""
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
        raise Misconfigured('"smtp.dkim.key" is no private key in PEM without password') from None
    if isinstance(key, Ed25519PrivateKey):
        # RFC 8463 section 3: the key signs the hash, not the text.
        return "ed25519-sha256", lambda octets: key.sign(hashlib.sha256(octets).digest())
    if not isinstance(key, RSAPrivateKey):
        raise Misconfigured('"smtp.dkim.key" must be an RSA or an Ed25519 key')
    if key.key_size < RSA_BITS_MIN:
        raise Misconfigured(f'"smtp.dkim.key" is an RSA key of only {key.key_size} bits')
    return "rsa-sha256", lambda octets: key.sign(octets, PKCS1v15(), SHA256())


def _headers(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and value of each header, the value with its folds."""
    for field in re.findall(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", head):
        name, _, value = field.partition(b":")
        yield name, value


def _covered(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Those of *headers* that are signed; of several with one name the last one first (5.4.2)."""
    return [
        (wanted.encode("ascii"), value)
        for wanted in SIGNED
        for name, value in reversed(headers)
        if name.strip().lower() == wanted.lower().encode("ascii")
    ]


def _relaxed(name: bytes, value: bytes) -> bytes:
    """RFC 6376 3.4.2: lower case, unfolded, blanks single, none around the colon and the value."""
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip().lower() + b":" + unfolded + b"\r\n"


def _relaxed_body(body: bytes) -> bytes:
    """
    RFC 6376 3.4.4: blanks single, none at a line's end, no empty lines at the end.

    Of 75 KB in 0.2 ms; one expression for all blanks, single ones too, takes 2.
    """
    body = _BLANKS.sub(b" ", body.replace(b"\t", b" "))
    body = body.replace(b" \r\n", b"\r\n").removesuffix(b" ")
    while body.endswith(b"\r\n\r\n"):
        body = body.removesuffix(b"\r\n")
    text = b"" if body == b"\r\n" else body
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def _folded(signature: bytes) -> bytes:
    """In base64 on lines of their own; blanks within ``b=`` mean nothing (3.5)."""
    encoded = b64encode(signature)
    return b"\r\n ".join(encoded[start : start + 72] for start in range(0, len(encoded), 72))
