"""
Decision table: what a mail server's unsuccessful reply is about, with the source of each row.

A reply about the *recipient* concerns one delivery. A reply about *us* (login, quota, sender,
name, connection) concerns all of them: the server rests, and it does not count as an attempt. Begin
at `meaning_of`; `smtp_replies` turns meanings into errors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final


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


class Meaning(StrEnum):
    """Consequence of a reply."""

    DEAD_ADDRESS = "dead address"
    """About the recipient: the address does not exist, and is suppressed."""
    RECIPIENT_REFUSED = "recipient refused"
    """About the recipient: give up this delivery."""
    RECIPIENT_LATER = "recipient later"
    """About the recipient: retry this delivery."""
    MESSAGE_REFUSED = "message refused"
    """About the content: give up this delivery."""
    TOO_LARGE = "too large"
    """About the size: send it again without attachments."""
    SERVER_LATER = "server later"
    """About us: the server rests, first for seconds, then for growing times."""
    LOCKED_OUT = "locked out"
    """About us: each login attempt extends the lockout, so that the server rests for longer."""
    QUOTA = "quota"
    """About us: the server rests until the next day."""
    CONFIGURATION = "configuration"
    """About us: the operator has to change something; the server rests meanwhile."""
    RECONNECT = "reconnect"
    """About the connection: go on over another one."""
    UNCLEAR = "unclear"
    """Keep the delivery; three recipients in a row mean that it is about us."""


EARLY: Final = frozenset({Phase.CONNECT, Phase.HELLO, Phase.STARTTLS, Phase.LOGIN, Phase.MAIL})
"""Phases before the recipient is known: a reply there is about us."""

_PHASES: Final = {
    "any": frozenset(Phase),
    "early": EARLY,
    "login": frozenset({Phase.LOGIN}),
    "late": frozenset(Phase) - EARLY,
    "message": frozenset({Phase.DATA, Phase.DOT}),
}

# Code and enhanced code (x: any digit, *: anything or none) | phases | words of the text, all
# lower case, alternatives after a slash | meaning. The first row that fits decides.
_TABLE: Final = """
= Gmail: https://support.google.com/a/answer/3726730
421 4.3.0  | any   | temporary system problem                | server later
421 4.4.5  | any   | server busy                             | server later
421 4.7.0  | any   | not in whitelist                        | configuration
421 4.7.0  | any   | unusual rate of unsolicited mail        | server later
421 4.7.0  | any   | tls required                            | configuration
421 4.7.0  | any   | try again later, closing connection     | server later
421 4.7.28 | any   | *                                       | server later
450 4.2.1  | any   | peak smtp relay limit                   | server later
450 4.2.1  | late  | receiving mail too quickly / receiving mail at a rate | recipient later
451 4.4.2  | any   | timeout - closing connection            | server later
451 4.5.0  | any   | smtp protocol violation                 | configuration
452 4.2.2  | late  | over quota                              | recipient later
452 4.5.3  | late  | domain policy size per transaction      | reconnect
454 4.7.0  | any   | cannot authenticate due to temporary    | server later
454 4.7.0  | any   | too many login attempts                 | locked out
530 5.5.1  | any   | authentication required                 | configuration
530 5.7.0  | any   | must issue a starttls command           | configuration
534 5.7.9  | any   | application-specific password           | configuration
534 5.7.14 | any   | web browser                             | configuration
535 5.7.8  | any   | username and password not accepted      | configuration
550 5.1.1  | late  | account that you tried to reach does not exist | dead address
550 5.2.1  | late  | receiving mail at a rate / receiving mail too quickly | recipient later
550 5.2.1  | late  | tried to reach is disabled / tried to reach is inactive | dead address
550 5.4.5  | any   | *                                       | quota
550 5.7.0  | any   | mail relay denied / mail sending denied | configuration
550 5.7.1  | any   | email quota exceeded                    | quota
550 5.7.1  | any   | daily smtp relay limit / daily user sending limit | quota
550 5.7.1  | any   | invalid credentials for relay           | configuration
550 5.7.1  | any   | not authorized to send email directly   | configuration
550 5.7.1  | any   | unauthenticated email is not accepted   | configuration
550 5.7.1  | any   | unusual rate of unsolicited mail        | server later
550 5.7.1  | message | is likely unsolicited mail            | message refused
550 5.7.24 | any   | *                                       | configuration
550 5.7.25 | any   | *                                       | configuration
550 5.7.26 | any   | *                                       | configuration
550 5.7.27 | any   | *                                       | configuration
550 5.7.30 | any   | *                                       | configuration
550 5.7.40 | any   | *                                       | configuration
552 5.2.2  | late  | over quota                              | recipient refused
552 5.2.3  | any   | message size limits                     | too large
552 5.7.0  | message | illegal attachment / potential security issue | message refused
553 5.1.2  | late  | find the recipient domain               | dead address
554 5.6.0  | message | malformed                             | message refused
554 5.7.0  | any   | too many unauthenticated commands       | configuration

