"""Answers by schema: checked, asked for again, paid for each time."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.calls.request import StepRules
from homa_shared.model.records import State
from homa_shared.store.operation import mapping, read
from tests.steps.cell import HAIKU, MINI, Cell, by_schema, reply_of

#: A model without structured output.
OLD = "openai:gpt-3.5-turbo"


def text_of(reply: dict[str, Any]) -> str:
    return str(reply["body"]["choices"][0]["message"]["content"])


async def test_an_answer_that_fits_takes_one_call(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("Who?", params=by_schema())
    reply = reply_of(await cell.ended(job))
    assert set(orjson.loads(text_of(reply))) == {"name", "age"}
    assert reply["steps"] == 1
    assert cell.simulator.stats.received == 1
    await cell.check_money(job)


async def test_an_answer_that_does_not_fit_is_asked_for_again_and_both_are_paid(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("[[say:no JSON]]", params=by_schema())
    view = await cell.ended(job)
    reply = reply_of(view)
    assert set(orjson.loads(text_of(reply))) == {"name", "age"}
    assert (reply["steps"], reply["attempts"]) == (2, 1)
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step", "succeeded"]
    assert reply["cost_nano"] + reply["prior_nano"] == view.job.cost_nano_usd == cell.bill_nano()
    lines = await cell.ledger()
    assert reply["usage"]["input_tokens"] == sum(line.input_tokens for line in lines)
    assert reply["usage"]["output_tokens"] == sum(line.output_tokens for line in lines)
    await cell.check_money(job)


async def test_what_the_steps_left_goes_with_the_end_of_the_job(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("[[say:no JSON]]", params=by_schema())
    await cell.ended(job)
    assert await cell.store.run(read((("EXISTS", cell.keys.steps(job)),), lambda r: r[0])) == 0


@pytest.mark.parametrize(
    "said",
    ['{"name": "Ada"}', '{"name": "Ada", "age": -1}', '{"name": "Ada", "age": 36, "more": 1}', "[1, 2]", '"Ada"'],
)
async def test_json_that_breaks_the_schema_is_asked_for_again(cell: Cell, said: str) -> None:
    await cell.worker()
    job = await cell.ask(f"[[say:{said}]]", params=by_schema())
    assert reply_of(await cell.ended(job))["steps"] == 2


async def test_after_its_tries_a_job_fails_as_malformed_and_its_last_reply_is_kept(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("Who?", params=by_schema(), targets=(OLD,))
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    reply = reply_of(view)
    assert reply["error"]["kind"] == "malformed"
    assert "after 3 tries" in reply["error"]["message"]
    assert text_of(reply)
    assert cell.simulator.stats.received == 3
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step", "step", "malformed"]
    assert await cell.breaker(OLD) == "closed"
    await cell.check_money(job)


async def test_the_number_of_tries_is_the_requests(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("[[say:no]]", params=by_schema(), steps=StepRules(content_retries=0))
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert cell.simulator.stats.received == 1
    await cell.check_money(job)


async def test_a_model_without_structured_output_is_asked_by_instruction(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask('[[say:{"name": "Ada", "age": 36}]]', params=by_schema(), targets=(OLD,))
    reply = reply_of(await cell.ended(job))
    assert orjson.loads(text_of(reply)) == {"name": "Ada", "age": 36}
    assert reply["steps"] == 1


async def test_a_code_fence_around_the_answer_is_taken_off(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask('[[say:```json\n{"name": "Ada", "age": 36}\n```]]', params=by_schema(), targets=(OLD,))
    assert orjson.loads(text_of(reply_of(await cell.ended(job)))) == {"name": "Ada", "age": 36}


async def test_a_model_that_the_settings_deny_schemas_is_asked_by_instruction(cell: Cell) -> None:
    (cell.home / "homa.toml").write_text(f'[models.plain]\ntarget = "{MINI}"\ncapabilities = ["tools"]\n')
    await cell.worker(HOMA_CONFIG=str(cell.home / "homa.toml"))
    job = await cell.ask("Who?", params=by_schema())
    view = await cell.ended(job)
    assert view.job.state is State.FAILED, "the simulator answers in words where no schema comes as a parameter"
    assert cell.simulator.stats.received == 3


async def test_a_refusal_is_not_asked_again(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("[[refuse]]", params=by_schema())
    view = await cell.ended(job)
    assert reply_of(view)["error"]["kind"] == "content_policy"
    assert cell.simulator.stats.received == 1
    await cell.check_money(job)


async def test_a_schema_that_is_none_is_refused_before_any_call(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("Who?", params=by_schema({"type": "objekt"}))
    view = await cell.ended(job)
    assert "no valid JSON schema" in reply_of(view)["error"]["message"]
    assert cell.simulator.stats.received == 0
    assert view.job.unresolved_nano_usd == 0


@pytest.mark.parametrize("address", [{}, {"$id": "https://example.com/a-part-of-its-own"}])
async def test_a_schema_never_makes_a_worker_fetch_an_address(cell: Cell, address: dict[str, str]) -> None:
    await cell.worker()
    part = {**address, "$ref": f"{cell.simulator.url}/healthz"}
    schema = {"type": "object", "properties": {"a": part}, "required": ["a"]}
    job = await cell.ask('[[say:{"a": 1}]]', params=by_schema(schema))
    view = await cell.ended(job)
    assert "which it does not hold" in reply_of(view)["error"]["message"]
    await cell.check_money(job)


async def test_a_streamed_answer_is_checked_at_its_end_and_begins_anew(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("[[say:no JSON]]", params=by_schema(), stream=True)
    reply = reply_of(await cell.ended(job))
    entries = await cell.store.run(read((("XRANGE", cell.keys.deltas(job), "-", "+"),), lambda r: r[0]))
    fields = [mapping(flat) for _, flat in entries]
    events = [f["e"] for f in fields if "e" in f]
    assert events == ["started", "done", "restarted", "done"]
    last = max(i for i, f in enumerate(fields) if f.get("e") == "restarted")
    assert "".join(f["t"] for f in fields[last:] if "t" in f) == text_of(reply)
    await cell.check_money(job)


async def test_an_account_that_is_asked_again_goes_on_elsewhere_when_it_fails(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    # The first answer is no JSON; what follows it, the correction, meets an exhausted account.
    cell.simulator.script("ok", "quota")
    job = await cell.ask("[[say:no JSON]]", params=by_schema(), targets=(MINI, HAIKU))
    view = await cell.ended(job)
    reply = reply_of(view)
    assert reply["provider"] == "anthropic"
    assert reply["steps"] == 2, "the paid answer is not asked for again"
    assert [(a.target, a.outcome) for a in view.attempts] == [(MINI, "quota_exhausted"), (HAIKU, "succeeded")]
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step", "quota_exhausted", "succeeded"]
    await cell.check_money(job)


async def test_the_schema_of_pydantics_models_is_followed(cell: Cell) -> None:
    pydantic = pytest.importorskip("pydantic")
    schemas = pytest.importorskip("homa.submit.response_format")

    class Person(pydantic.BaseModel):
        name: str
        tags: list[str] = []

    await cell.worker()
    params = {"max_tokens": 300, "response_format": schemas.response_format(Person)}
    job = await cell.ask("Who?", params=params)
    assert schemas.parse(text_of(reply_of(await cell.ended(job))), Person)


async def test_an_answer_by_schema_that_breaks_off_is_kept_for_no_equal_job(cell: Cell) -> None:
    job = await cell.ask("[[refuse]]", targets=(HAIKU,), params=by_schema())
    await cell.store.run(read((("HSET", cell.keys.job(job), "ck", "c0ffee"),), lambda r: r[0]))
    await cell.worker("anthropic")
    reply = reply_of(await cell.ended(job))
    assert reply["body"]["choices"][0]["finish_reason"] == "content_filter"
    entries = read((("ZCARD", cell.keys.cache_index()),), lambda r: int(r[0]))
    assert await cell.store.run(entries) == 0


ADA = '{"name": "Ada", "age": 36}'


@pytest.mark.parametrize(
    "said",
    [
        f"```json\n{ADA}\n```",
        f"```\n{ADA}\n```",
        f"``` JSON\n{ADA}```",
        f"```json {ADA}```",
        f"Here it is:\n\n```json\n{ADA}\n```\nAsk for more.",
        f"<think>\nA countess. ```x```\n</think>\n\n{ADA}",
        f"<think>A countess.</think>```json\n{ADA}\n```",
        f"A countess.\n</think>\n{ADA}",
        f"\ufeff  \n{ADA}\n\n",
    ],
)
async def test_what_models_put_around_json_is_taken_off_although_the_provider_follows_schemas(
    cell: Cell, said: str
) -> None:
    await cell.worker()
    job = await cell.ask(f"[[say:{said}]]", params=by_schema())
    reply = reply_of(await cell.ended(job))
    assert orjson.loads(text_of(reply)) == {"name": "Ada", "age": 36}
    assert cell.simulator.stats.received == 1
    if "</think>" in said:
        assert reply["body"]["choices"][0]["message"]["reasoning_content"].startswith("A countess.")
    await cell.check_money(job)


@pytest.mark.parametrize("said", ['"```a```"', '"a</think>b"', '{"code": "```x``` <think>"}'])
async def test_what_stands_within_json_stays(cell: Cell, said: str) -> None:
    await cell.worker()
    job = await cell.ask(f"[[say:{said}]]", params=by_schema({"type": ["string", "object"]}))
    assert text_of(reply_of(await cell.ended(job))) == said
