"""
What the answers of a mail server mean, by where in the dialogue they came.

Begin at `classify`; `smtp` and `smtp_link` are the ones that ask.
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
    """Where in the dialogue an answer came, or failed to come."""

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


_ABOUT_US = {Phase.CONNECT, Phase.HELLO, Phase.STARTTLS, Phase.LOGIN, Phase.MAIL}
"""A final no here does not depend on the recipient."""
_ABOUT_THE_MESSAGE = {"5.2.3", "5.3.4"}
"""Too big, which MAIL with SIZE may already say (RFC 1870)."""
_LOGIN_NEEDED_CODES = {530, 535}
_LOGIN_NEEDED = {"5.7.8"}
_ABOUT_OUR_NAME = {"5.7.30", "5.7.40", "5.7.509", "5.7.515"} | {f"5.7.{n}" for n in range(20, 28)}
"""SPF, DKIM, DMARC and the reverse name of our server: RFC 7372, and what Google and Microsoft use
beside; they hold for every message."""
POLICY = re.compile(r"5\d\d 5\.7\.\d+")
POLICY_MAX = 3
"""Deliveries in a row that a policy refused, until we take it for ours and not for a mailbox's."""
_COME_BACK_CODES = {421, 450, 451}
COME_BACK_S = 300.0
"""Greylisting lets a message in after about five minutes, not before."""


def classify(phase: Phase, code: int | None, enhanced: str | None, text: str) -> DeliveryError:
    """
    The error that an answer other than success amounts to.

    The first digit of *code* decides, *enhanced* refines, and when they differ *code* is right
    (RFC 5321 4.2.1, RFC 3463).

    Args:
        phase: What was asked.
        code: The three digits; None if no answer came, in which case *text* says what happened.
        enhanced: Such as ``5.1.1``, if the server gave one.
        text: The server's words; made one line, cut, and rid of addresses.
    """
    if code is None or not 400 <= code <= 599:
        return _no_answer(phase, code, text)
    error = _refused(phase, code, enhanced, text)
    error.about_recipient = phase is Phase.RCPT
    return error


def _refused(phase: Phase, code: int, enhanced: str | None, text: str) -> DeliveryError:
    full_code = f"{code} {enhanced}" if enhanced else str(code)
    message = f"the mail server refused {phase}: {code} {one_line(text)}"
    if code < 500:
        wait_s = COME_BACK_S if code in _COME_BACK_CODES else None
        return TransientFailure(message, code=full_code, retry_after_s=wait_s)
    if _is_ours(phase, code, enhanced):
        return Misconfigured(f'{message}; check "smtp" in the config', code=full_code)
    if POLICY.match(full_code):
        # "5.7.1" is said of a closed mailing list and of a blocked server alike: nothing is given
        # up yet. `SmtpSender` tells them apart by what becomes of the next ones.
        return TransientFailure(message, code=full_code)
    return PermanentFailure(message, code=full_code, suppress=enhanced in DEAD_ADDRESS)


def _no_answer(phase: Phase, code: int | None, text: str) -> DeliveryError:
    """Lost, silent, or nonsense: only after the final dot may the message be in (RFC 1047)."""
    said = one_line(text if code is None else f"{code} {text}")
    if phase is Phase.DOT:
        message = f"no usable answer to the whole message, it may have arrived: {said}"
        return OutcomeUnknown(message, code=UNKNOWN_CODE)
    return TransientFailure(f"the mail server gave no usable answer to {phase}: {said}")


def _is_ours(phase: Phase, code: int, enhanced: str | None) -> bool:
    if code in _LOGIN_NEEDED_CODES or enhanced in _LOGIN_NEEDED | _ABOUT_OUR_NAME:
        return True
    too_big = code == 552 or enhanced in _ABOUT_THE_MESSAGE
    return phase in _ABOUT_US and not too_big


def refusal(phase: Phase, code: int, text: str) -> DeliveryError:
    return classify(phase, code, enhanced_code(text), text)


def broken(phase: Phase, error: Exception) -> DeliveryError:
    """A link that broke; a certificate that does not fit will not fit for anybody."""
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = one_line(cause.verify_message)
        return Misconfigured(
            f"the mail server's certificate is not trusted: {why};"
            ' set "smtp.ca_file", or "smtp.host" to the name in the certificate'
        )
    nameless = "timed out" if isinstance(error, TimeoutError) else type(error).__name__
    return classify(phase, None, None, str(error) or nameless)
