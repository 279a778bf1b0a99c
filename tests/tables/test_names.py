"""A table with a name: a later call asks only what is missing, failed or changed, and takes up what was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from homa import InvalidRequest, JobCancelled
from homa.client.tables import run as table_run
from homa.testing import Answer, FakeCall, FakeHoma, Refused, fake
from homa_shared.model.errors import BudgetExceeded
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op

LUNA, HAIKU = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"


def numbered() -> Callable[[FakeCall], object]:
    """Answers that tell one call from another."""
    calls = iter(range(10_000))
    return lambda call: f"{call.prompt} #{next(calls)}"


def answers(table: Any) -> list[Any]:
    return [row["answer"] for row in table]


def store_of(homa: FakeHoma) -> Store:
    settings = homa._context.settings
    return Store(StoreAddress.parse(str(settings.redis_url)), settings.namespace)


def test_a_second_run_asks_nobody() -> None:
    with fake(numbered()) as homa:
        texts = [f"t{n}" for n in range(250)]
        first = homa.map(texts, model=LUNA, name="labels")
        again = homa.map(texts, model=LUNA, name="labels")
        assert len(homa.calls) == 250
        assert answers(again) == answers(first)
        assert (first.reused, again.reused, again.batches) == (0, 250, [])
        assert first.kept_s == again.kept_s == 7 * 24 * 3600
        assert again.cost_usd == first.cost_usd == homa.cost_usd


def test_only_new_and_changed_rows_are_asked_wherever_they_stand() -> None:
    with fake(numbered()) as homa:
        first = homa.map(["a", "b", "c"], model=LUNA, name="labels")
        again = homa.map(["c", "B", "a", "d"], model=LUNA, name="labels")
        assert [call.prompt for call in homa.calls] == ["a", "b", "c", "B", "d"]
        assert answers(again)[0] == answers(first)[2]
        assert answers(again)[2] == answers(first)[0]
        assert again.reused == 2


def test_columns_that_the_prompt_does_not_name_change_nothing() -> None:
    with fake("ok") as homa:
        homa.map([{"text": "a", "id": 1}], prompt="{{text}}", model=LUNA, name="labels")
        table = homa.map([{"text": "a", "id": 2}], prompt="{{text}}", model=LUNA, name="labels")
        assert (table[0]["id"], table.reused, len(homa.calls)) == (2, 1, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": "Say {{text}}"},
        {"system": "Be brief."},
        {"temperature": 0.5},
        {"schema": {"type": "object"}},
        {"model": HAIKU},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_order_is_asked_anew(changed: dict[str, Any]) -> None:
    with fake({"*": "{}"}) as homa:
        options: dict[str, Any] = {"model": LUNA, "name": "labels"}
        homa.map(["a"], **options)
        assert homa.map(["a"], **{**options, **changed}).reused == 0
        assert homa.map(["a"], **options).reused == 1, "the first order's answers are still there"
        assert len(homa.calls) == 2


@pytest.mark.parametrize("beside", [{"lane": "high"}, {"tags": {"team": "a"}}, {"deadline_s": 60}, {"budget_usd": 5}])
def test_what_no_answer_depends_on_is_not_part_of_the_order(beside: dict[str, Any]) -> None:
    with fake("ok") as homa:
        homa.map(["a"], model=LUNA, name="labels")
        assert homa.map(["a"], model=LUNA, name="labels", **beside).reused == 1


def test_names_and_tenants_are_apart() -> None:
    with fake("ok") as homa:
        for name, tenant in (("one", ""), ("two", ""), ("one", "acme"), ("one", "")):
            homa.map(["a"], model=LUNA, name=name, tenant=tenant)
        assert len(homa.calls) == 3


def test_equal_rows_are_asked_once_each_and_keep_their_answers() -> None:
    with fake(numbered()) as homa:
        first = homa.map(["a", "a", "b", "a"], model=LUNA, name="samples")
        assert len(set(answers(first))) == 4
        again = homa.map(["a", "a", "a", "a", "b"], model=LUNA, name="samples")
        assert again.reused == 4
        assert answers(again)[:3] == [answers(first)[at] for at in (0, 1, 3)]


def test_what_failed_is_tried_anew_and_what_fails_again_once_more() -> None:
    with fake({"bad": [Refused("no"), Refused("no"), "better"], "*": "ok"}) as homa:
        runs = [homa.map(["good", "bad"], model=LUNA, name="labels") for _ in range(4)]
        assert [len(table.failures) for table in runs] == [1, 1, 0, 0]
        assert [table.reused for table in runs] == [0, 1, 1, 2]
        assert len(homa.calls) == 4


def test_a_retry_under_a_name_is_found_by_later_runs() -> None:
    with fake({"bad": [Refused("no"), "better"], "*": "ok"}) as homa:
        assert answers(homa.map(["good", "bad"], model=LUNA, name="labels").retry()) == ["ok", "better"]
        assert homa.map(["good", "bad"], model=LUNA, name="labels").reused == 2
        assert len(homa.calls) == 3


def test_a_row_that_somebody_else_retried_has_that_answer() -> None:
    with fake({"bad": [Refused("no"), "better"], "*": "ok"}) as homa:
        table = homa.map(["bad"], model=LUNA, name="labels")
        homa.job(table.failures[0].error.job_id).retry().result(5)
        assert answers(homa.map(["bad"], model=LUNA, name="labels")) == ["better"]
        assert len(homa.calls) == 2


def interrupted(texts: list[str], at: int, error: type[BaseException] = KeyboardInterrupt) -> Iterator[str]:
    for n, text in enumerate(texts):
        if n == at:
            raise error
        yield text


def test_an_interrupted_submission_goes_on_where_it_was() -> None:
    texts = [f"t{n}" for n in range(250)]
    with fake(numbered()) as homa:
        with pytest.raises(KeyboardInterrupt) as raised:
            homa.map(interrupted(texts, 220), model=LUNA, name="labels", delay_s=3600)
        assert raised.value.__notes__ == ["table 'labels' is paused: the same call goes on with it"]
        (batch,) = homa.batches()
        assert (batch.state, batch.paused) == ("open", True)
        homa.advance(3601)
        assert homa.calls == [], "nothing is paid while it is paused"
        table = homa.map(texts, model=LUNA, name="labels")
        assert len(homa.calls) == 250
        assert table.cost_usd == homa.cost_usd
        assert table.reused <= 220, "rows of the first call may be answered while the second one still looks for them"
        assert [row["answer"].partition(" ")[0] for row in table] == texts
        assert len(list(homa.batches())) == 2
        assert all(batch.state == "complete" for batch in homa.batches())


def test_an_interrupted_wait_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"t{n}" for n in range(20)]

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with fake(numbered()) as homa:
        with monkeypatch.context() as patch:
            patch.setattr("homa.drivers.blocking.time.sleep", interrupt)
            with pytest.raises(KeyboardInterrupt):
                homa.map(texts, model=LUNA, name="labels", delay_s=3600)
        homa.advance(3601)
        assert len(homa.map(texts, model=LUNA, name="labels")) == len(homa.calls) == 20
        assert len(list(homa.batches())) == 1, "nothing was left to submit"


def test_without_a_name_an_interrupted_table_is_cancelled() -> None:
    with fake("ok") as homa:
        with pytest.raises(KeyboardInterrupt) as raised:
            homa.map(interrupted(["a"] * 250, 220), model=LUNA, delay_s=3600)
        assert "was cancelled" in raised.value.__notes__[0]
        homa.advance(3601)
        assert homa.calls == []


def test_another_order_ends_what_the_interrupted_one_had_not_begun(caplog: pytest.LogCaptureFixture) -> None:
    texts = [f"t{n}" for n in range(120)]
    with fake("ok") as homa:
        with pytest.raises(KeyboardInterrupt):
            homa.map(interrupted(texts, 110), model=LUNA, name="labels", delay_s=3600)
        with caplog.at_level("WARNING", "homa"):
            homa.map(["a"], prompt="Other: {{text}}", model=LUNA, name="labels")
        assert "of another order had the name 'labels': it is cancelled" in caplog.text
        homa.advance(3601)
        assert [call.prompt for call in homa.calls] == ["Other: a"]
        table = homa.map(texts, model=LUNA, name="labels")
        assert (table.failures, len(homa.calls)) == ([], 121)


def test_rows_of_a_cancelled_batch_are_asked_anew() -> None:
    with fake("ok") as homa:
        with pytest.raises(KeyboardInterrupt):
            homa.map(interrupted(["a"] * 250, 220), model=LUNA, name="labels", delay_s=3600)
        (batch,) = homa.batches()
        homa.batch(batch.id).cancel()
        table = homa.map(["a"] * 250, model=LUNA, name="labels")
        assert (len(table), table.failures, len(homa.calls)) == (250, [], 250)


def test_a_batch_that_is_cancelled_while_it_is_waited_for_leaves_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake("ok") as homa:

        def cancel(_: float) -> None:
            for batch in homa.batches():
                homa.batch(batch.id).cancel()

        with monkeypatch.context() as patch:
            patch.setattr("homa.drivers.blocking.time.sleep", cancel)
            table = homa.map(["a", "b"], model=LUNA, name="labels", delay_s=3600)
        assert [type(failure.error) for failure in table.failures] == [JobCancelled] * 2


def test_a_budget_counts_what_earlier_runs_of_the_name_spent() -> None:
    with fake(Answer("ok", input_tokens=1000, output_tokens=100)) as homa:
        first = homa.map(["a", "b"], model=LUNA, name="labels", max_tokens=100, budget_usd="0.001")
        assert first.failures == []
        spent = first.cost_usd
        again = homa.map(["a", "b"], model=LUNA, name="labels", max_tokens=100, budget_usd=spent)
        assert again.reused == 2, "what is answered needs no budget"
        short = homa.map(["a", "b", "c"], model=LUNA, name="labels", max_tokens=100, budget_usd=spent)
        (failure,) = short.failures
        assert (failure.index, type(failure.error)) == (2, BudgetExceeded)
        with pytest.raises(BudgetExceeded, match=r"of which earlier runs left 0\.00: raise it"):
            homa.map(["c"], model=LUNA, name="labels", max_tokens=100, budget_usd=spent)
        homa.map([f"t{n}" for n in range(60)], model=LUNA, name="labels", max_tokens=100, budget_usd="0.002")
        assert spent < homa.cost_usd <= Decimal("0.002")


def test_a_budget_waits_for_what_goes_on_before_it_is_parted() -> None:
    with fake(Answer("ok", input_tokens=1000, output_tokens=100)) as homa:
        texts = [f"t{n}" for n in range(150)]
        with pytest.raises(KeyboardInterrupt):
            homa.map(interrupted(texts, 110), model=LUNA, name="labels", max_tokens=100, budget_usd="0.003", delay_s=60)
        homa.advance(61)
        table = homa.map(texts, model=LUNA, name="labels", max_tokens=100, budget_usd="0.003")
        assert 0 < homa.cost_usd <= Decimal("0.003")
        assert "of which earlier runs left" in str(table.failures[-1].error)


def test_keys_alone_keep_a_row_from_being_asked_twice() -> None:
    """Another run of the name may submit a row between this one's look and its own submission."""
    with fake({"bad": Refused("no"), "*": "ok"}) as homa:
        homa.map(["a", "bad"], model=LUNA, name="labels")
        store = store_of(homa)
        assert store.run(Op((("DEL", store.keys.own("table", ":labels")),), lambda replies: replies[0])) == 1
        table = homa.map(["a", "b", "bad"], model=LUNA, name="labels")
        assert answers(table) == ["ok", "ok", None]
        assert (table.reused, len(table.failures), len(homa.calls)) == (1, 1, 3)
        view = store.run(reads.batch(store.keys, table.batches[0]))
        assert view is not None
        assert (view.state, view.total) == ("complete", 1)
        store.close()