= Office 365: https://learn.microsoft.com/exchange/troubleshoot/email-delivery/ndr/\
non-delivery-reports-in-exchange-online
421 4.4.2  | any   | submission rate for this client         | server later
432 4.3.2  | late  | recipient thread limit                  | recipient later
432 4.3.2  | any   | concurrent connections limit / sender thread limit | server later
451 4.7.5xx | any  | *                                       | server later
451 4.7.6xx | any  | *                                       | server later
501 5.1.8  | any   | *                                       | configuration
530 5.7.57 | any   | not authenticated                       | configuration
535 5.7.3  | any   | authentication unsuccessful             | configuration
535 5.7.139 | any  | *                                       | configuration
550 5.1.8  | any   | bad outbound sender / access denied     | configuration
550 5.1.10 | late  | *                                       | dead address
550 5.1.90 | any   | *                                       | quota
550 5.2.12x | late | *                                       | recipient later
550 5.4.1  | late  | access denied                           | recipient refused
550 5.7.12x | late | *                                       | recipient refused
550 5.7.13x | late | *                                       | recipient refused
550 5.7.50x | any  | *                                       | configuration
550 5.7.51x | any  | *                                       | configuration
5xx 5.7.60 | any   | *                                       | configuration
550 5.7.6xx | any  | banned sending ip / blocked             | configuration
550 5.7.7xx | any  | *                                       | configuration
554 5.2.0  | any   | sendasdenied                            | configuration
554 5.2.252 | any  | *                                       | configuration

= Exchange Server: https://learn.microsoft.com/exchange/mail-flow/\
non-delivery-reports-and-bounce-messages/non-delivery-reports-and-bounce-messages
421 4.3.2  | any   | concurrent server connections           | server later
421 4.4.2  | any   | timed out / timedout                    | server later
452 4.3.1  | any   | insufficient system resources           | server later
454 4.7.0  | any   | temporary authentication failure        | server later
501 5.5.4  | any   | invalid domain name                     | configuration
550 5.7.1  | any   | unable to relay                         | configuration
550 5.7.1  | any   | does not have permissions to send as    | configuration
550 5.7.54 | any   | *                                       | configuration
550 5.7.64 | any   | *                                       | configuration

= Postfix: https://www.postfix.org/postconf.5.html
421 4.7.0  | any   | too many connections                    | server later
421 4.7.0  | any   | too many errors                         | reconnect
450 4.1.2  | late  | domain not found                        | recipient later
450 4.1.8  | any   | sender address rejected                 | configuration
450 4.7.1  | any   | too much mail                           | server later
450 4.7.1  | any   | too many recipients from / too many new tls / too many auth | server later
450 4.7.x  | any   | helo command rejected                   | configuration
450 4.7.x  | any   | client host rejected: cannot find       | configuration
451 4.3.5  | any   | server configuration                    | server later
452 4.3.1  | any   | insufficient system storage             | server later
454 4.7.1  | any   | relay access denied                     | configuration
5xx *      | any   | helo command rejected                   | configuration
5xx *      | any   | client host rejected                    | configuration
5xx *      | any   | sender address rejected                 | configuration
5xx *      | any   | relay access denied / relaying denied   | configuration
5xx *      | any   | blocked using                           | configuration
503 5.5.1  | any   | authentication not enabled              | configuration
554 5.5.1  | message | no valid recipients                   | recipient refused
552 5.3.4  | any   | *                                       | too large

