"""What a worker knows of a target: looked up once, and anew when the fleet's settings change."""

from __future__ import annotations

import pytest

from homa_shared.calls.reply import RESPONSES_API, Call, Completion, Usage
from homa_shared.kinds.profile import KindProfile
from homa_shared.model.targets import Target
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions.fleet import write_fleet
from homa_workers.fleet.fleet_cache import FleetBook

OPUS = "acme:claude-opus-5-5"
CALL = Call("claude-opus-5-5", [{"role": "user", "content": "Hello"}], {"temperature": 0.2})


def of_kind(kind: str) -> Fleet:
    return Fleet(providers={"acme": FleetProvider(kind=kind)})


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """Targets whose kind was looked up in the fleet's settings."""
    targets: list[Target] = []
    profile = Fleet.profile

    def noted(fleet: Fleet, target: Target) -> KindProfile:
        targets.append(target)
        return profile(fleet, target)

    monkeypatch.setattr(Fleet, "profile", noted)
    return targets


async def test_calls_of_one_target_look_it_up_once(store_url: str, namespace: str, looked_up: list[Target]) -> None:
    book = FleetBook(AsyncStore(StoreAddress.parse(store_url), namespace), of_kind("anthropic"), "acme")
    assert book.price(OPUS, Completion({}, Usage(1000, 0))) is not None
    looked_up.clear()
    for _ in range(3):
        found = book.known(OPUS)
        assert found.fitted(found.for_api(CALL))[1] == ("temperature left out: claude-opus-5-5 does not take it",)
        assert book.price(OPUS, Completion({}, Usage(1000, 0))) is not None
    assert looked_up == []


async def test_a_target_is_known_anew_when_the_settings_change(store_url: str, namespace: str) -> None:
    store = AsyncStore(StoreAddress.parse(store_url), namespace)
    book = FleetBook(store, of_kind("anthropic"), "acme")
    assert book.known(OPUS).fitted(CALL)[0].params == {}
    await store.run(write_fleet(store.keys, of_kind("ollama"), seen=0))
    assert await book.refresh()
    assert book.known(OPUS).fitted(CALL) == (CALL, ())
    assert book.price(OPUS, Completion({}, Usage(1000, 0))) is None
    await store.aclose()


def test_a_call_that_fits_is_sent_as_it_is() -> None:
    book = FleetBook(AsyncStore(StoreAddress.parse("redis://localhost"), "n"), of_kind("openai"), "acme")
    call = Call("gpt-6-luna", CALL.messages, {"max_tokens": 5})
    assert book.known("acme:gpt-6-luna").fitted(call)[0] is call
    pro = book.known("acme:gpt-5-pro").fitted(call)[0]
    assert (pro.api, pro.params) == (RESPONSES_API, call.params)
