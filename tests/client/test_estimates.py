"""An estimate counts what `submit` and `submit_batch` would accept, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from homa import BudgetExceeded, Homa, InvalidRequest
from homa.testing import FakeHoma, fake
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"


@pytest.fixture(scope="module")
def homa() -> Iterator[FakeHoma]:
    with fake("ok") as made:
        yield made


def refusal(act: Any) -> str:
    with pytest.raises((InvalidRequest, BudgetExceeded)) as error:
        act()
    return str(error.value)


ONE: list[dict[str, Any]] = [{"key": 5}, {"key": ""}, {"budget_usd": "0.000000001"}, {"tenant": "a:b"}, {"lane": "x"}]


@pytest.mark.parametrize("options", ONE)
def test_what_submit_refuses_is_refused(homa: Homa, options: dict[str, Any]) -> None:
    told = refusal(lambda: homa.submit("x", model=MODEL, **options))
    assert refusal(lambda: homa.estimate("x", model=MODEL, **options)) == told


SHARED: list[dict[str, Any]] = [
    {"key": "k"},
    {"prompt": "zz"},
    {"at": datetime.now(UTC)},
    {"tenant": "a:b"},
    {"budget_usd": 0},
    {"max_tokens": 0},
]


@pytest.mark.parametrize("options", SHARED)
def test_what_submit_batch_refuses_of_all_is_refused(homa: Homa, options: dict[str, Any]) -> None:
    told = refusal(lambda: homa.submit_batch(["x"], model=MODEL, **options))
    assert refusal(lambda: homa.estimate(["x"], model=MODEL, **options)) == told.removeprefix("request 0: ")


LINES: list[list[Any]] = [
    [{"prompt": "x", "custom_id": "a"}, {"prompt": "y", "custom_id": "a"}],
    [{"prompt": "x", "custom_id": "1"}, {"prompt": "y", "custom_id": 1}],
    [{"prompt": "x", "custom_id": 1}, "y"],
    ["x", {"prompt": "y", "custom_id": "0"}],
    ["x", "y", {"prompt": "y", "custom_id": "a"}, {"prompt": "z", "custom_id": 1}],
    [{"prompt": "x", "key": "k"}],
    [{"prompt": "x", "title": None}],
    [{"prompt": "x", "metadata": {"a": "b" * 5000}}],
    [5],
    [""],
    [{"prompt": "x", "custom_id": "\ud800"}],
]


@pytest.mark.parametrize("lines", LINES)
def test_what_submit_batch_refuses_of_one_is_counted(homa: Homa, lines: list[Any]) -> None:
    told = refusal(lambda: homa.submit_batch(lines, model=MODEL))
    found = homa.estimate(lines, model=MODEL)
    assert (found.rows, found.bad_rows) == (len(lines), 1)
    assert found.first_bad is not None
    assert found.first_bad.partition(": ")[2] == told.partition(": ")[2]
    assert found.first_bad.startswith(f"request {len(lines) - 1}: ")


def test_numbers_and_names_that_are_not_those_of_others_go_together(homa: Homa) -> None:
    lines = [
        "x",
        {"prompt": "y", "custom_id": "a"},
        {"prompt": "z", "custom_id": "01"},
        "v",
        {"prompt": "w", "custom_id": 7},
    ]
    batch = homa.submit_batch(lines, model=MODEL)
    assert sorted(line.custom_id or "" for line in batch.results(timeout=PATIENCE_S)) == ["0", "01", "3", "7", "a"]
    assert homa.estimate(lines, model=MODEL).bad_rows == 0


def test_a_budget_that_one_call_may_exceed_makes_each_row_a_bad_one(homa: Homa) -> None:
    found = homa.estimate(["x", "y"], model=MODEL, budget_usd="0.000000001")
    assert (found.rows, found.bad_rows) == (2, 2)
    assert "one call of openai:gpt-6-luna may cost" in (found.first_bad or "")
    assert homa.estimate(["x", "y"], model=MODEL, budget_usd=5).bad_rows == 0


def test_the_name_of_a_batch_is_no_parameter_of_the_provider(homa: Homa) -> None:
    named: dict[str, Any] = {"name": "nightly"}
    assert homa.estimate(["x"], model=MODEL, **named).most_usd == homa.estimate(["x"], model=MODEL).most_usd


def test_media_are_not_uploaded_for_it(homa: Homa) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + b"x" * 100_000
    found = homa.estimate([{"prompt": "x", "images": [picture]}], model=MODEL)
    assert (found.rows, found.bad_rows) == (1, 0)