= Exim: https://www.exim.org/exim-html-current/doc/html/spec_html/ch-main_configuration.html
421 *      | any   | too many messages in this connection    | reconnect
421 *      | any   | too many concurrent smtp connections / too many connections from | server later
452 *      | any   | space shortage                          | server later
452 *      | any   | too many messages in this session       | reconnect
501 *      | any   | syntactically invalid                   | configuration
503 *      | any   | auth command used when not advertised   | configuration
550 *      | any   | relay not permitted                     | configuration
550 *      | any   | sender verify failed / sender verification failed | configuration
550 *      | late  | unrouteable address / unroutable address | recipient refused
554 *      | any   | smtp synchronization error              | reconnect

= Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html
421 *      | any   | too many concurrent                     | server later
454 *      | any   | daily message quota exceeded            | quota
454 *      | any   | maximum sending rate exceeded           | server later
501 *      | any   | invalid mail from address               | configuration
535 *      | any   | authentication credentials invalid      | configuration
554 *      | any   | address is not verified / address not verified | configuration
554 *      | any   | sending suspended / sending paused / has been paused | configuration
554 *      | any   | is not authorized to perform            | configuration
552 *      | any   | message is too long                     | too large

= iCloud: https://smtp.codes/icloud
421 4.7.1  | late  | deferred due to excessive volume        | recipient later
451 4.7.1  | any   | service unavailable - try again later   | server later
550 5.1.1  | late  | user does not exist / unknown or illegal alias | dead address
550 5.7.0  | any   | blocked                                 | configuration
550 5.7.0  | any   | from address is not one of your addresses | configuration
550 5.7.1  | any   | due to listing in                       | configuration
55x 5.7.1  | message | due to local policy                   | message refused
55x 5.7.1  | message | spamhaus dbl                          | message refused
550 5.7.1  | message | dmarc policy                          | configuration

