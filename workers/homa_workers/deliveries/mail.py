"""Sends a delivery as a mail, by the standard library."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from concurrent.futures import Executor
from email.message import EmailMessage
from email.utils import formatdate

from homa_shared.model.errors import ConfigError
from homa_shared.settings.delivery_section import Mail
from homa_workers.deliveries.undelivered import Undelivered

#: Longest that the server may be silent, s.
TIMEOUT_S = 30.0


async def send(
    mail: Mail, recipient: str, delivery: str, subject: str, text: str, document: bytes, *, threads: Executor
) -> None:
    """Sends it once; all that is known stands in a file beside the text.

    Args:
        delivery: its id, of which the Message-ID is made: a mail that is sent twice can be told.
        threads: one of them waits for the server.

    Raises:
        Undelivered: the server did not take it.
    """
    if mail.host is None:
        raise Undelivered("this worker has no mail server: set [mail] host and from (HOMA_MAIL__HOST, HOMA_MAIL__FROM)")
    try:
        message = _message(mail.sender, recipient, delivery, subject)
    except ValueError as error:
        # A line's end in one of them would begin another line of the head.
        raise Undelivered(f"no mail can have this head: {error}", is_final=True) from None
    message.set_content(text)
    message.add_attachment(document, maintype="application", subtype="json", filename="run.json")
    try:
        await asyncio.get_running_loop().run_in_executor(threads, _send, mail, message)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise Undelivered(
            f"the mail server refused the recipient: {code} {_words(said)}", is_final=code >= 500
        ) from None
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"the mail server answered {error.smtp_code} {_words(error.smtp_error)}") from None
    except (OSError, smtplib.SMTPException, ConfigError) as error:
        raise Undelivered(f"the mail server {mail.host}:{mail.port} did not take it: {error}") from None


def _message(sender: str | None, recipient: str, delivery: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{delivery.replace('~', '.')}@homa>"
    message["Auto-Submitted"] = "auto-generated"
    return message


def _send(mail: Mail, message: EmailMessage) -> None:
    context = None if mail.security == "none" else ssl.create_default_context()
    with _connected(mail, context) as server:
        if mail.security == "starttls":
            server.starttls(context=context)
        if mail.user is not None:
            server.login(mail.user, mail.secret())
        server.send_message(message)


def _connected(mail: Mail, context: ssl.SSLContext | None) -> smtplib.SMTP:
    assert mail.host is not None
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT_S, context=context)
    return smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_S)


def _words(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
