"""JSON Lines and OpenAI batch files: a bad line spoils itself only."""

from __future__ import annotations

import json
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from homa.files import BadRow, ReadOptions, Row, open_inputs
from homa.files.readers.lines import Text


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("a.jsonl")


def read(path: Path, content: str | bytes, id_column: str | None = None, **options: Any) -> list[Row | BadRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_inputs([str(path)], options=ReadOptions(**options), id_column=id_column))


def test_a_line_is_a_row_with_its_fields(path: Path) -> None:
    assert read(path, '{"id": "t1", "text": "hello", "n": 3}\n') == [
        Row("t1", "a.jsonl", 1, "hello", {"id": "t1", "text": "hello", "n": 3})
    ]


def test_blank_lines_are_passed_over_but_counted(path: Path) -> None:
    rows = read(path, '\n{"text": "a"}\r\n   \n{"text": "b"}')
    assert [row.custom_id for row in rows] == ["a.jsonl:2", "a.jsonl:4"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(path: Path) -> None:
    assert [row.custom_id for row in read(path, "\ufeff" + '{"id": "x"}\n')] == ["x"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{broken", "is not valid JSON"),
        (b'{"text": "torn', "is not valid JSON: "),
        (b"[1, 2]", "is an array: expected a JSON object"),
        (b'"words"', "is a string: expected"),
        (b"7", "is a number: expected"),
        (b"1.5", "is a number: expected"),
        (b"true", "is a boolean: expected"),
        (b"null", "is null: expected"),
        (b'{"text": "Gr\xfc\xdfe"}', "is not valid utf-8: byte 0xfc"),
        (b'{"text": "a\0b"}', "is not valid JSON"),
        (b'{"text": "\\ud800"}', "is not valid JSON"),
        (b'{"n": 1' + b"0" * 5000 + b"}", "is not valid JSON"),
        (b"x" * 300, "is longer than 200 bytes"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_others_go_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, told: str
) -> None:
    limit_bytes = 200 if line.startswith(b"x") else 10_000
    monkeypatch.setattr(Text, "lines", partial_method(Text.lines, limit_bytes))
    first, bad, last = read(path, b'{"id": "1"}\n' + line + b'\n{"id": "3"}\n')
    assert (first.custom_id, last.custom_id) == ("1", "3")
    assert isinstance(bad, BadRow)
    assert (bad.custom_id, bad.line) == ("a.jsonl:2", 2)
    assert told in bad.error
    assert str(bad) == f"a.jsonl:2: {bad.error}"


def test_a_deep_line_with_a_large_number_does_not_cost_the_others(path: Path) -> None:
    """Large numbers are read by the standard library, whose bound on nesting is its release's own."""
    deep = b'{"n": 1' + b"0" * 30 + b', "text": ' + b"[" * 1010 + b"]" * 1010 + b"}"
    first, row, last = read(path, b'{"id": "1"}\n' + deep + b'\n{"id": "3"}\n')
    assert (first.custom_id, last.custom_id) == ("1", "3")
    assert row.line == 2
    assert isinstance(row, Row) or "nests" in row.error


def test_no_two_rows_good_or_bad_have_one_id(path: Path) -> None:
    """They would share a line of the results, and an answer that was paid would have none."""
    found = read(path, b'7\n{"id": "a.jsonl:1"}\n{"id": "a.jsonl:4"}\n7\n')
    assert [row.custom_id for row in found] == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:4", "a.jsonl:4 (2)"]
    assert [isinstance(row, Row) for row in found] == [False, False, True, False]


def partial_method(method: Any, limit_bytes: int) -> Any:
    return lambda self: partial(method, self)(limit_bytes)


def test_a_line_longer_than_the_read_buffer_is_no_fault(path: Path) -> None:
    (row,) = read(path, json.dumps({"text": "x" * 1_000_000}))
    assert isinstance(row, Row)
    assert row.text == "x" * 1_000_000


def test_the_default_id_is_custom_id_then_id_then_the_line(path: Path) -> None:
    lines = [
        '{"id": 1, "custom_id": "c"}',
        '{"id": 2}',
        '{"id": null}',
        '{"id": ""}',
        '{"id": {"a": 1}}',
        '{"id": true}',
    ]
    assert [row.custom_id for row in read(path, "\n".join(lines))] == ["c", "2", *(f"a.jsonl:{n}" for n in range(3, 7))]


def test_an_integer_id_beyond_64_bits_stays_exact(path: Path) -> None:
    assert [row.custom_id for row in read(path, '{"id": 123456789012345678901234567890}')] == [
        "123456789012345678901234567890"
    ]


def test_the_id_column_can_be_named(path: Path) -> None:
    good, missing, wrong = read(path, '{"key": 7.5}\n{"other": 1}\n{"key": null}', id_column="key")
    assert good.custom_id == "7.5"
    assert isinstance(missing, BadRow)
    assert isinstance(wrong, BadRow)
    assert missing.error == "has no column 'key' (--id-column); its columns: other"
    assert wrong.error == "column 'key' is None: expected a string or a number as the id"


def test_documents_need_no_id_column(tmp_path: Path, path: Path) -> None:
    Path("a.txt").write_text("words")
    assert [row.custom_id for row in open_inputs(["a.txt"], id_column="key")] == ["a.txt"]


def test_a_repeated_id_is_a_bad_row_under_its_line(path: Path) -> None:
    first, second = read(path, '{"id": "a"}\n{"id": "a"}')
    assert isinstance(first, Row)
    assert isinstance(second, BadRow)
    assert second.custom_id == "a.jsonl:2"
    assert second.error.startswith("custom_id 'a' stands on an earlier row of this file too")


def test_an_id_that_a_row_of_another_file_has_is_qualified_by_its_file(path: Path) -> None:
    Path("a.jsonl").write_text('{"id": "a"}\n{"id": "b"}')
    Path("b.jsonl").write_text('{"id": "a"}\n{"id": "c"}\n{"id": "a"}')
    found = list(open_inputs(["a.jsonl", "b.jsonl"]))
    assert [row.custom_id for row in found] == ["a", "b", "b.jsonl#a", "c", "b.jsonl:3"]
    assert [type(row) for row in found] == [Row, Row, Row, Row, BadRow]


def test_a_text_field_that_is_no_string_is_json_text(path: Path) -> None:
    (row,) = read(path, '{"text": {"ä": [1]}}')
    assert isinstance(row, Row)
    assert row.text == '{"ä": [1]}'


def test_a_row_without_a_text_field_has_no_text(path: Path) -> None:
    (row,) = read(path, '{"question": "why"}')
    assert isinstance(row, Row)
    assert row.text is None
    assert row.columns == ["question", "path"]


@pytest.mark.parametrize("content", [b"\n \n", b"\xef\xbb\xbf"])
def test_a_file_without_lines_is_a_bad_row(path: Path, content: bytes) -> None:
    (bad,) = read(path, content)
    assert str(bad) == "a.jsonl: is empty"


def test_lines_in_another_encoding_are_decoded_one_by_one(path: Path) -> None:
    good, bad, last = read(path, b'{"text": "\xfc"}\n{"text": "\x81"}\n{"text": "z"}', encoding="cp1252")
    assert isinstance(good, Row)
    assert good.text == "ü"
    assert isinstance(bad, BadRow)
    assert "byte 0x81" in bad.error
    assert isinstance(last, Row)


def test_broken_json_in_another_encoding_is_told(path: Path) -> None:
    (bad,) = read(path, b'{"text": "\xfc"', encoding="cp1252")
    assert isinstance(bad, BadRow)
    assert "is not valid JSON" in bad.error


def test_utf_16_lines_are_read_up_to_a_fault(path: Path) -> None:
    good = '{"text": "ü"}\n{"text": "ਊ"}\n'.encode("utf-16-le")  # U+0A0A is full of bytes 10
    first, second, bad = read(path, good + b"{\0\0\xdc}\0\n\0", encoding="utf-16-le")
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.text, second.text) == ("ü", "ਊ")
    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert "the rest of the file is not read" in bad.error


def batch_line(**changes: Any) -> str:
    body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
    line = {"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps({**line, **changes})


def test_a_batch_line_carries_its_request_as_it_stands(path: Path) -> None:
    assert read(path, batch_line()) == [
        Row(
            "r1",
            "a.jsonl",
            1,
            None,
            {},
            {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "hi"}], "temperature": 0},
        )
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"custom_id": None}, "custom_id None: expected a string"),
        ({"method": "GET"}, "method 'GET': expected 'POST'"),
        ({"url": "/v1/embeddings"}, "url '/v1/embeddings': expected '/v1/chat/completions'"),
        ({"body": {"model": "m"}}, "body.messages None: expected a list"),
        ({"body": {"messages": []}}, "body.messages []: expected a list"),
        ({"body": {"messages": ["hi"]}}, "body.messages ['hi']: expected a list"),
        ({"body": {"messages": [{}], "model": 5}}, "body.model 5: expected a string"),
    ],
)
def test_a_bad_batch_line_is_told(path: Path, changes: dict[str, Any], told: str) -> None:
    (bad,) = read(path, batch_line(**changes))
    assert isinstance(bad, BadRow)
    assert told in bad.error


def test_the_same_custom_id_twice_in_a_batch_file_is_told(path: Path) -> None:
    assert [type(row) for row in read(path, batch_line() + "\n" + batch_line())] == [Row, BadRow]


def test_a_table_that_only_looks_like_a_batch_file_is_a_table(path: Path) -> None:
    (row,) = read(path, batch_line(body="text"))
    assert isinstance(row, Row)
    assert row.request is None


def test_200_000_lines_are_streamed_in_bounded_memory(path: Path) -> None:
    with path.open("w") as out:
        out.writelines(f'{{"id": "ticket-{n}", "text": "{"please summarise " * 10}"}}\n' for n in range(200_000))
    size_bytes = path.stat().st_size
    tracemalloc.start()
    try:
        count = sum(isinstance(row, Row) for row in open_inputs([str(path)]))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert size_bytes > 35_000_000
    # Nearly all of it are the ids' digests.
    assert peak_bytes < 24_000_000
