"""Each fault looks to the SDKs as the real thing does, and is billed as it would be."""

from __future__ import annotations

import asyncio

import anthropic as anthropic_sdk
import openai as openai_sdk
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI

from homa_shared.model.errors import ConfigError
from homa_workers.simulator import SimulatorConfig
from homa_workers.simulator.faults import Fault, Faults, fault_named
from homa_workers.simulator.markers import NO_ORDERS
from tests.simulator.conftest import until, user


@pytest.mark.parametrize(
    ("fault", "error", "status", "code"),
    [
        ("400", openai_sdk.BadRequestError, 400, None),
        ("unsupported", openai_sdk.BadRequestError, 400, "unsupported_parameter"),
        ("context", openai_sdk.BadRequestError, 400, "context_length_exceeded"),
        ("content_filter", openai_sdk.BadRequestError, 400, "content_filter"),
        ("401", openai_sdk.AuthenticationError, 401, "invalid_api_key"),
        ("403", openai_sdk.PermissionDeniedError, 403, "unsupported_country_region_territory"),
        ("404", openai_sdk.NotFoundError, 404, "model_not_found"),
        ("408", openai_sdk.APIStatusError, 408, None),
        ("409", openai_sdk.ConflictError, 409, None),
        ("422", openai_sdk.UnprocessableEntityError, 422, None),
        ("429", openai_sdk.RateLimitError, 429, "rate_limit_exceeded"),
        ("quota", openai_sdk.RateLimitError, 429, "credit_balance_exhausted"),
        ("503", openai_sdk.InternalServerError, 503, "server_is_overloaded"),
    ],
)
async def test_a_refusal_is_typed_as_openai_does_and_never_billed(simulator, ask, fault, error, status, code):
    with pytest.raises(error) as caught:
        await ask(f"[[fault:{fault}]]")
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert simulator.bill.total.requests == 0
    assert sum(simulator.stats.faults.values()) == 1


@pytest.mark.parametrize(
    ("fault", "error", "status", "kind"),
    [
        ("400", anthropic_sdk.BadRequestError, 400, "invalid_request_error"),
        ("context", anthropic_sdk.BadRequestError, 400, "invalid_request_error"),
        ("401", anthropic_sdk.AuthenticationError, 401, "authentication_error"),
        ("402", anthropic_sdk.APIStatusError, 402, "billing_error"),
        ("404", anthropic_sdk.NotFoundError, 404, "not_found_error"),
        ("429", anthropic_sdk.RateLimitError, 429, "rate_limit_error"),
        ("overloaded", anthropic_sdk.InternalServerError, 529, "overloaded_error"),
        ("500", anthropic_sdk.InternalServerError, 500, "api_error"),
    ],
)
async def test_a_refusal_is_typed_as_anthropic_does(anthropic, fault, error, status, kind):
    with pytest.raises(error) as caught:
        await anthropic.messages.create(model="claude-haiku-5-5", max_tokens=9, messages=user(f"[[fault:{fault}]]"))
    assert (caught.value.status_code, caught.value.type) == (status, kind)


async def test_a_429_by_fault_asks_to_wait(simulator, ask):
    simulator.configure(fault_retry_after_s=2.5)
    with pytest.raises(openai_sdk.RateLimitError) as caught:
        await ask("[[fault:429]]")
    assert caught.value.response.headers["retry-after-ms"] == "2500"
    assert caught.value.response.headers["retry-after"] == "3"


async def test_headers_of_refusals_and_of_good_replies_can_be_of_any_kind(simulator, openai, ask):
    simulator.configure(
        failure_headers={"retry-after": "1893456000", "retry-after-ms": None}, reply_headers={"x-odd": "1"}
    )
    with pytest.raises(openai_sdk.RateLimitError) as caught:
        await ask("[[fault:429]]")
    assert caught.value.response.headers["retry-after"] == "1893456000"
    assert "retry-after-ms" not in caught.value.response.headers
    good = await openai.chat.completions.with_raw_response.create(model="gpt-6-luna", messages=user("Hello"))
    assert good.headers["x-odd"] == "1"