= Yahoo and AOL: https://senders.yahooinc.com/smtp-error-codes/
421 *      | any   | max message per connection              | reconnect
421 4.7.0  | any   | [ts                                     | server later
421 4.7.1  | any   | [ts                                     | server later
450 *      | late  | user is receiving mail too quickly      | recipient later
451 *      | any   | resources temporarily / temporarily deferred | server later
553 5.7.1  | any   | connections will not be accepted        | configuration
553 5.7.2  | any   | [ts                                     | configuration
554 *      | late  | doesn't have a yahoo / not a valid mailbox | dead address
554 5.7.9  | message | policy reasons                        | message refused

= Outlook.com: https://sendersupport.olc.protection.outlook.com/pm/troubleshooting
421 *      | any   | rp-001 / rp-002 / rp-003                | server later
550 *      | any   | part of their network is on our block list | configuration

= Sendmail: https://www.sendmail.org/~ca/email/doc8.12/op.html
421 4.3.2  | any   | connection rate limit / too many open connections | server later
451 4.1.8  | any   | domain of sender address                | configuration
452 4.4.5  | any   | insufficient disk space                 | server later
553 5.1.8  | any   | domain of sender address                | configuration

= cPanel: https://docs.cpanel.net/knowledge-base/email/how-to-limit-the-number-of-emails/
4xx *      | any   | max emails per hour / max defers and failures per hour | server later
5xx *      | any   | max emails per hour / max defers and failures per hour | server later

= GMX and 1&1: https://postmaster.gmx.net/en/error-messages
421 *      | early | policy restrictions / service not available | server later
554 *      | any   | no smtp service / bad dns ptr           | configuration
550 *      | any   | sender address is not allowed           | configuration
552 *      | message | mail size limit                       | too large
450 *      | any   | mail send limit / requested mail action not taken: limit | quota

= qmail: https://cr.yp.to/qmail/rfc1893.html
553 *      | any   | list of allowed rcpthosts               | configuration
550 *      | late  | #5.1.1                                  | dead address

= SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/sending-email/smtp-errors
451 *      | any   | exceeded your messaging limits / maximum credits exceeded | quota
550 *      | any   | verified sender identity                | configuration

= Daily limits in other words: https://www.rfc-editor.org/rfc/rfc3463
xxx *      | any   | daily sending / daily message limit / daily limit | quota
xxx *      | any   | sending limit exceeded / sending quota  | quota
xxx *      | any   | too many messages in this               | reconnect
xxx *      | any   | messages per connection / messages per session | reconnect
xxx *      | any   | too many login / too many failed login / account is locked | locked out

= Whatever says nothing more, by RFC 5321 and RFC 3463: https://www.rfc-editor.org/rfc/rfc5321
4xx *      | login | *                                       | locked out
4xx *      | early | *                                       | server later
421 *      | any   | *                                       | server later
4xx *      | any   | *                                       | recipient later
552 5.2.2  | late  | *                                       | recipient refused
552 *      | any   | *                                       | too large
5xx 5.2.3  | any   | *                                       | too large
5xx 5.3.4  | any   | *                                       | too large
530 *      | any   | *                                       | configuration
535 *      | any   | *                                       | configuration
5xx 5.7.8  | any   | *                                       | configuration
5xx 5.7.2x | any   | *                                       | configuration
5xx 5.7.30 | any   | *                                       | configuration
5xx 5.7.40 | any   | *                                       | configuration
5xx 5.7.509 | any  | *                                       | configuration
5xx 5.7.515 | any  | *                                       | configuration
5xx *      | early | *                                       | configuration
5xx 5.1.1  | late  | *                                       | dead address
5xx 5.1.2  | late  | *                                       | dead address
5xx 5.1.3  | late  | *                                       | dead address
5xx 5.1.6  | late  | *                                       | dead address
5xx 5.1.10 | late  | *                                       | dead address
5xx 5.2.1  | late  | *                                       | dead address
5xx 5.1.7  | late  | *                                       | configuration
5xx 5.1.8  | late  | *                                       | configuration
5xx 5.1.*  | late  | *                                       | recipient refused
5xx 5.2.*  | late  | *                                       | recipient refused
5xx 5.4.*  | late  | *                                       | recipient refused
5xx 5.6.*  | late  | *                                       | message refused
550 *      | late  | no such user / user unknown / unknown user | recipient refused
550 *      | late  | mailbox unavailable / mailbox not found / no such recipient | recipient refused
550 *      | late  | does not exist / no mailbox / invalid recipient | recipient refused
5xx *      | any   | *                                       | unclear
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One row of the table."""

    source: str
    """Who replies like this, and where that is written."""
    code: str
    """Basic code, such as ``550`` or ``5xx``."""
    enhanced: str
    """Enhanced code, such as ``5.7.1`` or ``5.7.5xx``; ``*`` for any or none."""
    phases: frozenset[Phase]
    words: tuple[str, ...]
    """Texts of which the reply contains one; empty for any reply."""
    meaning: Meaning

    def fits(self, phase: Phase, code: str, enhanced: str, text: str) -> bool:
        """Return True if the reply is one that this row describes; *text* is in lower case."""
        return (
            _matches(self.code, code)
            and _matches(self.enhanced, enhanced)
            and phase in self.phases
            and (not self.words or any(words in text for words in self.words))
        )


def meaning_of(phase: Phase, code: int, enhanced: str | None, text: str) -> Meaning:
    """Return the meaning of an unsuccessful reply, a code from 400 to 599."""
    found = answer_of(phase, code, enhanced, text)
    return found.meaning


def answer_of(phase: Phase, code: int, enhanced: str | None, text: str) -> Answer:
    """Return the first row that fits."""
    wanted = phase, str(code), enhanced or "", " ".join(text.lower().split())
    return next(answer for answer in answers() if answer.fits(*wanted))


@cache
def answers() -> tuple[Answer, ...]:
    """Return the rows of the table, read on first use."""
    return tuple(_rows())


def _rows() -> Iterator[Answer]:
    source = ""
    for line in filter(None, _TABLE.splitlines()):
        if line.startswith("= "):
            source = line.removeprefix("= ")
            continue
        codes, phases, words, meaning = (cell.strip() for cell in line.split(" | "))
        code, enhanced = codes.split()
        yield Answer(
            source=source,
            code=code,
            enhanced=enhanced,
            phases=_PHASES[phases],
            words=() if words == "*" else tuple(words.split(" / ")),
            meaning=Meaning(meaning),
        )


def _matches(pattern: str, code: str) -> bool:
    """Compare a code with a pattern of digits, ``x`` for one of them and ``*`` for the rest."""
    if pattern.endswith("*"):
        return code.startswith(pattern[:-1])
    return len(code) == len(pattern) and all(
        wanted in ("x", found) for wanted, found in zip(pattern, code, strict=True)
    )