def test_rows_whose_batch_the_store_forgot_are_failures_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake("ok") as homa:
        store = store_of(homa)

        def forget(_: float) -> None:
            for batch in store.run(reads.batches(store.keys)):
                store.run(Op((("DEL", store.keys.batch(batch)),), lambda _: None))

        with monkeypatch.context() as patch:
            patch.setattr("homa.drivers.blocking.time.sleep", forget)
            table = homa.map(["a"], model=LUNA, delay_s=3600)
        assert "its retention has ended, or it was purged" in str(table.failures[0].error)
        store.close()


def test_no_more_than_a_bounded_part_of_the_rows_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_run, "IN_FLIGHT", 200)
    most = 0
    with fake("ok") as homa:
        store = store_of(homa)

        def rows() -> Iterator[str]:
            nonlocal most
            for n in range(1500):
                if n % 50 == 0:
                    counters = store.run(Op((("HGETALL", store.keys.counters()),), lambda replies: replies[0]))
                    most = max(most, int(counters.get(b"live", 0)))
                yield f"t{n}"

        assert len(homa.map(rows(), model=LUNA)) == 1500
        store.close()
    assert most <= 300


def test_a_failing_iterable_pauses_a_table_with_a_name() -> None:
    with fake("ok") as homa:
        with pytest.raises(ZeroDivisionError) as raised:
            homa.map(interrupted(["a"] * 300, 250, ZeroDivisionError), model=LUNA, name="labels")
        assert raised.value.__notes__ == ["table 'labels' is paused: the same call goes on with it"]
        assert homa.map(["a"] * 300, model=LUNA, name="labels").failures == []
        assert len(homa.calls) == 300


def test_nothing_is_left_to_be_paused_where_nothing_was_submitted() -> None:
    with fake("ok") as homa:
        with pytest.raises(InvalidRequest) as raised:
            homa.map([{"a": 1}, {"a": 2}], prompt="{{b}}", model=LUNA, name="labels")
        assert not hasattr(raised.value, "__notes__")


def test_two_runs_of_a_name_at_once_ask_each_row_once() -> None:
    """The second takes the first one's batch for that of a run which is gone; the first goes on in another."""
    texts = [f"t{n}" for n in range(300)]
    with fake(numbered()) as homa:
        seconds: list[list[Any]] = []

        def rows() -> Iterator[str]:
            for n, text in enumerate(texts):
                if n in (150, 250):
                    seconds.append(answers(homa.map(texts[: n + 20], model=LUNA, name="labels")))
                yield text

        first = homa.map(rows(), model=LUNA, name="labels", budget_usd=5)
        assert len(homa.calls) == 300
        assert [answers(first)[: len(second)] for second in seconds] == seconds
        assert all(batch.state == "complete" for batch in homa.batches())
