"""Outlook's MSG: the mail as a document, then each attachment by its own reader."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from homa.files.readers.content import OLE, Head
from homa.files.readers.document import Attached, Document, Fault, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.html import source_of, to_markdown

if TYPE_CHECKING:
    from oxmsg import Message

#: A stream's name that every MSG has, in UTF-16.
_PROPERTIES = "__properties_version1.0".encode("utf-16-le")
_NAMEID = "__nameid_version1.0".encode("utf-16-le")


class MsgReader:
    """One document and its attachments."""

    name = "msg"
    needs: tuple[str, ...] = ("oxmsg", "selectolax")
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        if not head.data.startswith(OLE):
            return False
        return head.suffix == ".msg" or head.holds(_PROPERTIES) or head.holds(_NAMEID)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        try:
            yield from _found(opened)
        except KeyError as error:
            raise Unreadable(f"is damaged: its part {error} is missing") from None


def _found(opened: Opened) -> Iterator[Found]:
    from oxmsg import Message

    mail = Message.load(opened.stream)
    attached = list(_attachments(mail))
    fields = _fields(mail)
    body = _body(mail)
    if not fields and not body and not attached:
        raise Unreadable("holds no mail: no sender, subject or text")
    lines = [f"{name.capitalize()}: {value}" for name, value in fields.items()]
    if attached:
        lines.append(f"Attachments: {', '.join(name for name, _ in attached)}")
    yield Document("\n".join([*lines, "", body.strip()]).strip() + "\n", fields)
    for name, data in attached:
        if data is None:
            yield Fault("is an Outlook item within the mail, which is not read: save it by itself", part=name)
        else:
            yield Attached(name, io.BytesIO(data))


def _attachments(mail: Message) -> Iterator[tuple[str, bytes | None]]:
    """Names that tell them apart, and their bytes; None for items of Outlook's own."""
    taken: set[str] = set()
    for number, each in enumerate(mail.attachments, 1):
        name = (each.file_name or "").replace("\\", "/").rpartition("/")[2].strip() or f"attachment-{number}"
        while name in taken:
            name = f"{number}-{name}"
        taken.add(name)
        yield name, each.file_bytes


def _fields(mail: Message) -> dict[str, str]:
    to = ", ".join(f"{each.name} <{each.email_address}>" for each in mail.recipients)
    date = mail.sent_date
    found = {
        "subject": mail.subject,
        "from": mail.sender,
        "to": to,
        "date": "" if date is None else date.isoformat(sep=" "),
    }
    return {name: value for name, value in found.items() if value}


def _body(mail: Message) -> str:
    if mail.body and mail.body.strip():
        return mail.body.replace("\r\n", "\n")
    page: str | bytes | None = mail.html_body
    if page:
        source = page if isinstance(page, str) else source_of(page, None)[0]
        return to_markdown(source, whole=True)[1]
    return ""
