"""Parameters of an account's settings are known before each call, whatever stands between worker and adapter."""

from __future__ import annotations

from collections.abc import Awaitable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from homa_shared.calls.reply import Call
from homa_shared.calls.request import JobRequest
from homa_shared.model.targets import Target
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.client import AsyncStore
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.pipeline.call import Caller
from homa_workers.pipeline.reckoning import says_more
from homa_workers.process.accounts import account
from homa_workers.providers.base import Provider, account_params
from homa_workers.providers.secrets import Secrets

TARGET = "openai:gpt-6-luna"
ASKED = Call("gpt-6-luna", [{"role": "user", "content": "Hello"}], {"max_tokens": 99})


def book(params: Any, published: Any = None) -> FleetBook:
    fleet = Fleet(providers={"openai": FleetProvider(kind="openai", params=published or {})})
    return FleetBook(cast(AsyncStore, None), fleet, "openai", params)


class AtOnce:
    """What stands around a call: middleware that changes nothing, and nothing to wait for."""

    async def adapt_call(self, _attempt: object, call: Call) -> tuple[Call, bool]:
        return call, False

    async def in_time(self, _attempt: object, work: Awaitable[Any]) -> Any:
        return await work


async def prepared(book: FleetBook, priced: str) -> tuple[Call, str]:
    """A call as a worker makes it, and why it has another need than the client knew."""
    nothing: Any = AtOnce()
    caller = Caller(cast(AsyncStore, None), cast(Provider, None), book, 1.0, nothing, nothing)
    request = JobRequest(ASKED.messages, ASKED.params, priced=priced)
    claim: Any = SimpleNamespace(target=TARGET)
    return await caller.prepare(RunningAttempt(claim, request), ASKED)


@pytest.mark.parametrize("where", ["api_key", "api_key_file"])
async def test_they_are_known_wherever_the_key_stands(where: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1")
    given = {where: str(file) if where == "api_key_file" else "sk-1"}
    options = {"params": {"user": "ada", "n": 5}}
    provider = account("openai", ProviderSettings(kind="openai", options=options, **given), Secrets())
    assert account_params(provider) == {"user": "ada", "n": 5}
    await provider.aclose()


def test_a_call_has_them_before_its_need_is_calculated() -> None:
    call, _ = book({"user": "ada", "n": 5}).known("openai:gpt-6-luna").fitted(ASKED)
    assert call.params == {"max_tokens": 99, "user": "ada", "n": 5}
    assert says_more(call.params, ASKED.params, book({}).prices, Target.parse(TARGET))


async def test_those_that_the_client_reckoned_with_are_not_reckoned_again() -> None:
    given = {"user": "ada", "n": 5, "tools": [{"type": "function", "function": {"name": "f"}}], "service_tier": "flex"}
    known = book(given, deepcopy(given))
    call, changed = await prepared(known, known.price_stamp)
    assert (call.params["n"], changed) == (5, "")
    for others, priced in ((known, "older settings"), (book(given), book(given).price_stamp)):
        assert (await prepared(others, priced))[1] == "its account's parameters add to its call"
    more = book({**given, "n": 6}, given)
    assert (await prepared(more, more.price_stamp))[1]


@pytest.mark.parametrize(
    "added",
    [
        {"service_tier": "priority"},
        {"serviceTier": {"type": "priority"}},
        {"prompt_cache_options": {"ttl": "12h"}},
        {"reasoning": {"mode": "pro"}},
        {"modalities": ["text", "image"]},
        {"web_search_options": {}},
    ],
)
def test_what_chooses_a_price_or_has_no_bound_says_more(added: dict[str, Any]) -> None:
    assert says_more(ASKED.params | added, ASKED.params, book({}).prices, Target.parse(TARGET))


@pytest.mark.parametrize("added", [{"temperature": 0.5}, {"user": "ada"}, {"max_completion_tokens": 99}, {"n": 1}])
def test_what_costs_nothing_says_no_more(added: dict[str, Any]) -> None:
    assert not says_more(ASKED.params | added, ASKED.params, book({}).prices, Target.parse(TARGET))


def test_a_call_of_an_account_without_any_stays_the_same_object() -> None:
    assert book({}).known("openai:gpt-6-luna").fitted(ASKED)[0] is ASKED
