"""Parquet: typed columns in row groups, made from a journal that survives kill -9."""

from __future__ import annotations

import builtins
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from homa.files import Answered, HomaPart, Unanswered, done, open_output, result_line
from homa.files.writers import parquet
from homa.files.writers.journaled import journal_path
from homa_shared.model.errors import InvalidRequest, MissingExtra

SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "items": {"type": "array"}, "paid": {"type": "boolean"}},
}


def good(custom_id: str, text: str = '{"total": 5, "items": ["a"], "paid": true}') -> dict[str, Any]:
    part = HomaPart("j", "openai", "m", 1, 1_230_000, False, 1, 2)
    return result_line(custom_id, Answered({"choices": [{"message": {"content": text}}]}, part))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def test_columns_have_types_and_money_is_exact(path: Path) -> None:
    with open_output(str(path), columns=["name"], schema=SCHEMA) as results:
        results.write(good("t1"), {"name": "Ada", "extra": 1})
        results.write(result_line("t2", Unanswered("expired", "late")), {"name": {"a": 1}})
    assert results.left_out == {"extra"}
    table = pq.read_table(path)
    assert table.schema.field("total").type == pa.float64()
    assert table.schema.field("paid").type == pa.bool_()
    assert table.to_pylist()[0] == {
        "custom_id": "t1",
        "name": "Ada",
        "total": 5.0,
        "items": '["a"]',
        "paid": True,
        "text": None,
        "error": None,
        "homa_job": "j",
        "homa_provider": "openai",
        "homa_model": "m",
        "homa_finish_reason": None,
        "homa_attempts": 1,
        "homa_cost_usd": Decimal("0.001230000"),
        "homa_cached": False,
        "homa_queued_ms": 1,
        "homa_latency_ms": 2,
        "homa_row": None,
        "homa_order": None,
    }
    second = table.to_pylist()[1]
    assert (second["name"], second["total"], second["error"]) == ('{"a": 1}', None, "expired: late")


def test_rows_are_written_in_groups(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 2)
    with open_output(str(path)) as results:
        for number in range(5):
            results.write(good(str(number)))
    assert pq.ParquetFile(path).num_row_groups == 3
    assert pq.read_table(path)["custom_id"].to_pylist() == list("01234")


def test_a_killed_run_goes_on_from_its_journal(path: Path) -> None:
    killed = open_output(str(path), columns=["name"])
    killed.write(good("a"), {"name": "Ada"})
    killed.write(result_line("b", Unanswered("overloaded", "busy")), {"name": "Bob"})
    assert not path.exists()
    killed._journal._output._stream.close()  # type: ignore[attr-defined]  # as a kill does
    with journal_path(path).open("ab") as journal:
        journal.write(b'{"custom_id": "torn')
    assert "a" in done(str(path))
    with pytest.raises(InvalidRequest, match="exists: use --resume"):
        open_output(str(path), columns=["name"])
    resumed = open_output(str(path), columns=["name"], resume=True)
    assert len(resumed.done) == 1
    resumed.write(good("b"), {"name": "Bob"})
    resumed.close(finished=True)
    assert [(row["custom_id"], row["name"]) for row in pq.read_table(path).to_pylist()] == [("a", "Ada"), ("b", "Bob")]


def test_the_journal_goes_when_nothing_is_left_to_resume(path: Path) -> None:
    results = open_output(str(path))
    results.write(good("a"))
    results.close(finished=True)
    results.close(finished=True)
    assert not journal_path(path).exists()
    with pytest.raises(InvalidRequest, match="exists: use --resume"):
        open_output(str(path))
    with open_output(str(path), force=True) as results:
        results.write(good("b"))
    assert pq.read_table(path)["custom_id"].to_pylist() == ["b"]


def test_no_other_run_resumes_while_the_table_is_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it added to the journal would go with the journal."""
    make = parquet.rewrite_parquet
    refused: list[str] = []

    def make_while_another_resumes(*parts: Any) -> None:
        with pytest.raises(InvalidRequest) as told:
            open_output(str(path), resume=True)
        refused.append(str(told.value))
        make(*parts)

    monkeypatch.setattr(parquet, "rewrite_parquet", make_while_another_resumes)
    results = open_output(str(path))
    results.write(good("a"))
    results.close(finished=True)
    assert "is being written by another run" in refused[0]


def test_the_journal_stays_while_an_input_has_failed(path: Path) -> None:
    results = open_output(str(path))
    results.write(result_line("a", Unanswered("overloaded", "busy")))
    results.close(finished=True)
    assert journal_path(path).exists()
    with open_output(str(path), resume=True) as results:
        results.write(good("a"))
    assert pq.read_table(path)["error"].to_pylist() == [None]


def test_a_run_without_a_line_makes_an_empty_table(path: Path) -> None:
    open_output(str(path)).close(finished=True)
    assert pq.read_table(path).num_rows == 0


def test_standard_output_gets_a_whole_parquet_file() -> None:
    out = io.BytesIO()
    with open_output("-", "parquet", stdout=out) as results:
        results.write(good("a", "half a pair: \ud83d"))
    results.close()
    assert pq.read_table(io.BytesIO(out.getvalue()))["text"].to_pylist() == ["half a pair: \ufffd"]


def test_without_pyarrow_the_install_line_is_named_before_anything_is_done(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtra, match=r"homa-queue\[documents\]"):
        open_output(str(path))
    assert not journal_path(path).exists()


def test_a_number_beyond_64_bits_comes_back_digit_by_digit(path: Path) -> None:
    with open_output(str(path), columns=["n", "x"]) as results:
        results.write(good("a"), {"n": 12345678901234567890123, "x": 1.5})
        results.write(good("b"), {"n": 1, "x": "y"})
    assert [(row["n"], row["x"]) for row in pq.read_table(path).to_pylist()] == [
        ("12345678901234567890123", "1.5"),
        ("1", "y"),
    ]
