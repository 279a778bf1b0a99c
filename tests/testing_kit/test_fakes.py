"""A user's test with a fake fleet: what it answers, what it counts, what it refuses."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from pydantic import BaseModel

from homa import Homa, JobFailed
from homa.testing import (
    Answer,
    ContentRefused,
    FakeCall,
    Overloaded,
    RateLimited,
    Refused,
    ServerError,
    UnexpectedCall,
    Unreachable,
    fake,
)
from homa.testing.script import Answers
from homa_shared.model.errors import BudgetExceeded
from homa_workers.middleware import CallNext, Completion, Request, around

LUNA, HAIKU = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"


class Invoice(BaseModel):
    number: str
    total: float


def test_patterns_choose_the_answer_and_the_first_that_fits_is_taken() -> None:
    answers = {"Summarise*": "short", re.compile("total|sum"): Invoice(number="7", total=1.5), "*": {"a": 1}}
    with fake(answers) as homa:
        assert homa.submit("Summarise: the total", model=LUNA).result(5).text == "short"
        assert homa.submit("What is the sum?", model=LUNA, schema=Invoice).result(5).parsed.total == 1.5
        assert homa.submit("Anything [else]", model=HAIKU).result(5).text == '{"a": 1}'
        assert [call.provider for call in homa.calls] == ["openai", "openai", "anthropic"]


def test_failures_are_retried_and_paid_as_in_production() -> None:
    answers = {"a*": [RateLimited(retry_after_s=600), Overloaded(), Unreachable(), "late"], "c*": Refused("no")}
    with fake(answers) as homa:
        reply = homa.submit("a", model=LUNA).result(5)
        assert (reply.text, len(homa.calls)) == ("late", 4), "nobody waits ten minutes for it"
        refused = homa.submit("c", model=LUNA)
        with pytest.raises(JobFailed, match="no"):
            refused.result(5)
        assert homa.cost_usd == reply.cost_usd


def test_a_fallback_answers_where_the_first_target_fails() -> None:
    def by_provider(call: FakeCall) -> object:
        return ContentRefused() if call.provider == "openai" else f"{call.provider} says so"

    with fake(by_provider) as homa:
        job = homa.submit("x", model=LUNA, fallbacks=[HAIKU], on_content_policy="reroute")
        assert job.result(5).text == "anthropic says so"
        homa.assert_called(model="openai:*", times=1)
        homa.assert_called(model="anthropic:*", times=1)


def test_what_may_have_been_paid_stays_open_in_the_ledger() -> None:
    with fake({"*": [ServerError(), "then"]}) as homa:
        assert homa.submit("x", model=LUNA, max_tokens=50).result(5).attempts == 2
        assert homa.unresolved_usd > 0


def test_usage_can_be_said_and_is_priced() -> None:
    with fake(Answer("x", input_tokens=1_000_000, output_tokens=0)) as homa:
        cost = homa.submit("x", model=LUNA).result(5).cost_usd
        assert cost is not None
        assert cost > Decimal("0.01")
        assert homa.cost_usd == cost


def test_tools_are_run_and_their_answers_sent() -> None:
    import homa as package

    @package.tool
    def double(n: int) -> int:
        """Twice a number."""
        return 2 * n

    with fake({"*": [Answer(tool_calls={"double": {"n": 4}}), "it is 8"]}) as homa:
        assert homa.submit("What is twice 4?", model=LUNA, run_tools=[double]).result(5).text == "it is 8"
        assert homa.calls[1].messages[-1]["content"] == "8"


def test_answers_are_streamed() -> None:
    with fake("one two  three") as homa:
        assert "".join(homa.stream("x", model=LUNA)) == "one two  three"


def test_vectors_depend_on_texts_alone_and_can_fail() -> None:
    with fake({"bad": Refused("not this one"), "*": "unused"}) as homa:
        one = homa.embed(["a", "b", "bad"], model="openai:text-embedding-3-small", dimensions=16)
        again = homa.embed(["b"], model="openai:text-embedding-3-small", dimensions=16)
        assert [len(vector) for vector in (one[0], one[1])] == [16, 16]
        assert one[1] == pytest.approx(again[0])
        assert list(one.errors) == [2]


def test_batches_and_clients_of_the_application_run_on_it() -> None:
    with fake("done") as homa:
        with Homa() as own:
            lines = list(own.submit_batch(["a", "b", "c"], model=LUNA).results())
        assert [line.reply.text for line in lines if line.reply] == ["done"] * 3
        homa.assert_submitted(times=3, lane="bulk")


def test_the_settings_limits_and_budgets_hold() -> None:
    settings = {
        "models": {"fast": {"target": LUNA}},
        "providers": {"openai": {"limits": {"rpm": 2}}},
        "budgets": {"day": {"cap_usd": "0.000001", "period": "day", "scope": "tenant"}},
    }
    with fake("ok", settings=settings) as homa:
        job = homa.submit("x", model="fast", tenant="acme", max_tokens=1000)
        with pytest.raises(BudgetExceeded, match="day@acme"):
            job.result(5)
    with fake("ok", settings={"providers": {"openai": {"limits": {"rpm": 2}}}}) as homa:
        jobs = [homa.submit(f"n{i}", model=LUNA) for i in range(8)]
        assert {job.result(5).text for job in jobs} == {"ok"}, "the clock jumps to where the limit lets them"


def failing(answers: Answers, *prompts: str) -> None:
    """A test whose last call is not expected."""
    with fake(answers) as homa:
        for prompt in prompts[:-1]:
            homa.submit(prompt, model=LUNA).result(5)
        job = homa.submit(prompts[-1], model=LUNA)
        with pytest.raises(JobFailed, match="wrote no answer down"):
            job.result(5)


def test_an_unexpected_call_fails_the_job_and_the_test() -> None:
    said = r"no pattern fits: openai:gpt-6-luna was asked 'Translate'.*'Summarise\*'"
    with pytest.raises(UnexpectedCall, match=said):
        failing({"Summarise*": "short"}, "Translate")
    with pytest.raises(UnexpectedCall, match="used up"):
        failing({"*": ["one"]}, "a", "b")
    with fake({}, strict=False) as homa:
        job = homa.submit("a", model=LUNA)
        with pytest.raises(JobFailed):
            job.result(5)


def broken() -> None:
    with fake({}) as homa:
        homa.submit("a", model=LUNA)
        homa.drain()
        raise ZeroDivisionError


def test_an_error_of_the_test_is_not_hidden_by_an_unexpected_call() -> None:
    with pytest.raises(ZeroDivisionError):
        broken()


def test_assertions_say_what_there_was() -> None:
    with fake("ok") as homa:
        homa.submit("One", model=LUNA, tenant="acme", tags={"team": "a"}).result(5)
        job = homa.submit("Two", model=HAIKU, delay_s=60)
        assert homa.assert_submitted("Two", model=HAIKU, state="due") == [job.id]
        homa.assert_submitted("One", tenant="acme", tags={"team": "a"}, times=1)
        said = r"expected 2 job with prompt 'T\*'.*found 1(.|\n)*'One' \(succeeded\)"
        with pytest.raises(AssertionError, match=said):
            homa.assert_submitted("T*", times=2)
        with pytest.raises(AssertionError, match=r"expected at least one call with prompt 'Two'"):
            homa.assert_called("Two")
        with pytest.raises(TypeError, match="colour"):
            homa.assert_submitted(colour="red")


@pytest.mark.parametrize(
    ("answers", "named"), [({"*": object()}, "no answer"), ({1: "x"}, "no pattern"), ({"*": [3.5]}, "3.5")]
)
def test_what_is_no_answer_is_refused_at_once(answers: object, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        fake(answers)  # type: ignore[arg-type]


def test_middleware_around_calls_is_tested_with_what_it_stands_around() -> None:
    @around(provider="openai")
    async def guard(request: Request, call_next: CallNext) -> Completion:
        if "secret" in request.messages[-1]["content"]:
            return request.answered("I would rather not.")
        return await call_next(
            request.replaced(messages=[{"role": "system", "content": "Be kind."}, *request.messages])
        )

    with fake("said", middleware=[guard]) as homa:
        refused = homa.submit("a secret", model=LUNA).result(5)
        assert (refused.text, refused.cost_usd, homa.calls) == ("I would rather not.", 0, [])
        assert homa.submit("a question", model=LUNA).result(5).text == "said"
        homa.submit("a secret", model=HAIKU).result(5)
        assert [(call.provider, len(call.messages)) for call in homa.calls] == [("openai", 2), ("anthropic", 1)]