async def test_a_refused_key_is_repeated_where_that_is_asked_for(simulator, ask):
    simulator.configure(api_keys=["another"], echoes_key=True)
    with pytest.raises(openai_sdk.AuthenticationError) as caught:
        await ask("Hello")
    assert caught.value.message.count("Incorrect API key provided: ") == 1


@pytest.mark.parametrize(("share", "billed"), [(0.0, 0), (1.0, 1)])
@pytest.mark.parametrize("fault", ["500", "502", "504"])
async def test_an_error_after_the_work_is_billed_or_not_by_its_share(simulator, ask, fault, share, billed):
    simulator.configure(error_billed_share=share)
    with pytest.raises(openai_sdk.InternalServerError) as caught:
        await ask(f"[[fault:{fault}]]")
    assert caught.value.status_code == int(fault)
    assert simulator.bill.total.requests == billed


@pytest.mark.parametrize(("fault", "billed"), [("drop", 1), ("drop_before", 0), ("cut", 1)])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_connection_is_billed_for_the_work_done(simulator, ask, fault, billed, stream):
    async def receive() -> None:
        reply = await ask(f"[[fault:{fault}]]", stream=stream)
        if stream:
            [chunk async for chunk in reply]

    with pytest.raises(openai_sdk.APIConnectionError):
        await receive()
    assert simulator.bill.total.requests == billed


async def test_a_hanging_request_is_billed_and_ends_with_its_client(simulator, ask):
    call = asyncio.ensure_future(ask("[[fault:hang]]"))
    await until(lambda: simulator.stats.in_flight == 1)
    call.cancel()
    await until(lambda: simulator.stats.in_flight == 0)
    assert simulator.bill.total.requests == 1
    assert simulator.stats.disconnects == 1


async def test_a_hanging_request_is_cut_in_the_end(simulator, ask):
    simulator.configure(hang_s=0.05)
    with pytest.raises(openai_sdk.APIConnectionError):
        await ask("[[fault:hang]]")


async def test_a_slow_reply_is_complete(simulator, ask):
    simulator.configure(slow_ms=20)
    assert (await ask("[[fault:slow]]")).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("fault", ["empty", "error_body", "silent_end", "stream_error"])
async def test_a_200_without_choices_is_no_completion(simulator, ask, fault):
    reply = await ask(f"[[fault:{fault}]]")
    assert reply.choices is None
    assert simulator.bill.total.requests == 1


async def test_garbage_is_html_and_a_truncated_reply_is_no_json(simulator, ask):
    assert "<html>" in await ask("[[fault:garbage]]")
    with pytest.raises(ValueError, match=r".+"):
        await ask("[[fault:truncated_json]]")


async def test_malformed_is_one_of_four(simulator):
    faults = Faults(0, {"malformed": 1.0})
    assert {faults.draw() for _ in range(200)} == {
        Fault.GARBAGE,
        Fault.EMPTY,
        Fault.TRUNCATED_JSON,
        Fault.ERROR_BODY,
    }


async def test_a_stream_that_ends_silently_has_no_finish_reason_and_a_smaller_bill(simulator, ask):
    whole = [chunk async for chunk in await ask("Hello [[tokens:100]]", stream=True)]
    full = simulator.bill.total.output_tokens
    half = [chunk async for chunk in await ask("Hello [[tokens:100]][[fault:silent_end]]", stream=True)]
    assert whole[-1].choices[0].finish_reason == "stop"
    assert half[-1].choices[0].finish_reason is None
    assert 0 < simulator.bill.total.output_tokens - full < full


async def test_a_stream_cut_in_the_middle_has_delivered_its_first_half(simulator, ask):
    stream = await ask("[[tokens:100]][[fault:cut]]", stream=True)
    pieces: list[str] = []

    async def receive() -> None:
        async for chunk in stream:
            pieces.append(chunk.choices[0].delta.content or "")  # noqa: PERF401  kept although the last one fails

    with pytest.raises(openai_sdk.APIConnectionError):
        await receive()
    assert simulator.bill.total.output_tokens * 4 == len("".join(pieces))


