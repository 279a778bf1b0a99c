"""Limits hold to the request, and say what the provider would say."""

from __future__ import annotations

import asyncio

import pytest
from anthropic import RateLimitError as AnthropicRateLimit
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI, BadRequestError, RateLimitError

from homa_workers.simulator import Limits
from homa_workers.simulator.buckets import CalendarWindow, DayWindow, TokenBucket
from tests.simulator.conftest import until, user


async def burst(ask, n: int, **options) -> int:
    """How many of n calls at once are refused for their rate; anything else that goes wrong is raised."""
    ended = await asyncio.gather(*(ask(f"call {number}", **options) for number in range(n)), return_exceptions=True)
    refused = [one for one in ended if isinstance(one, RateLimitError)]
    assert not [one for one in ended if isinstance(one, Exception) and not isinstance(one, RateLimitError)]
    return len(refused)


async def test_a_burst_gets_what_the_bucket_holds_and_no_more(simulator, clock, ask):
    simulator.configure(limits=Limits(rpm=60), burst_s=10, failed_requests_count=False)
    assert await burst(ask, 25) == 15
    clock.advance(3)
    assert await burst(ask, 5) == 2
    clock.advance(3600)
    assert await burst(ask, 12) == 2


async def test_refused_requests_use_up_quota_where_they_count(simulator, clock, ask):
    simulator.configure(limits=Limits(rpm=60), burst_s=2, failed_requests_count=True)
    assert await burst(ask, 2) == 0
    for _ in range(8):
        clock.advance(0.5)
        assert await burst(ask, 1) == 1
    clock.advance(1)
    assert await burst(ask, 1) == 0


async def test_requests_a_second_have_a_bucket_of_one_second(simulator, clock, ask):
    simulator.configure(limits=Limits(rps=3), burst_s=60, failed_requests_count=False)
    assert await burst(ask, 5) == 2
    clock.advance(1)
    assert await burst(ask, 5) == 2


async def test_tokens_are_reserved_by_the_output_cap_and_settled_by_use(simulator, clock, ask):
    simulator.configure(limits=Limits(tpm=6000), burst_s=10)  # 1000 tokens
    for _ in range(5):
        await ask("[[tokens:20]]", max_completion_tokens=900)
    with pytest.raises(RateLimitError) as caught:
        await ask("[[tokens:20]]", max_completion_tokens=980)
    assert "tokens per min" in caught.value.message
    assert caught.value.type == "tokens"


async def test_more_than_the_bucket_holds_is_admitted_by_a_full_one_into_debt(simulator, clock, ask):
    simulator.configure(limits=Limits(tpm=6000), burst_s=1)
    await ask("[[tokens:500]]", max_completion_tokens=500)
    clock.advance(4)  # 100 - 504 + 400: still in debt
    assert await burst(ask, 1, max_completion_tokens=1) == 1
    clock.advance(0.2)
    assert await burst(ask, 1, max_completion_tokens=1) == 0


async def test_more_than_the_limit_itself_never_passes_and_no_wait_is_offered(simulator, ask):
    simulator.configure(limits=Limits(tpm=600))
    with pytest.raises(RateLimitError) as caught:
        await ask("Hello", max_completion_tokens=601)
    assert "too large" in caught.value.message
    assert "retry-after" not in caught.value.response.headers


async def test_concurrency_is_held_until_the_reply(simulator, ask):
    simulator.configure(limits=Limits(concurrency=3))
    calls = [asyncio.ensure_future(ask("[[latency:60000]]")) for _ in range(3)]
    await until(lambda: simulator.stats.in_flight == 3)
    assert await burst(ask, 5) == 5
    for call in calls:
        call.cancel()
    await until(lambda: simulator.stats.in_flight == 0)
    assert await burst(ask, 1) == 0
    assert simulator.engine.limits.peaks() == {"openai/gpt-6-luna": 3}


async def test_a_client_that_leaves_gives_its_slot_back(simulator, ask):
    simulator.configure(limits=Limits(concurrency=1), latency_ms=60_000)
    call = asyncio.ensure_future(ask())
    await until(lambda: simulator.stats.in_flight == 1)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await until(lambda: simulator.stats.in_flight == 0)
    simulator.configure(latency_ms=0)
    await ask()
    assert simulator.stats.disconnects == 1
    assert simulator.bill.total.requests == 2  # a provider charges for work, not for delivery


async def test_requests_a_day_come_back_at_midnight(simulator, clock, ask):
    simulator.configure(limits=Limits(rpd=2))
    assert await burst(ask, 3) == 1
    clock.advance(DayWindow.DAY_S)
    assert await burst(ask, 3) == 1


async def test_accounts_and_models_have_limits_of_their_own(simulator, openai: AsyncOpenAI, ask):
    simulator.configure(limits=Limits(rpm=6), burst_s=10, limits_by_scope={"second/*": {"rpm": 12}, "*/gpt-6-sol": {}})
    assert await burst(ask, 2) == 1
    second = openai.with_options(base_url=f"{simulator.url}/second/v1")
    ended = await asyncio.gather(
        *(second.chat.completions.create(model="gpt-6-luna", messages=user(str(n))) for n in range(3)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, RateLimitError) for one in ended) == 1
    for number in range(5):
        await openai.chat.completions.create(model="gpt-6-sol", messages=user(str(number)))
    assert set(simulator.bill.as_json()["accounts"]) == {"openai", "second"}


async def test_a_429_says_when_to_come_back(simulator, ask):
    simulator.configure(limits=Limits(rpm=30), burst_s=2)
    await ask()
    with pytest.raises(RateLimitError) as caught:
        await ask()
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2", "2000")
    assert headers["x-ratelimit-limit-requests"] == "30"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"] == "2s"
    assert caught.value.code == "rate_limit_exceeded"
    assert simulator.bill.total.requests == 1
    assert simulator.stats.by_status == {200: 1, 429: 1}


