"""A job's page shows the document or picture beside the result: as pixels or text, to those who see the job alone."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from struct import pack
from typing import Any
from zlib import compress, crc32

import pytest

from homa.gateway.dashboard import job_content
from homa.gateway.dashboard.pictures import size_of
from homa_shared.store.gateway_keys import Role
from homa_shared.store.operation import read
from tests.commands_b.stand import MODEL, Stand
from tests.dashboard.conftest import Browser, make_key

SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
PDF = b"%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF"


def png(padding: int = 0, side: int = 1) -> bytes:
    """A picture of one pixel, whatever its header says, and whatever else a file may hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))

    head = chunk(b"IHDR", pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    more = chunk(b"tEXt", b"k\0" + b"x" * padding)
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", compress(b"\0\0\0\0")) + chunk(b"IEND", b"")


def url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


def image(data: bytes, kind: str = "image/png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url(data, kind)}}


def document(data: bytes) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": "bill.pdf", "file_data": url(data, "application/pdf")}}


def asked(stand: Stand, *parts: dict[str, Any], **options: Any) -> str:
    """A job that failed, so that its request is kept."""
    content = [{"type": "text", "text": "what is\nit?"}, *parts]
    job = stand.homa.submit(messages=[{"role": "user", "content": content}], model=MODEL, max_tokens=100, **options).id
    stand.fail(stand.claimed(job))
    return job


async def shown(browser: Browser, job: str) -> str:
    await browser.get(f"/jobs/{job}")
    return await browser.submit("/content")


async def test_a_picture_is_shown_once_somebody_asks_beside_the_text(browser: Browser, stand: Stand) -> None:
    job = asked(stand, image(png()))
    assert "data:image" not in await browser.get(f"/jobs/{job}")
    text = await browser.submit("/content")
    assert f'src="{url(png(), "image/png")}"' in text
    assert "<pre>what is\nit?</pre>" in text
    assert "img-src data:" in browser.headers["content-security-policy"]


async def test_the_answer_stands_beside_the_document_that_was_read(browser: Browser, stand: Stand) -> None:
    job = asked(stand, tenant="acme")
    stand.store.run(
        read((("SET", stand.store.keys.reply(job), b'{"body":{"choices":[{"message":{"content":"a\\nb"}}]}}'),), str)
    )
    text = await shown(browser, job)
    assert text.index("<pre>what is\nit?</pre>") < text.index("<pre>a\nb</pre>")


async def test_what_is_not_pixels_is_never_shown_and_is_saved_as_it_is(browser: Browser, stand: Stand) -> None:
    job = asked(stand, document(PDF))
    text = await shown(browser, job)
    assert "<img" not in text
    assert f"application/pdf, {len(PDF)} bytes" in text
    address, fields = browser.form("/media/")
    answer = await browser.client.post(address, data=fields)
    assert answer.content == PDF
    assert answer.headers["content-type"] == "application/octet-stream"
    assert re.fullmatch(r'attachment; filename="[0-9a-f]{16}\.pdf"', answer.headers["content-disposition"])
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_active_content_under_a_pictures_name_does_not_become_one(browser: Browser, stand: Stand) -> None:
    """Nobody can submit it; a record in the store might hold it all the same."""
    job = asked(stand, image(png()))
    (digest,) = stand.store.run(read((("HKEYS", stand.store.keys.media_places()),), lambda told: told[0]))
    stand.store.run(read((("SET", stand.store.keys.media(digest.decode()), SVG),), str))
    text = await shown(browser, job)
    assert "<img" not in text
    assert "onload" not in text
    assert "no picture or document" in text


async def test_an_address_is_told_and_not_fetched(browser: Browser, stand: Stand) -> None:
    job = asked(stand, {"type": "image_url", "image_url": {"url": "https://tracker.example/p.png"}})
    text = await shown(browser, job)
    assert "<img" not in text
    assert "tracker.example" in text


async def test_pictures_are_bounded_in_size_and_number(
    browser: Browser, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_content, "_MOST_BYTES", 2000)
    monkeypatch.setattr(job_content, "_MOST_MEDIA", 3)
    job = asked(stand, image(png(5000)), *(image(png(n)) for n in range(1, 5)))
    text = await shown(browser, job)
    assert text.count("<img") == 2
    assert "too large to be shown here" in text
    assert text.count("the page shows 3 media; this is one more") == 2
    monkeypatch.setattr(job_content, "_MOST_BYTES_IN_ALL", 150)
    assert (await shown(browser, job)).count("<img") == 1


async def test_a_picture_that_unfolds_into_gigabytes_is_not_shown(browser: Browser, stand: Stand) -> None:
    text = await shown(browser, asked(stand, image(png(side=60_000)), image(png()[:15])))
    assert "<img" not in text
    assert "60,000 × 60,000 pixels: too large to be shown here" in text
    assert "it does not tell its size, so it is not shown" in text
    assert text.count("Save as a file") == 2


def test_each_kind_of_picture_tells_its_size() -> None:
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xd0\xff\xc2\x00\x11\x08" + pack(">HH", 480, 640)
    riff = b"RIFF\x00\x00\x00\x00WEBP"
    lossy = riff + b"VP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a" + pack("<HH", 640, 480)
    lossless = riff + b"VP8L\x00\x00\x00\x00\x2f" + pack("<I", 639 | 479 << 14)
    extended = riff + b"VP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\x7f\x02\x00\xdf\x01\x00"
    gif = b"GIF89a" + pack("<HH", 640, 480)
    found = {
        ("image/jpeg", jpeg),
        ("image/webp", lossy),
        ("image/webp", lossless),
        ("image/webp", extended),
        ("image/gif", gif),
    }
    assert {size_of(data, kind) for kind, data in found} == {(640, 480)}
    assert size_of(png(side=7), "image/png") == (7, 7)
    for kind, data in found:
        for end in range(6, len(data)):
            assert size_of(data[:end], kind) is None, (kind, end)


async def test_odd_parts_of_a_request_are_text(browser: Browser, stand: Stand) -> None:
    """What no client of today sends, a record of another release may hold."""
    job = asked(stand)
    deep: Any = "end"
    for _ in range(400):
        deep = [deep]
    odd = [None, 5, "bare", [], {}, {"type": []}, {"type": "image_url", "image_url": 7}, {"type": "text", "text": 5}]
    for messages in ([{"role": 5, "content": odd}, "no message", {"content": {}}], "unknown", 5):
        for extra in ({}, {"params": {"deep": deep}}):
            body = json.dumps({"messages": messages, **extra})
            stand.redis("SET", stand.store.keys.request(job), body)
            text = await shown(browser, job)
            assert browser.status == 200, (messages, bool(extra))
            assert "Request and reply" in text


async def test_long_requests_are_cut(browser: Browser, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_content, "_MOST_PARTS", 5)
    job = asked(stand, *({"type": "text", "text": f"part {n}"} for n in range(50)))
    text = await shown(browser, job)
    assert "<pre>part 3</pre>" in text
    assert "<pre>part 4</pre>" not in text
    assert "… and further parts" in text


async def test_a_medium_is_saved_by_whom_the_job_belongs_to_and_of_that_job_alone(
    browser: Browser, stand: Stand
) -> None:
    mine, theirs = asked(stand, document(PDF), tenant="acme"), asked(stand, document(PDF + b"2"), tenant="other")
    _, admin = make_key(stand, Role.ADMIN)
    await browser.sign_in(admin)
    await shown(browser, theirs)
    address, _ = browser.form("/media/")
    foreign = address.rpartition("/")[2]
    await browser.post("/dashboard/logout", {})
    browser.client.cookies.clear()
    _, key = make_key(stand, Role.TENANT, "acme")
    await browser.sign_in(key)
    await shown(browser, mine)
    address, fields = browser.form("/media/")
    assert (await browser.client.post(address, data=fields)).content == PDF
    for other in (f"/dashboard/jobs/{mine}/media/{foreign}", f"/dashboard/jobs/{theirs}/media/{foreign}"):
        assert (await browser.client.post(other, data=fields)).status_code == 404
    assert (await browser.client.post(address, data={"csrf": "x"})).status_code == 403, "without the session's token"
    browser.client.cookies.clear()
    _, viewer = make_key(stand, Role.VIEWER)
    await browser.sign_in(viewer)
    text = await browser.get(f"/jobs/{mine}")
    assert "Show content" not in text


async def test_a_medium_that_is_kept_no_more_is_told(browser: Browser, stand: Stand) -> None:
    job = asked(stand, image(png()))
    (digest,) = stand.store.run(read((("HKEYS", stand.store.keys.media_places()),), lambda told: told[0]))
    stand.store.run(read((("DEL", stand.store.keys.media(digest.decode())),), str))
    assert "it is kept no more" in await shown(browser, job)
