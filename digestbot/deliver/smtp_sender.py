"""
Sender of emails: one mail per recipient over SMTP. Begin at `SmtpSender.send`.

`smtp_pool` queues messages and keeps connections, `smtp_connecting` opens them, `smtp_connection`
is the dialogue on one of them, and `smtp_replies` tells what each reply means.
"""

import asyncio
from collections.abc import Collection

from digestbot.addresses import check_address
from digestbot.deliver.dkim import Signer, open_signer
from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.smtp_connection import Envelope
from digestbot.deliver.smtp_pool import Sleep, SmtpPool
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import InvalidAddress, Misconfigured, MissingExtra, PermanentFailure
from digestbot.model import OutgoingMessage, Receipt


class SmtpSender:
    """Sends each message to its recipient over a few connections that stay open."""

    def __init__(self, settings: SmtpSettings, *, sleep: Sleep = asyncio.sleep) -> None:
        from digestbot.deliver.smtp_connecting import Connector

        self._settings = settings
        self._connector = Connector(settings)
        self._pool = SmtpPool(settings, self._connector.connect, sleep)
        self._signer: Signer | None = None

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Send *outgoing* in one SMTP transaction; the receipt has the server's final reply.

        Raises:
            DeliveryError: See `smtp_replies.classify`.
        """
        recipient = _recipient(outgoing)
        sender = self._settings.bounce_address(outgoing.delivery.id)
        text = await self._signed(outgoing.mime)
        envelope = Envelope(sender=sender, recipient=recipient, text=text)
        return Receipt(detail=await self._pool.send(envelope, checkpoint))

    async def check(self, addresses: Collection[str]) -> str:
        """Connect, secure the connection and log in, as for a message."""
        await self._signed(b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n")
        connection = await self._connector.connect()
        tls = connection.is_secure
        await connection.quit()
        login = f"logged in as {self._settings.username}" if self._settings.username else "no login"
        server = f"{self._settings.host}:{self._settings.effective_port}"
        return f"{server}: {'TLS' if tls else 'no TLS'}, {login}"

    async def close(self) -> None:
        await self._pool.close()

    async def _signed(self, message: bytes) -> bytes:
        """
        Return *message*, with a DKIM signature if the settings ask for one.

        Raises:
            Misconfigured: Signing is not possible; mail is never sent without it then.
        """
        if self._settings.dkim is None:
            return message
        if self._signer is None:
            try:
                self._signer = await asyncio.to_thread(open_signer, self._settings.dkim)
            except MissingExtra as error:
                raise Misconfigured(str(error)) from error
        return self._signer.sign(message)


def _recipient(outgoing: OutgoingMessage) -> str:
    try:
        return check_address(outgoing.delivery.destination.address)
    except InvalidAddress as error:
        text = "the recipient is not a valid email address"
        raise PermanentFailure(text, code="501 5.1.3") from error