async def test_headers_can_be_left_out(simulator, ask):
    simulator.configure(limits=Limits(rpm=6), headers=False)
    await ask()
    with pytest.raises(RateLimitError) as caught:
        await ask()
    assert not [name for name in caught.value.response.headers if "ratelimit" in name or "retry" in name]


async def test_replies_show_what_remains(simulator, openai: AsyncOpenAI):
    simulator.configure(limits=Limits(rpm=600, tpm=60_000))
    raw = await openai.chat.completions.with_raw_response.create(
        model="gpt-6-luna", messages=user("Hello"), max_completion_tokens=500
    )
    assert raw.headers["x-ratelimit-remaining-requests"] == "99"
    assert raw.headers["x-ratelimit-remaining-tokens"] == "9500"


async def test_anthropic_counts_input_at_once_and_output_as_it_comes(simulator, clock, anthropic):
    simulator.configure(limits=Limits(input_tpm=6000, output_tpm=600), burst_s=10)

    async def send(text: str) -> object:
        return await anthropic.messages.with_raw_response.create(
            model="claude-haiku-5-5", max_tokens=4000, messages=user(text)
        )

    raw = await send("[[tokens:150]]" + "x" * 786)
    assert raw.headers["anthropic-ratelimit-input-tokens-remaining"] == "800"
    assert raw.headers["anthropic-ratelimit-output-tokens-limit"] == "600"
    assert raw.headers["anthropic-ratelimit-output-tokens-reset"].endswith("Z")
    with pytest.raises(AnthropicRateLimit) as caught:
        await send("Hello")  # 100 - 150 leaves the output in debt
    assert int(caught.value.response.headers["retry-after"]) == 6
    clock.advance(6)
    await send("Hello")


async def test_cache_reads_are_exempt_at_anthropic(simulator, anthropic):
    simulator.configure(limits=Limits(input_tpm=600), burst_s=60, cached_share=0.9)
    for _ in range(6):
        await anthropic.messages.create(model="claude-haiku-5-5", max_tokens=10, messages=user("x" * 4000))


async def test_a_failed_request_gives_its_quota_back_where_failures_are_free(simulator, ask):
    simulator.configure(limits=Limits(rpm=6, rpd=1, tpm=600), burst_s=10, failed_requests_count=False)
    for _ in range(4):
        with pytest.raises(Exception, match="overloaded"):
            await ask("[[fault:503]]")
    await ask()
    simulator.configure(limits=Limits(rpm=12, rpd=None), failed_requests_count=True)
    with pytest.raises(Exception, match="overloaded"):
        await ask("[[fault:503]]")
    assert await burst(ask, 2) == 1


async def test_keys_are_accounts_where_that_is_set(simulator):
    simulator.configure(account_by_key=True, limits=Limits(rpm=6))
    for key in ("sk-a", "sk-b"):
        async with AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key=key, max_retries=0) as client:
            await client.chat.completions.create(model="gpt-6-luna", messages=user("Hello"))
    accounts = simulator.bill.as_json()["accounts"]
    assert len(accounts) == 2
    assert all(account.startswith("openai:") and "sk-" not in account for account in accounts)


async def test_requests_in_flight_outlive_a_change_of_limits(simulator, ask):
    simulator.configure(limits=Limits(tpm=600_000))
    call = asyncio.ensure_future(ask("[[latency:60000]]"))
    await until(lambda: simulator.stats.in_flight == 1)
    simulator.configure(limits=Limits(output_tpm=60_000, tpm=1200))
    call.cancel()
    await until(lambda: simulator.stats.in_flight == 0)
    await ask()


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 30)), max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_refill(steps):
    now_s, given_out, bucket = 0.0, 0.0, TokenBucket(2.0, 20.0, 0.0)
    for pause_s, amount in steps:
        now_s += pause_s
        if bucket.wait_s(amount, now_s) == 0 and amount <= bucket.capacity:
            bucket.take(amount, now_s)
            given_out += amount
    assert given_out <= 20 + 2 * now_s + 1e-3


@given(st.floats(0.1, 20), st.floats(0.1, 20))
def test_after_the_wait_that_it_names_a_bucket_gives(taken, wanted):
    bucket = TokenBucket(2.0, 20.0, 0.0)
    bucket.take(taken, 0.0)
    assert bucket.wait_s(wanted, bucket.wait_s(wanted, 0.0)) == 0


def test_a_calendar_window_is_full_again_at_its_turn_and_not_before() -> None:
    window = CalendarWindow(10.0, 1.0, 100.2)
    window.take(10, 100.9)
    assert window.wait_s(1, 100.95) == pytest.approx(0.05)
    assert window.level(101.0) == 10
    window.take(10, 101.1)
    assert window.wait_s(1, 101.1) == pytest.approx(0.9)


def test_a_debt_goes_on_into_the_next_window() -> None:
    window = CalendarWindow(10.0, 1.0, 100.0)
    window.take(15, 100.0)
    assert window.level(101.0) == 5


async def test_requests_that_are_refused_as_wrong_are_counted_and_use_up_quota(simulator, openai, ask):
    simulator.configure(limits=Limits(rpm=60), burst_s=3)
    for wrong in ({"n": 0}, {"messages": []}):
        with pytest.raises(BadRequestError):
            await openai.chat.completions.create(**{"model": "gpt-6-luna", "messages": [user("Hello")], **wrong})
    assert (simulator.stats.received, simulator.stats.by_status) == (2, {400: 2})
    assert await burst(ask, 2) == 1
    assert simulator.bill.total.requests == 1
