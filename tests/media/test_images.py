"""Images and documents as an application hands them over."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from homa.submit.attachments import MOST_FILE_BYTES
from homa.submit.batch_line_options import line_options
from homa.submit.messages import build_messages
from homa_shared.calls.media import data_url
from homa_shared.model.errors import InvalidRequest
from tests.media.samples import JPEG, PDF, PNG


def test_images_stand_behind_the_prompt_and_documents_before_it(tmp_path: Path) -> None:
    (tmp_path / "scan.bin").write_bytes(PNG)
    (tmp_path / "terms.pdf").write_bytes(PDF)
    images = [tmp_path / "scan.bin", JPEG, "https://example.com/a.png", data_url(PNG)]
    (message,) = build_messages("Look", None, images=images, files=[tmp_path / "terms.pdf", PDF])
    content = message["content"]
    assert [part["type"] for part in content] == ["file", "file", "text", *["image_url"] * 4]
    assert content[0]["file"] == {"filename": "terms.pdf", "file_data": data_url(PDF)}
    assert content[1]["file"]["filename"] == "document.pdf"
    urls = [part["image_url"]["url"] for part in content[3:]]
    assert urls == [data_url(PNG), data_url(JPEG), "https://example.com/a.png", data_url(PNG)]


def test_a_path_may_be_a_text(tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(PNG)
    (tmp_path / "terms.pdf").write_bytes(PDF)
    (message,) = build_messages("Look", None, images=[f"{tmp_path}/scan.png"], files=[f"{tmp_path}/terms.pdf"])
    assert message["content"][0]["file"]["filename"] == "terms.pdf"
    assert message["content"][2]["image_url"]["url"] == data_url(PNG)


@dataclass
class Picture:
    """Saves itself as PIL's images do."""

    format: str | None
    mode: str = "RGB"
    saved: list[tuple[str | None, dict[str, Any]]] = field(default_factory=list)

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002 - PIL's name
        self.saved.append((format, params))
        fp.write(JPEG if format == "JPEG" else PNG)


@pytest.mark.parametrize(("read_as", "sent_as"), [("JPEG", "JPEG"), ("PNG", "PNG"), (None, "PNG"), ("TIFF", "PNG")])
def test_an_image_of_pil_is_sent_in_a_format_that_providers_know(read_as: str | None, sent_as: str) -> None:
    picture = Picture(read_as)
    (message,) = build_messages("Look", None, images=[picture])
    assert [saved_as for saved_as, _ in picture.saved] == [sent_as]
    assert message["content"][1]["image_url"]["url"] == data_url(JPEG if sent_as == "JPEG" else PNG)


def test_an_image_of_pil_that_its_format_cannot_hold_any_more_is_sent_as_png() -> None:
    picture = Picture("JPEG", mode="RGBA")
    build_messages("Look", None, images=[picture])
    assert [saved_as for saved_as, _ in picture.saved] == ["PNG"]


class Unwritable(Picture):
    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002 - PIL's name
        raise OSError(f"cannot write mode {self.mode} as {format}")


def test_an_image_of_pil_that_cannot_be_saved_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidRequest, match=r"images\[0\] is an image of PIL .*cannot write mode F as PNG"):
        build_messages("Look", None, images=[Unwritable(None, mode="F")])


@pytest.mark.parametrize("name", ["images", "files"])
def test_a_line_of_a_batch_file_opens_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Look"}]}
    good = {"custom_id": "a", "body": body | {name: ["https://example.com/a.png"]}}
    assert line_options(good)[name] == ["https://example.com/a.png"]
    with pytest.raises(InvalidRequest, match=f"{name} of a line of a batch file has .*no file is opened"):
        line_options({"custom_id": "a", "body": body | {name: [f"{tmp_path}/secret.png"]}})


def test_with_messages_they_go_to_the_last_one() -> None:
    parts = [{"type": "text", "text": "And now?"}]
    given = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": parts},
    ]
    built = build_messages(None, given, images=[PNG])
    assert [part["type"] for part in built[-1]["content"]] == ["text", "image_url"]
    assert built[0]["content"] == "Hi"
    assert given[-1]["content"] == parts


@pytest.mark.parametrize(
    ("images", "why"),
    [
        (["no/such.png"], r"images\[0\] no/such.png does not exist: expected an image or document"),
        (["What is\nthis?"], r"images\[0\] is 'What is.*: expected https"),
        ([""], r"images\[0\] is '': expected https"),
        (["file:///etc/passwd"], r"images\[0\] is 'file:///etc/passwd': expected https"),
        ([Path("no/such.png")], r"images\[0\] no/such.png does not exist"),
        ([Path("/")], r"images\[0\] / is not a file"),
        ([PNG, b"plain text"], r"images\[1\] \(10 bytes\) is of no known format"),
        ([PDF], r"images\[0\] is application/pdf: expected an image; documents go into files="),
        ([3], r"images\[0\] is '3'"),
        ("https://example.com/a.png", "images is not a list"),
        ([data_url(PNG)[:-8] + "!!!!!!!!"], r"images\[0\] is no base64"),
    ],
)
def test_what_is_no_image_is_refused_by_its_place(images: list[object], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        build_messages("Look", None, images=images)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([PNG], r"files\[0\] is image/png: expected a PDF; images go into images="),
        (["https://example.com/a.pdf"], r"files\[0\] is 'https://example.com/a.pdf': expected a PDF as a path"),
        (PDF, "files is not a list"),
    ],
)
def test_what_is_no_document_is_refused_by_its_place(files: list[object], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        build_messages("Look", None, files=files)  # type: ignore[arg-type]


def test_a_file_too_large_for_anybody_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as huge:
        huge.truncate(MOST_FILE_BYTES + 1)
    with pytest.raises(InvalidRequest, match=r"images\[0\] .*huge.png has 100000001 bytes: expected at most 100000000"):
        build_messages("Look", None, images=[tmp_path / "huge.png"])


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InvalidRequest, match=r"a.png cannot be read: Permission denied"):
        build_messages("Look", None, images=[tmp_path / "a.png"])
