"""Objects of buckets as inputs: which there are, what they are called, and what happens where a bucket refuses."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from homa.files import BadRow, ReadOptions, Row, Skipped, count_inputs, open_inputs
from homa.files.readers import fetching
from homa.files.remote import bucket as buckets
from homa_shared.model.errors import InvalidRequest, MissingExtra, PlaceUnavailable
from tests.fixtures.bucket_server import Bucket, Refusal
from tests.readers import samples


def read(*inputs: str, skipped: Skipped | None = None, **options: str) -> list[Row | BadRow]:
    return list(open_inputs(inputs, skipped=skipped, options=ReadOptions(**options)))


def texts(*inputs: str) -> dict[str, str | None]:
    return {row.custom_id: row.text if isinstance(row, Row) else f"({row.error})" for row in read(*inputs)}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(buckets._RETRY, "max_retries", 1)


def fill(bucket: Bucket) -> None:
    for key in ("docs/a.txt", "docs/sub/b.txt", "docs/ü b+c%20?.txt", "docs2/x.txt"):
        bucket.put(key, key.upper())


def test_a_prefix_is_read_as_a_folder_is(bucket: Bucket, tmp_path: Path) -> None:
    fill(bucket)
    folder = tmp_path / "docs"
    for key in [key for key in bucket.objects if key.startswith("docs/")]:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(bucket.objects[key])
    assert texts("s3://lake/docs") == texts(str(folder))
    assert texts("s3://lake/docs/") == texts(str(folder))


def test_a_single_object_and_a_pattern_are_named_as_files_are(bucket: Bucket) -> None:
    fill(bucket)
    assert list(texts("s3://lake/docs/a.txt")) == ["a.txt"]
    assert list(texts("s3://lake/docs/*.txt")) == ["a.txt", "ü b+c%20?.txt"]
    assert list(texts("s3://lake/docs/**/?.txt")) == ["a.txt", "sub/b.txt"]
    assert list(texts("s3://lake/docs*/[!a].txt")) == ["docs2/x.txt"]
    assert list(texts("s3://lake/docs/ü b+c%20?.txt")) == ["ü b+c%20?.txt"]


def test_an_object_that_is_called_like_a_pattern_is_that_object(bucket: Bucket) -> None:
    bucket.put("notes[1].txt", "mine")
    bucket.put("notes1.txt", "other")
    assert texts("s3://lake/notes[1].txt") == {"notes[1].txt": "mine"}


def test_inputs_of_one_name_are_told_apart_by_the_names_before_them(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("2025/docs/a.txt", "old")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("new")
    found = texts("s3://lake/2025/docs", str(tmp_path / "docs"))
    assert found == {"2025/docs/a.txt": "old", f"{tmp_path.name}/docs/a.txt": "new"}


def test_two_inputs_that_lead_to_one_object_read_it_once(bucket: Bucket) -> None:
    fill(bucket)
    skipped = Skipped()
    assert len(read("s3://lake/docs", "s3://lake/docs/a.txt", skipped=skipped)) == 3
    assert skipped.counts == {"repeated": 1}


def test_what_is_hidden_has_one_line_and_folders_made_by_consoles_have_none(bucket: Bucket) -> None:
    for key in ("docs/", "docs/sub/", "docs/.git/a", "docs/.git/b", "docs/.env", "docs/sub/c.txt"):
        bucket.put(key, "" if key.endswith("/") else "words")
    skipped = Skipped()
    found = {row.custom_id: isinstance(row, Row) for row in read("s3://lake/docs", skipped=skipped)}
    assert found == {"docs/.git": False, "docs/.env": False, "docs/sub/c.txt": True}
    assert skipped.counts == {"hidden": 2}


def test_a_listing_goes_on_over_its_pages(bucket: Bucket) -> None:
    bucket.page = 7
    for number in range(50):
        bucket.put(f"many/{number:02}.txt", str(number))
    assert [row.text for row in read("s3://lake/many") if isinstance(row, Row)] == [str(n) for n in range(50)]


def test_documents_and_rows_of_every_kind_are_read_by_their_content(bucket: Bucket) -> None:
    bucket.put("in/a", samples.docx())
    bucket.put("in/b", samples.pdf([["Twelve boxes of tea"]]))
    bucket.put("in/c.jsonl.gz", gzip.compress(b'{"id": "z", "text": "zipped"}\n'))
    bucket.put("in/d.csv", "id;text\n7;seven\n")
    bucket.put("in/e.bin", b"\x7fELF\0\0")
    bucket.put("in/f.txt", "")
    found = texts("s3://lake/in")
    assert set(found) == {"in/a", "in/b", "z", "7", "in/e.bin", "in/f.txt"}
    assert "Twelve boxes of tea" in (found["in/b"] or "")
    assert found["in/e.bin"] == "(is a program: no reader for this kind of file)"
    assert found["in/f.txt"] == "(is empty)"


def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is large."""
    monkeypatch.setattr(fetching, "AHEAD_BYTES", 10)
    monkeypatch.setattr("homa.files.remote.objects.RANGE_BYTES", 10_000)


