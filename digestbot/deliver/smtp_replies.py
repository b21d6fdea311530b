"""
Errors that a mail server's replies mean, by the phase of the dialogue. Begin at `classify`.
"""

import ssl
from typing import Final

from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.smtp_answers import EARLY, Meaning, Phase, meaning_of
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    ServerUnavailable,
    SessionLimit,
    TooLarge,
    TransientFailure,
    UnclearRefusal,
)
from digestbot.status_codes import enhanced_code, one_line

__all__ = ["Phase", "classify", "connection_error", "refusal"]

IN_A_ROW: Final = 3
"""Recipients with an unclear refusal in a row, after which it is taken to be about us."""
LOCKED_OUT_S: Final = 900.0
"""Rest after a server has locked the login; Gmail's lasts for minutes to hours."""


def classify(phase: Phase, code: int | None, enhanced: str | None, text: str) -> DeliveryError:
    """
    Return the error that an unsuccessful reply means.

    `smtp_answers` holds the decisions. The first digit of *code* decides and *enhanced* refines; if
    they contradict each other, *code* is right (RFC 5321 4.2.1, RFC 3463).

    Args:
        phase: Step of the dialogue.
        code: Three digits; None if no reply came, in which case *text* says what happened.
        enhanced: Such as ``5.1.1``, if the server sent one.
        text: The server's text; shown on one line, shortened and without addresses.
    """
    if code is None or not 400 <= code <= 599:
        return _no_reply(phase, code, text)
    full_code = f"{code} {enhanced}" if enhanced else str(code)
    message = f"the mail server refused {phase}: {code} {one_line(text)}"
    error = _error(meaning_of(phase, code, enhanced, text), message, full_code)
    about_us = Misconfigured | ServerUnavailable | UnclearRefusal
    error.about_recipient = phase is Phase.RCPT and not isinstance(error, about_us)
    return error


def _error(meaning: Meaning, message: str, code: str) -> DeliveryError:
    match meaning:
        case Meaning.CONFIGURATION:
            return Misconfigured(f'{message}; check "smtp" in the config', code=code)
        case Meaning.SERVER_LATER:
            return ServerUnavailable(message, code=code)
        case Meaning.LOCKED_OUT:
            return ServerUnavailable(message, code=code, retry_after_s=LOCKED_OUT_S)
        case Meaning.QUOTA:
            return ServerUnavailable(message, code=code, until_tomorrow=True)
        case Meaning.RECONNECT:
            return SessionLimit(message, code=code)
        case Meaning.RECIPIENT_LATER:
            return TransientFailure(message, code=code)
        case Meaning.UNCLEAR:
            return UnclearRefusal(message, code=code)
        case Meaning.TOO_LARGE:
            return TooLarge(message, code=code)
    return PermanentFailure(message, code=code, suppress=meaning is Meaning.DEAD_ADDRESS)


def _no_reply(phase: Phase, code: int | None, text: str) -> DeliveryError:
    """Classify a lost, late or malformed reply: only after the dot is it in doubt (RFC 1047)."""
    detail = one_line(text if code is None else f"{code} {text}")
    if phase is Phase.DOT:
        message = f"no usable reply to the whole message, it may have arrived: {detail}"
        return OutcomeUnknown(message, code=UNKNOWN_CODE)
    message = f"the mail server gave no usable reply to {phase}: {detail}"
    return ServerUnavailable(message) if phase in EARLY else TransientFailure(message)


def refusal(phase: Phase, code: int, text: str) -> DeliveryError:
    """Classify a reply whose *text* may begin with an enhanced code."""
    return classify(phase, code, enhanced_code(text), text)


def connection_error(phase: Phase, error: Exception) -> DeliveryError:
    """Classify a broken connection; what the settings can fix affects every delivery."""
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Misconfigured(_untrusted(cause))
    if phase is Phase.CONNECT and isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return Misconfigured(
            "the mail server does not speak TLS from the first byte;"
            ' set "smtp.security" to starttls (usual on port 587), or "smtp.port" to 465'
        )
    fallback = "timed out" if isinstance(error, TimeoutError) else type(error).__name__
    return classify(phase, None, None, str(error) or fallback)


_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
"""Reasons of OpenSSL for a handshake with a server that answered in clear text."""
_WRONG_NAME: Final = {62, 64}
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
_EXPIRED: Final = 10


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    """Say what is wrong with the certificate, and what to change."""
    why = one_line(error.verify_message).rstrip(".")
    if error.verify_code in _WRONG_NAME:
        advice = 'set "smtp.host" to the name in the certificate'
    elif error.verify_code == _EXPIRED:
        advice = "renew it on the server"
    else:
        advice = 'set "smtp.ca_file" to a PEM file with it, or with that of its authority'
    return f"untrusted certificate of the mail server: {why}; {advice}"
