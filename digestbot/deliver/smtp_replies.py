"""
Meaning of a mail server's replies, by the phase of the dialogue. Begin at `classify`.
"""

import re
import ssl
from enum import StrEnum

from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.status_codes import DEAD_ADDRESS, enhanced_code, one_line


class Phase(StrEnum):
    """Step of the SMTP dialogue that a reply belongs to."""

    CONNECT = "the connection"
    HELLO = "EHLO"
    STARTTLS = "STARTTLS"
    LOGIN = "the login"
    MAIL = "the sender"
    RCPT = "the recipient"
    DATA = "DATA"
    DOT = "the message"
    RESET = "RSET"
    QUIT = "QUIT"


_INDEPENDENT_PHASES = {Phase.CONNECT, Phase.HELLO, Phase.STARTTLS, Phase.LOGIN, Phase.MAIL}
"""Phases in which a permanent refusal concerns all recipients."""
_TOO_BIG = {"5.2.3", "5.3.4"}
"""Message too big, which the reply to MAIL with SIZE may already say (RFC 1870)."""
_LOGIN_NEEDED_CODES = {530, 535}
_LOGIN_NEEDED = {"5.7.8"}
_SENDER_AUTHENTICATION = {
    *("5.7.30", "5.7.40", "5.7.509", "5.7.515"),
    *(f"5.7.{n}" for n in range(20, 28)),
}
"""Codes about SPF, DKIM, DMARC and our server's reverse DNS: RFC 7372, and additional ones of
Google and Microsoft; they apply to every message."""
POLICY_REFUSAL = re.compile(r"5\d\d 5\.7\.\d+")
POLICY_MAX = 3
"""Policy refusals in a row after which our own server is taken to be the cause."""
_RETRY_SOON_CODES = {421, 450, 451}
RETRY_SOON_S = 300.0
"""Greylisting accepts a message after about five minutes at the earliest."""


def classify(phase: Phase, code: int | None, enhanced: str | None, text: str) -> DeliveryError:
    """
    Return the error that an unsuccessful reply means.

    The first digit of *code* decides and *enhanced* refines; if they contradict each other, *code*
    is right (RFC 5321 4.2.1, RFC 3463).

    Args:
        phase: Step of the dialogue.
        code: Three digits; None if no reply came, in which case *text* says what happened.
        enhanced: Such as ``5.1.1``, if the server sent one.
        text: The server's text; shown on one line, shortened and without addresses.
    """
    if code is None or not 400 <= code <= 599:
        return _no_reply(phase, code, text)
    error = _refused(phase, code, enhanced, text)
    error.about_recipient = phase is Phase.RCPT
    return error


def _refused(phase: Phase, code: int, enhanced: str | None, text: str) -> DeliveryError:
    full_code = f"{code} {enhanced}" if enhanced else str(code)
    message = f"the mail server refused {phase}: {code} {one_line(text)}"
    if code < 500:
        wait_s = RETRY_SOON_S if code in _RETRY_SOON_CODES else None
        return TransientFailure(message, code=full_code, retry_after_s=wait_s)
    if _concerns_us(phase, code, enhanced):
        return Misconfigured(f'{message}; check "smtp" in the config', code=full_code)
    if POLICY_REFUSAL.match(full_code):
        # "5.7.1" means a closed mailing list as well as a blocked server, so the delivery is kept:
        # `SmtpPool` tells the two apart by the outcome of the next deliveries.
        return TransientFailure(message, code=full_code)
    return PermanentFailure(message, code=full_code, suppress=enhanced in DEAD_ADDRESS)


def _no_reply(phase: Phase, code: int | None, text: str) -> DeliveryError:
    """Classify a lost, late or malformed reply: only after the dot is it in doubt (RFC 1047)."""
    detail = one_line(text if code is None else f"{code} {text}")
    if phase is Phase.DOT:
        message = f"no usable reply to the whole message, it may have arrived: {detail}"
        return OutcomeUnknown(message, code=UNKNOWN_CODE)
    return TransientFailure(f"the mail server gave no usable reply to {phase}: {detail}")


def _concerns_us(phase: Phase, code: int, enhanced: str | None) -> bool:
    if code in _LOGIN_NEEDED_CODES or enhanced in _LOGIN_NEEDED | _SENDER_AUTHENTICATION:
        return True
    too_big = code == 552 or enhanced in _TOO_BIG
    return phase in _INDEPENDENT_PHASES and not too_big


def refusal(phase: Phase, code: int, text: str) -> DeliveryError:
    """Classify a reply whose *text* may begin with an enhanced code."""
    return classify(phase, code, enhanced_code(text), text)


def connection_error(phase: Phase, error: Exception) -> DeliveryError:
    """Classify a broken connection; an untrusted certificate affects every delivery."""
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = one_line(cause.verify_message)
        return Misconfigured(
            f"untrusted certificate of the mail server: {why};"
            ' set "smtp.ca_file", or "smtp.host" to the name in the certificate'
        )
    fallback = "timed out" if isinstance(error, TimeoutError) else type(error).__name__
    return classify(phase, None, None, str(error) or fallback)