def test_rows_of_a_large_object_are_read_by_ranges_and_documents_copied(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    bucket.put("in/a.jsonl", b"".join(b'{"id": "r%d", "text": "%s"}\n' % (n, b"x" * 100) for n in range(5000)))
    bucket.put("in/b.docx", samples.docx())
    rows = read("s3://lake/in")
    assert [row.custom_id for row in rows] == [*(f"r{n}" for n in range(5000)), "in/b.docx"]
    assert all(isinstance(row, Row) for row in rows)
    assert bucket.asked.count(("GET", "in/a.jsonl")) > 40


def test_an_object_that_is_replaced_while_it_is_read_is_told_and_not_mixed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    bucket.put("a.jsonl", b'{"text": "old"}\n' * 20_000)
    rows = open_inputs(["s3://lake/a.jsonl"])
    first = next(rows)
    bucket.put("a.jsonl", b'{"text": "new"}\n' * 20_000)
    found = [first, *rows]
    assert {row.text for row in found if isinstance(row, Row)} == {"old"}
    assert isinstance(found[-1], BadRow)
    assert found[-1].error == "was replaced by another content while it was read: run it again"
    assert found[-1].custom_id == "a.jsonl"


def test_one_object_that_is_refused_or_gone_costs_its_own_line(bucket: Bucket) -> None:
    fill(bucket)
    bucket.refuse = lambda method, key, query: (
        Refusal(403, "AccessDenied") if (method, key) == ("GET", "docs/a.txt")
        else Refusal(404, "NoSuchKey") if (method, key) == ("GET", "docs/sub/b.txt") else None
    )  # fmt: skip
    found = texts("s3://lake/docs")
    assert "no permission" in (found["docs/a.txt"] or "")
    assert found["docs/sub/b.txt"] == "(is gone: it stood there when the bucket was listed)"
    assert found["docs/ü b+c%20?.txt"] == "DOCS/Ü B+C%20?.TXT"


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (Refusal(403, "AccessDenied"), "no permission"),
        (Refusal(400, "ExpiredToken"), "credentials have expired"),
        (Refusal(403, "InvalidAccessKeyId"), "access key is not known"),
        (Refusal(403, "SignatureDoesNotMatch"), "secret key is wrong"),
        (Refusal(301, "PermanentRedirect"), "another region: set AWS_REGION"),
        (Refusal(400, "AuthorizationHeaderMalformed"), "another region: set AWS_REGION"),
        (Refusal(404, "NoSuchBucket"), "no such bucket"),
        (Refusal(401, "Unauthorized"), "other credentials"),
    ],
)
@pytest.mark.parametrize("address", ["s3://lake/docs/", "s3://lake/docs/a.txt"])
def test_a_bucket_that_refuses_says_why_and_what_to_do(
    bucket: Bucket, refusal: Refusal, why: str, address: str
) -> None:
    fill(bucket)
    if (refusal.status, address) == (404, "s3://lake/docs/a.txt"):
        why = "no such bucket"
    bucket.refuse = lambda method, key, query: refusal
    with pytest.raises(InvalidRequest, match=rf"s3://lake/docs.* cannot be used: .*{why}") as caught:
        read(address)
    assert "Debug source" not in str(caught.value)


def test_an_outage_ends_the_stream_instead_of_making_a_fault_of_every_object(bucket: Bucket, impatient: None) -> None:
    fill(bucket)
    bucket.refuse = lambda method, key, query: Refusal(503, "SlowDown") if key.startswith("docs/") else None
    with pytest.raises(PlaceUnavailable, match=r"s3://lake/docs/a.txt cannot be reached: .*503"):
        read("s3://lake/docs/")


def test_an_outage_in_the_middle_of_a_large_object_ends_the_stream(
    bucket: Bucket, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    bucket.put("a.jsonl", b'{"text": "row"}\n' * 20_000)
    rows = open_inputs(["s3://lake/a.jsonl"])
    next(rows)
    bucket.refuse = lambda method, key, query: Refusal(500, "InternalError")
    with pytest.raises(PlaceUnavailable):
        list(rows)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("s3://lake/none", "no such object, and none below it"),
        ("s3://lake/n*.txt", "no object matches this pattern"),
        ("s3:///docs", "names no bucket"),
        ("s3://la*/docs", "names no bucket"),
        ("s3://me:password@lake/docs", "expected s3://bucket/key, and credentials in the environment"),
        (
            "az://lake/docs/a.pdf?sv=2&sp=r&sig=SECRET",
            "with a signature in it: expected az://bucket/key, and credentials",
        ),
        ("s3://lake/a?X-Amz-Signature=SECRET", "with a signature in it: expected s3://bucket/key, and credentials"),
        ("ftp://server/file", "no kind that is read: expected https://, s3://, gs:// or az://"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(bucket: Bucket, address: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as caught:
        read(address)
    assert not any(secret in str(caught.value) for secret in ("password@", "SECRET"))


def test_a_key_may_have_question_marks_of_its_own(bucket: Bucket) -> None:
    bucket.put("docs/why?.txt", "words")
    bucket.put("docs/a?b=c.txt", "words")
    assert {row.custom_id for row in read("s3://lake/docs")} == {"docs/why?.txt", "docs/a?b=c.txt"}


def test_without_credentials_the_variables_are_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidRequest, match=r"az://box/docs cannot be used: .*AZURE_STORAGE_ACCOUNT_NAME"):
        read("az://box/docs")


def test_without_obstore_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"pip install 'homa-queue\[blobs\]'"):
        read("s3://lake/docs")


def test_what_a_bucket_holds_is_counted_by_its_listing_alone(bucket: Bucket) -> None:
    fill(bucket)
    assert count_inputs(["s3://lake/docs"]).rows == 3
    bucket.put("docs/rows.jsonl", b"{}\n" * 10)
    assert count_inputs(["s3://lake/docs"]).open_ended
    assert not [key for method, key in bucket.asked if method == "GET" and key]
