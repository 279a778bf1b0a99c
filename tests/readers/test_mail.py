"""Mail: what a person would read of it, and attachments as documents of their own."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from pathlib import Path

from homa.files import BadRow, Row
from tests.readers import samples
from tests.readers.reading import by_id, document, rows

HEADER = (
    "Subject: Grüße aus Köln\nFrom: Ada <ada@example.com>\nTo: bob@example.com\nDate: Mon, 30 Nov 2026 09:00:00 +0000"
)


def test_a_mail_is_its_decoded_text_under_its_header(tmp_path: Path) -> None:
    row = document(tmp_path, "a.eml", samples.mail("Schöne Grüße,\nAda", html="<p>not this</p>").as_bytes())
    assert row.text == f"{HEADER}\n\nSchöne Grüße,\nAda\n"
    assert row.fields["subject"] == "Grüße aus Köln"
    assert row.custom_id == "a.eml"


def test_a_mail_in_html_alone_is_read_as_a_page_and_its_logo_is_no_document(tmp_path: Path) -> None:
    message = samples.mail("")
    message.set_content(
        "<table><tr><td><h1>Offer</h1><p>Buy <a href='https://x.org'>tea</a></p></td></tr></table>", "html"
    )
    message.add_related(samples.png(), "image", "png", cid="<logo>")
    row = document(tmp_path, "a.eml", message.as_bytes())
    assert row.text == f"{HEADER}\n\n# Offer\n\nBuy [tea](https://x.org)\n"


def test_attachments_are_documents_by_their_own_readers(tmp_path: Path) -> None:
    attached = {
        "order.pdf": samples.pdf([["Twelve boxes of tea"]]),
        "list.csv": b"id,text\nc1,one\nc2,two\n",
        "../../evil.txt": b"words",
        "bad.docx": samples.docx()[:3000],
        "tool.exe": b"MZ\0\0\0",
    }
    found = by_id(rows(tmp_path, "a.eml", samples.mail(attached=attached).as_bytes()))
    assert found.pop("a.eml").startswith(f"{HEADER}\nAttachments: order.pdf, list.csv, evil.txt, bad.docx, tool.exe")
    assert found.pop("a.eml/bad.docx").startswith("! is damaged or cut off")
    assert found == {
        "a.eml/order.pdf": "Twelve boxes of tea",
        "c1": "one",
        "c2": "two",
        "a.eml/evil.txt": "words",
        "a.eml/tool.exe": "! is a program: no reader for this kind of file",
    }


def test_a_format_that_is_named_is_the_mailboxs_and_not_its_mails(tmp_path: Path) -> None:
    mail = samples.mail(attached={"a.csv": b"id,text\nc1,one\n"}).as_bytes()
    mailbox_of_two = b"".join(b"From a@example.com Mon Nov 30 09:00:00 2026\n" + mail + b"\n" for _ in range(2))
    found = rows(tmp_path, "box", mailbox_of_two, input_format="mbox")
    assert [row.path for row in found] == ["box/1", "box/1/a.csv", "box/2", "box/2/a.csv"]


def test_two_attachments_of_one_name_are_told_apart(tmp_path: Path) -> None:
    message = samples.mail()
    for text in (b"one", b"two"):
        message.add_attachment(text, "text", "plain", filename="note.txt")
    assert [row.custom_id for row in rows(tmp_path, "a.eml", message.as_bytes())] == [
        "a.eml", "a.eml/note.txt", "a.eml/2-note.txt",
    ]  # fmt: skip


def test_a_mail_within_a_mail_is_read_with_its_attachments(tmp_path: Path) -> None:
    inner = samples.mail("Inner words", attached={"deep.txt": b"deep words"}, subject="Inner")
    outer = EmailMessage()
    outer["From"], outer["Subject"] = "c@example.com", "Outer"
    outer.set_content("See attached")
    outer.add_attachment(inner, filename="inner.eml")
    found = by_id(rows(tmp_path, "a.eml", outer.as_bytes()))
    assert list(found) == ["a.eml", "a.eml/inner.eml", "a.eml/inner.eml/deep.txt"]
    assert "Inner words" in found["a.eml/inner.eml"]


def test_a_mail_that_is_forwarded_in_itself_again_and_again_ends(tmp_path: Path) -> None:
    message = samples.mail("the innermost")
    for _ in range(30):
        outer = EmailMessage()
        outer["From"], outer["Subject"] = "loop@example.com", "Fwd"
        outer.set_content("again")
        outer.add_attachment(message, filename="fwd.eml")
        message = outer
    found = rows(tmp_path, "a.eml", message.as_bytes())
    last = found[-1]
    assert isinstance(last, BadRow)
    assert "is nested 9 files deep: at most 8 are opened" in last.error
    assert len(found) == 10


def test_a_mailbox_is_its_mails(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box.mbox")
    for number in range(3):
        box.add(samples.mail(f"From the start of a line\n\nbody {number}", subject=f"Mail {number}"))
    box.close()
    found = rows(tmp_path, "box.mbox", (tmp_path / "box.mbox").read_bytes())
    assert [row.custom_id for row in found] == ["box.mbox/1", "box.mbox/2", "box.mbox/3"]
    assert all(
        isinstance(row, Row) and f"From the start of a line\n\nbody {n}" in str(row.text) for n, row in enumerate(found)
    )


def test_a_damaged_mail_gives_what_is_left_and_says_so(tmp_path: Path) -> None:
    content = samples.mail("Words at the start", attached={"a.txt": b"x" * 2000}).as_bytes()
    body, *_ = rows(tmp_path, "a.eml", content[:900])
    assert isinstance(body, Row)
    assert "Words at the start" in str(body.text)
    assert body.notes == ("the mail is damaged or cut off: what could be read of it is here",)


def test_a_mail_costs_its_words_and_not_its_logo(tmp_path: Path) -> None:
    """Raw, 40 words with a logo of 145 KB are about 190 000 tokens."""
    message = samples.mail(" ".join(["word"] * 40))
    message.add_related(b"\x89PNG\r\n\x1a\n" + bytes(60_000), "image", "png", cid="<logo>")
    assert len(message.as_bytes()) > 80_000
    first = rows(tmp_path, "a.eml", message.as_bytes())[0]
    assert isinstance(first, Row)
    assert len(str(first.text)) < 400


def test_a_stub_that_points_to_the_page_is_not_taken_for_the_mail(tmp_path: Path) -> None:
    message = samples.mail("Your program does not show HTML.", html=f"<h1>Offer</h1><p>{samples.WORDS * 10}</p>")
    text = document(tmp_path, "a.eml", message.as_bytes()).text
    assert "# Offer" in str(text)
    assert "does not show" not in str(text)


def test_a_signature_is_no_document(tmp_path: Path) -> None:
    message = samples.mail("Signed words")
    message.add_attachment(b"\x30\x80\0\0", "application", "pkcs7-signature", filename="smime.p7s")
    assert document(tmp_path, "a.eml", message.as_bytes()).text == f"{HEADER}\n\nSigned words\n"
