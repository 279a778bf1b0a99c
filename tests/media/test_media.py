"""Media are told by their bytes, taken out of messages and put back unchanged."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa_shared.calls.media import (
    REFERENCE,
    Medium,
    data_url,
    extract,
    from_data_url,
    media_type,
    medium,
    places,
    references,
    restored,
)
from homa_shared.model.errors import InvalidRequest
from tests.media.samples import GIF, HEIC, JPEG, PDF, PNG, WEBP


def image(url: str) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]
    return [{"role": "user", "content": parts}]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (WEBP, "image/webp"),
        (HEIC, "image/heic"),
        (HEIC.replace(b"heic", b"mif1"), "image/heif"),
        (PDF, "application/pdf"),
        (b"\n\n" + PDF, "application/pdf"),
        (b"<svg/>", None),
        (b"", None),
    ],
)
def test_first_bytes_tell_the_type(data: bytes, kind: str | None) -> None:
    assert media_type(data) == kind


def test_what_a_data_url_says_of_its_type_does_not_count() -> None:
    assert from_data_url("data:image/jpeg;base64," + b64encode(PNG).decode(), "images[0]").type == "image/png"


@pytest.mark.parametrize("url", ["data:image/png,raw", "data:;base64,***", "data:image/png;base64,AAAA"])
def test_a_data_url_that_holds_no_image_is_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"images\[3\]"):
        from_data_url(url, "images[3]")


def test_bytes_of_no_known_format_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"notes \(5 bytes\) is of no known format: expected PNG"):
        medium(b"hello", "notes")


def test_messages_keep_a_reference_in_the_place_of_an_image() -> None:
    extracted = extract(image(data_url(PNG)))
    shown = Medium(PNG, "image/png")
    assert dict(extracted.media) == {shown.digest: shown}
    assert extracted.messages[0]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": REFERENCE + shown.digest, "detail": "low"},
    }
    assert references(extracted.messages) == [shown.digest]


def test_equal_images_are_one_medium() -> None:
    twice = image(data_url(PNG)) + image(data_url(PNG, "image/jpeg"))
    assert len(extract(twice).media) == 1


def test_an_address_stays_as_it_is() -> None:
    messages = image("https://example.com/a.png")
    extracted = extract(messages)
    assert extracted.messages is messages
    assert not extracted.media


def test_text_stays_as_it_is() -> None:
    messages = [{"role": "user", "content": "file:///etc/passwd"}]
    assert extract(messages).messages is messages


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "/etc/passwd", "./a.png", "a.png", "homa:sha256:00", "ftp://h/a"]
)
def test_a_local_file_is_never_opened_for_messages(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\].content\[1\].image_url.url is .*only for images="):
        extract(image(url))


@pytest.mark.parametrize("value", ["file:///etc/passwd", "/etc/passwd", "~/a.pdf", "../a.pdf", "https//x"])
def test_nor_for_a_document(value: str) -> None:
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": value}}
    with pytest.raises(InvalidRequest, match=r"messages\[0\].content\[0\].file.file_data"):
        extract([{"role": "user", "content": [part]}])


def test_a_document_may_be_bare_base64_as_openai_takes_it() -> None:
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": b64encode(PDF).decode()}}
    extracted = extract([{"role": "user", "content": [part]}])
    assert next(iter(extracted.media.values())).type == "application/pdf"


def test_audio_comes_back_as_bare_base64() -> None:
    part = {"type": "input_audio", "input_audio": {"data": b64encode(b"RIFF....WAVE").decode(), "format": "wav"}}
    messages = [{"role": "user", "content": [part]}]
    extracted = extract(messages)
    media = {digest: found.data for digest, found in extracted.media.items()}
    assert restored(extracted.messages, media) == messages


def test_a_file_of_the_providers_and_unknown_parts_pass() -> None:
    parts = [{"type": "file", "file": {"file_id": "file-1"}}, {"type": "video", "video": {}}, "text"]
    messages = [{"role": "user", "content": parts}]
    assert extract(messages).messages is messages
    assert not list(places(messages))


def test_an_image_url_may_be_a_bare_text() -> None:
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": data_url(PNG)}]}]
    (digest,) = extract(messages).media
    (kind, value, name) = next(iter(places(extract(messages).messages)))
    assert (kind, value) == ("image_url", REFERENCE + digest)
    assert name == "messages[0].content[0].image_url.url"


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_what_is_taken_out_comes_back_byte_by_byte(tails: list[bytes]) -> None:
    images = [PNG + tail for tail in tails]
    messages = [message for data in images for message in image(data_url(data))]
    extracted = extract(messages)
    media = {digest: found.data for digest, found in extracted.media.items()}
    assert restored(extracted.messages, media) == messages


def test_a_medium_shows_its_size_and_never_its_bytes() -> None:
    assert repr(Medium(PNG, "image/png")) == f"Medium(image/png, {len(PNG)} bytes)"
