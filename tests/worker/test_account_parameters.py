"""Parameters of an account's settings are known before each call, whatever stands between worker and adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from homa_shared.calls.reply import Call
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.client import AsyncStore
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.pipeline.reckoning import says_more
from homa_workers.process.accounts import account
from homa_workers.providers.base import account_params
from homa_workers.providers.secrets import Secrets

ASKED = Call("gpt-6-luna", [{"role": "user", "content": "Hello"}], {"max_tokens": 99})


def book(params: Any) -> FleetBook:
    fleet = Fleet(providers={"openai": FleetProvider(kind="openai")})
    return FleetBook(cast(AsyncStore, None), fleet, "openai", params)


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
    assert says_more(call.params, ASKED.params)


def test_a_call_of_an_account_without_any_stays_the_same_object() -> None:
    assert book({}).known("openai:gpt-6-luna").fitted(ASKED)[0] is ASKED
