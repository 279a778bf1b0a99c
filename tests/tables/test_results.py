"""What `map` makes of rows: their order, their columns, their answers and failures beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal

import pytest
from pydantic import BaseModel

from homa import InvalidRequest, JobFailed, UnknownModel
from homa.testing import Answer, FakeCall, Refused, fake
from homa_shared.model.errors import BudgetExceeded

LUNA = "openai:gpt-6-luna"


class Label(BaseModel):
    label: str
    sure: bool
    parts: list[str]


def echo(call: FakeCall) -> object:
    return f"<{call.prompt}>"


def test_answers_stand_in_the_order_of_their_rows_however_they_end() -> None:
    with fake(echo) as homa:
        table = homa.map([f"text {n}" for n in range(330)], prompt="Say {{text}}", model=LUNA)
        assert [row["answer"] for row in table] == [f"<Say text {n}>" for n in range(330)]
        assert table[7] == next(row for row in table if row["text"] == "text 7")
        assert [row["text"] for row in table[-2:]] == ["text 328", "text 329"]
        assert len(table) == 330
        assert table.cost_usd == homa.cost_usd > 0
        assert len(homa.calls) == 330


def test_a_row_keeps_its_own_columns_and_a_schema_adds_its_fields() -> None:
    answer = {"label": "good", "sure": True, "parts": ["a", "b"]}
    with fake({"*": answer}) as homa:
        table = homa.map([{"id": 7, "text": "fine"}], prompt="Judge {{text}}", schema=Label, model=LUNA)
    columns = ["id", "text", "label", "sure", "parts", "answer", "error", "homa_job", "homa_model", "homa_cost_usd"]
    assert table.columns == columns
    (row,) = table
    assert {name: row[name] for name in columns[:7]} == {
        "id": 7,
        "text": "fine",
        **answer,
        "answer": None,
        "error": None,
    }
    assert row["homa_model"] == LUNA
    assert isinstance(row["homa_cost_usd"], Decimal)


def test_no_column_of_a_row_is_overwritten() -> None:
    rows = [{"text": "a", "answer": "mine", "reply_answer": "mine too", "label": "known", "model": "a column"}]
    with fake({"*": {"label": "good", "sure": True, "parts": []}}) as homa:
        table = homa.map(rows, prompt="Judge {{text}} {{model}}", schema=Label, model=LUNA)
        homa.assert_called("Judge a a column", model=LUNA, times=1)
    (row,) = table
    assert {name: row[name] for name in rows[0]} == rows[0]
    assert (row["reply_label"], row["reply_reply_answer"]) == ("good", None)


def test_what_does_not_fit_the_schemas_columns_is_kept_as_text() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    with fake({"*": '{"n": 1, "more": "words"}'}) as homa:
        (row,) = homa.map(["a"], schema=schema, model=LUNA)
    assert (row["n"], row["answer"]) == (1, '{"n": 1, "more": "words"}')


def test_a_failure_is_a_value_with_its_row_and_the_others_have_their_answers() -> None:
    with fake({"*bad*": Refused("not that"), "*": "ok"}) as homa:
        table = homa.map([{"text": "good"}, {"text": "bad"}, {"text": ""}, {"other": 1}], model=LUNA)
        (refused, empty, lacking) = table.failures
        assert len(homa.calls) == 2
    assert [failure.index for failure in table.failures] == [1, 2, 3]
    assert (refused.row, type(refused.error)) == ({"text": "bad"}, JobFailed)
    assert "not that" in str(refused.error)
    assert "empty" in str(empty.error)
    assert "has no column 'text'" in str(lacking.error)
    assert [row["answer"] for row in table] == ["ok", None, None, None]
    assert table[1]["error"] == "invalid_request: not that"
    assert table[1]["homa_job"] == refused.error.job_id
    assert repr(table) == f"<Table: 4 rows, 3 failed, ${table.cost_usd.normalize():f}>"


def test_retry_does_the_failed_rows_anew_and_no_others() -> None:
    with fake({"bad": [Refused("no"), "better"], "worse": [Refused("no"), Refused("still no")], "*": "ok"}) as homa:
        table = homa.map(["good", "bad", "worse"], model=LUNA)
        assert [failure.index for failure in table.failures] == [1, 2]
        assert table.retry() is table
        assert [row["answer"] for row in table] == ["ok", "better", None]
        assert [failure.index for failure in table.failures] == [2]
        homa.assert_called("good", times=1)
        assert table.cost_usd == homa.cost_usd
        assert len(table.batches) == 2


def test_retry_of_a_table_without_failures_asks_nobody() -> None:
    with fake("ok") as homa:
        table = homa.map(["a"], model=LUNA).retry()
        assert (len(homa.calls), len(table.batches), table[0]["answer"]) == (1, 1, "ok")


def test_options_are_those_of_a_batch() -> None:
    with fake("ok") as homa:
        homa.map(
            ["a"], model=LUNA, system="Be brief.", max_tokens=7, tenant="acme", tags={"team": "x"}, verbosity="low"
        )
        (call,) = homa.calls
        homa.assert_submitted("a", tenant="acme", lane="bulk", custom_id="0", times=1)
    assert call.messages[0] == {"role": "system", "content": "Be brief."}
    assert call.params["verbosity"] == "low"


def test_a_budget_holds_over_the_table() -> None:
    with fake(Answer("ok", input_tokens=1000, output_tokens=100)) as homa:
        with pytest.raises(BudgetExceeded, match="lower max_tokens, or raise the budget"):
            homa.map(["a", "b"], model=LUNA, budget_usd="0.0000001")
        assert homa.calls == []
        table = homa.map(["a"] * 50, model=LUNA, max_tokens=100, budget_usd="0.0003")
        assert 0 < table.cost_usd <= Decimal("0.0003")
        assert {type(failure.error).__name__ for failure in table.failures} == {"JobOverBudget"}


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ("one text", {}, "rows is 'one text': expected a table, or a list of rows"),
        ({"text": ["a"]}, {}, "expected a table, or a list of rows"),
        (io.StringIO("a"), {}, "rows is an open file .*expected rows, such as map"),
        (7, {}, "rows is 7: expected texts, mappings"),
        ([["a", "b"]], {}, r"row 0 is \['a', 'b'\]: expected text, a mapping of columns, or a table"),
        (["a", 7], {}, "row 1 is 7: expected text"),
        (
            ["a", "b"],
            {"prompt": "Classify: {text}"},
            "prompt names no field.*did you mean {{text}} where it says {text}",
        ),
        (
            [{"body": "a"}, {"body": "b"}],
            {"prompt": "{{boddy}}"},
            "uses {{boddy}}: known here are body; did you mean {{body}}",
        ),
        ([{"body": "a"}], {}, "uses {{text}}: known here are body"),
        (["a"], {"prompt": 7}, "prompt is 7: expected a template"),
        (["a"], {"key": "k"}, "key has no place in map"),
        (["a"], {"messages": []}, "messages has no place in map"),
        (["a"], {"images": [b""]}, "images has no place in map"),
        (["a"], {"max_token": 7}, "did you mean 'max_tokens'"),
        (["a"], {"name": ""}, "name is '': expected text of 1 to 200 bytes"),
        (["a"], {"name": "a\nb"}, "without control characters"),
        (["a"], {"schema": 7}, "schema is 7"),
        (["a"], {"model": None}, "model is missing"),
        (["a"], {"budget_usd": "much"}, "budget_usd: 'much' is not an amount of money"),
    ],
)
def test_wrong_arguments_are_refused_by_name_before_anything_is_asked(
    rows: object, options: dict[str, object], said: str
) -> None:
    with fake("ok") as homa:
        with pytest.raises(InvalidRequest, match=said):
            homa.map(rows, **{"model": LUNA, **options})  # type: ignore[arg-type]
        assert homa.calls == []


def test_a_model_that_is_not_known_leaves_no_batch_behind() -> None:
    with fake("ok") as homa:
        with pytest.raises(UnknownModel):
            homa.map(["a"], model="nowhere:model")
        assert list(homa.batches()) == []


def test_what_refuses_every_row_is_raised_and_not_a_table_of_failures() -> None:
    asked: list[int] = []

    def rows() -> Iterator[str]:
        for n in range(1000):
            asked.append(n)
            yield "\ud800"

    with fake("ok") as homa:
        with pytest.raises(InvalidRequest, match=r"20 rows of 20: .*surrogates"):
            homa.map(rows(), model=LUNA)
        assert len(asked) < 300
        with pytest.raises(InvalidRequest, match="50 rows of 50: prompt is empty"):
            homa.map([""] * 50, model=LUNA)


@pytest.mark.parametrize("bad", [{"text": ""}, {"body": "a"}], ids=["empty", "without its column"])
@pytest.mark.parametrize("apart", [False, True])
def test_rows_that_cannot_be_sent_may_come_first_in_any_number(bad: dict[str, str], apart: bool) -> None:
    good = {"text": "a"}
    rows = [good, bad] * 40 if apart else [good] * 10 + [bad] * 40 + [good] * 30
    with fake("ok") as homa:
        table = homa.map(rows if apart or "text" not in bad else rows[10:], model=LUNA)
        assert {row["error"] is None for row in table if row.get("text")} == {True}
        assert len(table.failures) == 40


def test_one_row_may_have_a_prompt_without_fields() -> None:
    with fake("ok") as homa:
        assert homa.map(["a"], prompt="Say something", model=LUNA)[0]["answer"] == "ok"


def test_no_rows_are_an_empty_table() -> None:
    with fake("ok") as homa:
        table = homa.map([], model=LUNA)
        assert (list(table), table.failures, table.cost_usd, table.batches) == ([], [], 0, [])
