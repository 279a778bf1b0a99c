"""Mail (EML) and mailboxes (MBOX): decoded bodies, and attachments as documents of their own."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from typing import IO

from homa.files.readers.content import Head
from homa.files.readers.document import Attached, Document, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.encodings import declared, decoded
from homa.files.readers.html import to_markdown
from homa.files.readers.lines import LIMIT_BYTES

#: Largest mail that is read: its attachments are in it.
_MOST_BYTES = 4 * LIMIT_BYTES
#: Fields at its start that only a mail has, and what its first lines look like.
_TELLING = re.compile(r"^(received|message-id|mime-version|return-path|delivered-to|dkim-signature):", re.MULTILINE)
_FIELD = re.compile(r"\A[!-9;-~]+:")
#: Columns of a mail, by its header's name.
_COLUMNS = ("Subject", "From", "To", "Cc", "Date")
_START_CHARACTERS = 4096
_SEPARATOR = re.compile(rb"\AFrom \S.*\d{2}:\d{2}")
#: What proves who sent a mail, and says nothing more.
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
#: Plain text shorter than this may be a word that there is HTML; it is where that says so many times as much.
_STUB, _MORE = 120, 4
#: Pictures within a body that belong to its layout: signatures, logos, counting pixels.
_INLINE_BYTES = 64 * 1024


class MailReader:
    """The mail as a document, then each attachment by its own reader."""

    name = "eml"
    needs: tuple[str, ...] = ("selectolax",)
    isolated = True
    seeks = False
    markup = True

    def claims(self, head: Head) -> bool:
        if head.binary is not None or head.suffix not in (".eml", ".txt", ".mail", ""):
            return False
        start = head.text.lstrip("\r\n")
        if _FIELD.match(start) is None:
            return False
        fields = start.replace("\r\n", "\n").partition("\n\n")[0].lower()
        return head.suffix == ".eml" or (_TELLING.search(fields) is not None and "from:" in fields)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        raw = opened.stream.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise Unreadable(f"is larger than {_MOST_BYTES:,} bytes")
        yield from documents_of(raw)


class MboxReader:
    """Each mail of a mailbox, by its number from 1."""

    name = "mbox"
    needs: tuple[str, ...] = ("selectolax",)
    isolated = True
    seeks = False
    markup = True

    def claims(self, head: Head) -> bool:
        first, _, rest = head.text[:_START_CHARACTERS].partition("\n")
        dated = first.startswith("From ") and first.rstrip()[-4:].isdigit()
        return head.binary is None and dated and _FIELD.match(rest) is not None

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        for number, raw in enumerate(_mails(opened.stream), 1):
            yield Attached(str(number), io.BytesIO(raw), named="mail.eml")


def _mails(stream: IO[bytes]) -> Iterator[bytes]:
    """The mails of a mailbox, without the line before each and the quoting of such lines within."""
    lines: list[bytes] = []
    size, blank = 0, True
    while line := stream.readline(_MOST_BYTES):
        if blank and _SEPARATOR.match(line):
            if lines:
                yield b"".join(lines)
            lines, size = [], 0
            continue
        blank = line in (b"\n", b"\r\n")
        size += len(line)
        if size <= _MOST_BYTES + 1:  # one byte more than is read, so that the mail is told to be too large
            lines.append(line[1:] if line.startswith((b">From ", b">>From ")) else line)
    if lines:
        yield b"".join(lines)


def documents_of(raw: bytes) -> Iterator[Found]:
    """A mail's body with its header, then what is attached."""
    mail = BytesParser(policy=policy.default).parsebytes(raw)
    assert isinstance(mail, EmailMessage)
    fields = {name.lower(): value for name in _COLUMNS if (value := _header(mail, name))}
    if not fields and not mail.get_content_type().startswith(("text/", "multipart/")):
        raise Unreadable("is not a readable mail: it has no sender, subject or date")
    body, notes = _body(mail)
    attached = list(_attachments(mail))
    lines = [f"{name}: {fields[name.lower()]}" for name in _COLUMNS if name.lower() in fields]
    if attached:
        lines.append(f"Attachments: {', '.join(name for name, _ in attached)}")
    if mail.defects or any(part.defects for part in mail.walk()):
        notes = (*notes, "the mail is damaged or cut off: what could be read of it is here")
    yield Document("\n".join([*lines, "", body.strip()]).strip() + "\n", fields, notes=notes)
    for name, part in attached:
        yield Attached(name, io.BytesIO(_payload(part)))


def _header(mail: EmailMessage, name: str) -> str:
    try:
        value = mail.get(name)
    except Exception:  # the standard library's parser of headers raises what it likes on hostile ones
        return ""
    return " ".join(str(value).split())[:2000] if value is not None else ""


def _body(mail: EmailMessage) -> tuple[str, tuple[str, ...]]:
    """The text that a person would see: HTML only where there is no plain text worth the name."""
    plain = mail.get_body(("plain",))
    text, notes = _text(plain) if plain is not None else ("", ())
    page = mail.get_body(("html",))
    if len(text.strip()) >= _STUB or page is None:
        return text, notes
    source, page_notes = _text(page)
    shown = to_markdown(source, whole=True)[1]
    return (shown, page_notes) if len(shown) > _MORE * len(text.strip()) else (text, notes)


def _text(part: MIMEPart) -> tuple[str, tuple[str, ...]]:
    raw = _payload(part)
    named = part.get_content_charset()
    if named and (found := declared(raw, named)) is not None:
        return found.replace("\r\n", "\n"), ()
    text, notes = decoded(raw)
    return text.replace("\r\n", "\n"), notes


def _payload(part: MIMEPart) -> bytes:
    if part.get_content_type() == "message/rfc822" or part.is_multipart():
        inner = part.get_payload()
        return inner[0].as_bytes() if isinstance(inner, list) and inner else b""  # type: ignore[union-attr]
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _attachments(mail: EmailMessage) -> Iterator[tuple[str, EmailMessage]]:
    """What is attached, under names that tell them apart; small pictures within the body left out."""
    taken: set[str] = set()
    for number, part in enumerate(_leaves(mail), 1):
        name = (part.get_filename() or _unnamed(part, number)).replace("\\", "/").rpartition("/")[2].strip() or "part"
        while name in taken:
            name = f"{number}-{name}"
        taken.add(name)
        yield name, part


def _leaves(mail: EmailMessage) -> Iterator[EmailMessage]:
    bodies = [id(mail.get_body((kind,))) for kind in ("plain", "html")]
    stack: list[EmailMessage] = [mail]
    while stack:
        part = stack.pop()
        kind = part.get_content_type()
        if part.is_multipart() and kind != "message/rfc822":
            inner = part.get_payload()
            stack.extend(reversed([each for each in inner if isinstance(each, EmailMessage)]))
        elif id(part) not in bodies and not _is_layout(part, kind):
            yield part


def _is_layout(part: EmailMessage, kind: str) -> bool:
    if kind in _SIGNATURES:
        return True
    if part.get_content_disposition() == "attachment" or kind == "message/rfc822":
        return False
    if kind in ("text/plain", "text/html") and part.get_filename() is None:
        return kind == "text/html" or not _payload(part).strip()
    return kind.startswith("image/") and len(_payload(part)) < _INLINE_BYTES


def _unnamed(part: EmailMessage, number: int) -> str:
    kinds = {
        "text/calendar": "ics",
        "message/rfc822": "eml",
        "text/plain": "txt",
        "text/html": "html",
        "application/pdf": "pdf",
    }
    return f"attachment-{number}.{kinds.get(part.get_content_type(), 'bin')}"
