"""A running simulator is watched and changed over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from openai import InternalServerError

from homa_shared.model.errors import ConfigError
from homa_workers.simulator import Limits, SimulatorConfig


@pytest.fixture
async def http(simulator) -> AsyncIterator[ClientSession]:
    async with ClientSession(simulator.url) as session:
        yield session


async def get(http: ClientSession, path: str):
    async with http.get(path) as reply:
        assert reply.status == 200
        return await reply.json()


async def post(http: ClientSession, path: str, body: object = None, status: int = 200):
    async with http.post(path, json=body) as reply:
        assert reply.status == status
        return await reply.json()


async def test_settings_are_shown_without_keys(simulator, http):
    simulator.configure(api_keys=["sk-secret"], limits_by_scope={"a/*": {"rpm": 5}})
    settings = await get(http, "/control")
    assert settings["limits_by_scope"]["a/*"]["rpm"] == 5
    assert settings["burst_s"] == 10
    assert "sk-secret" not in str(settings)


async def test_settings_are_changed_piece_by_piece(simulator, http):
    await post(http, "/control", {"limits": {"rpm": 60}, "faults": {"500": 0.5}})
    settings = await post(http, "/control", {"limits": {"tpm": 1000}})
    assert (settings["limits"]["rpm"], settings["limits"]["tpm"]) == (60, 1000)
    assert settings["faults"] == {"500": 0.5}
    assert simulator.config.limits == Limits(rpm=60, tpm=1000)


async def test_a_script_is_added_and_cleared(http, ask):
    settings = await post(http, "/control", {"script": ["ok", 503, "drop"]})
    assert settings["script"] == ["ok", "overloaded", "drop"]
    await ask()
    with pytest.raises(InternalServerError):
        await ask()
    assert (await post(http, "/control", {"clear_script": True, "script": ["slow"]}))["script"] == ["slow"]


async def test_a_new_seed_keeps_the_script(http):
    assert (await post(http, "/control", {"seed": 9, "script": ["500"]}))["script"] == ["error"]
    assert (await post(http, "/control", {"seed": 10}))["script"] == ["error"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latency": 5}, "'latency' is not a setting of the simulator (did you mean 'latency_ms'?)"),
        ({"latency_ms": -1}, "latency_ms is -1; expected a number of at least 0"),
        ({"latency_ms": True}, "latency_ms is True"),
        ({"limits": {"rpm": 0}}, "limits.rpm is 0; expected a number above 0"),
        ({"limits": {"concurency": 1}}, "limits.concurency is unknown (did you mean 'concurrency'?)"),
        ({"limits": 7}, "limits are 7"),
        ({"cached_share": 1.5}, "cached_share is 1.5; expected a number of at least 0 and at most 1"),
        ({"cached_share": 0.6, "cache_write_share": 0.6}, "together above 1"),
        ({"reply": "songs"}, "reply is 'songs'; expected 'words' or 'echo'"),
        ({"faults": {"explode": 0.1}}, "'explode' is not a fault"),
        ({"faults": {"500": 2}}, "faults.500 is 2"),
        ({"faults": ["500"]}, "faults is ['500']; expected an object"),
        ({"prices": {"m": {"input": "cheap"}}}, "prices.m.input is 'cheap'"),
        ({"prices": {"m": {"inputs": "1"}}}, "prices.m.inputs is unknown"),
        ({"script": ["explode"]}, "'explode' is not a fault"),
        ({"script": "500"}, "script is '500'; expected a list"),
        (["script"], "expected an object of settings"),
    ],
)
async def test_a_wrong_setting_is_named_and_changes_nothing(simulator, http, change, words):
    before = simulator.config
    error = await post(http, "/control", change, status=400)
    assert words in error["error"]["message"]
    assert simulator.config == before


async def test_a_body_that_is_no_json_is_refused(http):
    async with http.post("/control", data=b"{") as reply:
        assert reply.status == 400


async def test_an_unknown_path_lists_the_known_ones(http):
    async with http.get("/nowhere") as reply:
        assert reply.status == 404
        assert "GET /bill" in (await reply.json())["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/chat/completions"), ("POST", "/v1/models"), ("GET", "/v1/messages")]
)
async def test_a_path_has_its_method(http, method, path):
    async with http.request(method, path) as reply:
        assert reply.status == 404


async def test_bill_and_counts_are_read_and_reset(http, ask):
    await ask()
    bill, stats = await get(http, "/bill"), await get(http, "/stats")
    assert bill["total"]["requests"] == 1
    assert (stats["received"], stats["max_in_flight"], stats["by_status"]) == (1, 1, {"200": 1})
    tokens = bill["total"]["input_tokens"] + bill["total"]["output_tokens"]
    assert stats["per_second"] == {"openai/gpt-6-luna": [[1_000_000, 1, 1, tokens]]}
    await post(http, "/bill/reset")
    await post(http, "/stats/reset")
    assert (await get(http, "/bill")) == {"accounts": {}, "total": bill["total"] | dict.fromkeys(bill["total"], 0)}
    assert (await get(http, "/stats"))["received"] == 0
    assert await get(http, "/healthz") == {"status": "ok"}


async def test_counts_by_second_tell_what_was_refused(simulator, clock, http, ask):
    simulator.configure(limits=Limits(rpm=6), failed_requests_count=False)
    for _ in range(3):
        try:
            await ask("[[tokens:3]]")
        except Exception:
            clock.advance(1)
    stats = await get(http, "/stats")
    assert stats["per_second"]["openai/gpt-6-luna"] == [[1_000_000, 2, 1, 6], [1_000_001, 1, 0, 0]]
    assert (stats["rate_limited"], stats["refused_by"]) == (2, {"requests": 2})
    assert stats["max_in_flight_by_scope"] == {"openai/gpt-6-luna": 1}


def test_settings_in_python_are_checked_too():
    with pytest.raises(ConfigError, match=r"limits.concurrency is 0"):
        Limits(concurrency=0)
    assert SimulatorConfig().changed({"models": ["a"]}).models == ("a",)


@pytest.mark.parametrize("headers", [{"x-a": "a\nb"}, {"x-a": "\x01"}, {"x-a": 5}])
@pytest.mark.parametrize("name", ["reply_headers", "failure_headers"])
def test_headers_that_http_cannot_carry_are_refused_as_settings(name: str, headers: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"{name}\.x-a is .*; expected printable text"):
        SimulatorConfig().changed({name: headers})


@pytest.mark.parametrize(
    "change", [{"latency_ms": float("nan")}, {"faults": {"429": float("nan")}}, {"burst_s": 1e999}]
)
def test_numbers_that_are_not_finite_are_refused_as_settings(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"is nan|is inf"):
        SimulatorConfig().changed(change)