async def test_a_stream_whose_reader_leaves_is_billed_for_what_was_generated(simulator, ask):
    simulator.configure(token_ms=5)
    stream = await ask("[[tokens:4000]]", stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    await until(lambda: simulator.stats.in_flight == 0)
    assert simulator.bill.total.requests == 1
    assert 0 < simulator.bill.total.output_tokens < 4000


async def test_a_stream_given_up_before_it_began_is_billed_for_its_prompt(simulator, ask):
    call = asyncio.ensure_future(ask("[[latency:60000]]" + "x" * 383, stream=True))
    await until(lambda: simulator.stats.in_flight == 1)
    call.cancel()
    await until(lambda: simulator.stats.in_flight == 0)
    assert (simulator.bill.total.input_tokens, simulator.bill.total.output_tokens) == (100, 0)


async def test_a_script_is_met_in_order_and_then_over(simulator, ask):
    simulator.script("ok", "500", "429")
    simulator.configure(error_billed_share=0.0)
    await ask()
    with pytest.raises(openai_sdk.InternalServerError):
        await ask()
    with pytest.raises(openai_sdk.RateLimitError):
        await ask()
    await ask()


async def test_a_refused_request_does_not_eat_the_script(simulator, clock, ask):
    simulator.configure(limits={"rpm": 6})
    simulator.script("ok", "500")
    await ask()
    with pytest.raises(openai_sdk.RateLimitError):
        await ask()
    clock.advance(10)
    with pytest.raises(openai_sdk.InternalServerError):
        await ask()


async def test_a_marked_fault_can_strike_a_number_of_times(simulator, ask):
    for _ in range(2):
        with pytest.raises(openai_sdk.InternalServerError):
            await ask("[[fault:503*2]] me")
    await ask("[[fault:503*2]] me")
    with pytest.raises(openai_sdk.InternalServerError):
        await ask("[[fault:503*2]] another prompt")


async def test_a_marked_fault_can_strike_one_account_only(simulator, openai: AsyncOpenAI, ask):
    prompt = "[[fault:503@openai]]"
    with pytest.raises(openai_sdk.InternalServerError):
        await ask(prompt)
    other = openai.with_options(base_url=f"{simulator.url}/other/v1")
    await other.chat.completions.create(model="gpt-6-luna", messages=user(prompt))


async def test_the_same_seed_draws_the_same_faults():
    def drawn(seed: int) -> list[Fault]:
        faults = Faults(seed, {"500": 0.2, "drop": 0.1})
        return [faults.draw() for _ in range(300)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 35 <= drawn(1).count(Fault.ERROR) <= 85
    assert drawn(1).count(Fault.DROP) > 0


async def test_faults_by_rate_are_counted(simulator, ask):
    simulator.configure(faults={"400": 1.0})
    with pytest.raises(openai_sdk.BadRequestError):
        await ask()
    async with ClientSession() as session, session.get(f"{simulator.url}/stats") as stats:
        assert (await stats.json())["faults"] == {"invalid": 1}


async def test_a_wrong_key_is_let_in_nowhere(simulator, openai: AsyncOpenAI, ask):
    simulator.configure(api_keys=["sk-any"])
    await ask()
    with pytest.raises(openai_sdk.AuthenticationError):
        await openai.with_options(api_key="sk-other").models.list()
    async with ClientSession() as session:
        async with session.get(f"{simulator.url}/v1/models", headers={"x-api-key": "sk-any"}) as reply:
            assert reply.status == 200
        async with session.get(f"{simulator.url}/v1/models") as reply:
            assert reply.status == 401


async def test_latency_is_log_normal_around_its_mean(simulator):
    engine = simulator.engine
    simulator.configure(latency_ms=100, latency_sigma=0.5, seed=5)
    drawn = [engine._latency_s(NO_ORDERS, Fault.OK) for _ in range(4000)]
    assert 0.095 < sum(drawn) / len(drawn) < 0.105
    assert min(drawn) < 0.05 < 0.2 < max(drawn)


def test_an_unknown_fault_is_named_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"'explode' is not a fault; expected one of ok, .*529"):
        fault_named("explode")
    with pytest.raises(ConfigError, match=r"add up to 1\.2"):
        SimulatorConfig(faults={"500": 0.6, "drop": 0.6})
