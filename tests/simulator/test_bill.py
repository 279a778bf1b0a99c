"""The bill is what the price list says for every reply given, to the nano-dollar."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import genai_prices
import pytest
from aiohttp import ClientSession
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from homa_shared.calls.reply import Usage
from homa_workers.simulator import Simulator, SimulatorConfig
from homa_workers.simulator.prices import PriceList, nano_usd
from tests.simulator.conftest import user


def listed(provider: str, model: str, **tokens: int) -> int:
    """Nano-dollars by the price list, asked directly."""
    price = genai_prices.calc_price(genai_prices.Usage(**tokens), model, provider_id=provider)
    return round(price.total_price * 10**9)


async def test_the_bill_is_the_sum_of_the_usages_of_all_replies(simulator, openai: AsyncOpenAI, anthropic):
    simulator.configure(cached_share=0.25)

    async def chat(number: int) -> int:
        usage = (await openai.chat.completions.create(model="gpt-6-luna", messages=user("x" * number))).usage
        cached = usage.prompt_tokens_details.cached_tokens
        tokens = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
        return listed("openai", "gpt-6-luna", cache_read_tokens=cached, **tokens)

    async def message(number: int) -> int:
        stream = anthropic.messages.stream(model="claude-haiku-5-5", max_tokens=99, messages=user("y" * number))
        async with stream as events:
            usage = (await events.get_final_message()).usage
        cached = usage.cache_read_input_tokens
        tokens = {"input_tokens": usage.input_tokens + cached, "output_tokens": usage.output_tokens}
        return listed("anthropic", "claude-haiku-5-5", cache_read_tokens=cached, **tokens)

    due = sum(await asyncio.gather(*map(chat, range(1, 40)), *map(message, range(1, 40))))
    embedded = await openai.embeddings.create(model="text-embedding-3-small", input="z" * 400)
    due += listed("openai", "text-embedding-3-small", input_tokens=embedded.usage.prompt_tokens)
    bill = simulator.bill.as_json()
    assert bill["total"]["nano_usd"] == due > 0
    assert bill["total"]["requests"] == 79
    assert bill["accounts"]["anthropic"]["models"]["claude-haiku-5-5"]["requests"] == 39
    assert sum(account["nano_usd"] for account in bill["accounts"].values()) == due
    assert sum(charge.nano_usd for charge in simulator.bill.charges()) == due


@pytest.mark.parametrize("tokens", [(1000, 100), (250_000, 100)])
def test_prices_that_depend_on_size_are_asked_for_each_request(tokens):
    price = PriceList({}).price("google", "google", "gemini-3.8-flash")
    n_input, n_output = tokens
    assert price(Usage(n_input, n_output)) == listed(
        "google", "gemini-3.8-flash", input_tokens=n_input, output_tokens=n_output
    )


def test_a_price_of_ones_own_comes_first():
    prices = PriceList({"mine/m": {"input": "0.0005", "output": "1"}, "m": {"input": "3", "cached": "0.3"}})
    assert prices.price("openai", "mine", "m")(Usage(1, 1)) == 1001  # half a nano-dollar is rounded up
    assert prices.price("openai", "other", "m")(Usage(10, 5, 10)) == 3000
    assert prices.price("", "x", "n") is None


@pytest.mark.parametrize(("dollars", "nano"), [("0.0000000005", 1), ("0.00000000049", 0), ("1.5", 1_500_000_000)])
def test_halves_of_a_nano_dollar_are_rounded_up(dollars, nano):
    assert nano_usd(Decimal(dollars)) == nano


async def test_a_model_without_a_price_says_so_and_is_not_free(simulator, openai: AsyncOpenAI):
    await openai.chat.completions.create(model="no-such-model", messages=user("Hello"))
    assert simulator.bill.total.unpriced_requests == 1
    assert simulator.bill.charges()[0].nano_usd is None


@pytest.mark.parametrize(
    ("options", "marker"),
    [
        ({"user": "me"}, "me"),
        ({"metadata": {"job": "7"}}, '{"job":"7"}'),
        ({"extra_headers": {"x-homa-attempt": "j1:2"}, "user": "me"}, "j1:2"),
        ({}, ""),
    ],
)
async def test_a_charge_bears_what_the_caller_wrote_onto_the_request(simulator, ask, options, marker):
    reply = await ask("Hello", **options)
    charge = simulator.bill.charges()[0]
    assert charge.marker == marker
    assert charge.request_id == reply.id.removeprefix("chatcmpl-")
    assert charge.time_s == 1_000_000.0
    assert charge.fault == "ok"


async def test_old_charges_leave_and_sums_stay():
    async with Simulator(SimulatorConfig(charges_kept=2)) as simulator:
        async with AsyncAnthropic(base_url=simulator.url, api_key="any", max_retries=0) as client:
            for _ in range(3):
                await client.messages.create(model="claude-haiku-5-5", max_tokens=5, messages=user("Hello"))
        async with ClientSession() as session, session.get(f"{simulator.url}/bill/charges") as reply:
            charges = await reply.json()
    assert (charges["count"], charges["kept"], len(charges["charges"])) == (3, 2, 2)
    assert charges["charges"][0]["account"] == "anthropic"


async def test_a_prompt_may_say_what_the_bill_shows_of_it(simulator, openai: AsyncOpenAI):
    for prompt, more in (("[[mark:a [b]\nc]] [[say:yes]]", {}), ("[[mark:a]]", {"user": "u"}), ("plain", {})):
        await openai.chat.completions.create(model="gpt-6-luna", messages=user(prompt), **more)
    assert [charge.marker for charge in simulator.bill.charges()] == ["a [b]\nc", "u", ""]
