"""A submission to a store that has stopped answering is given up in time, and says what may have become of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homa import AsyncHoma, Homa, InvalidRequest, StoreUnavailable
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.address import StoreAddress
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.operation import Op
from tests.chaos.servers import Server
from tests.fixtures.store import eventually

MODEL = "openai:gpt-6-luna"
#: Far less than the half minute that a mute store takes where nothing is said.
SOON_S = 10.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path).start()
    yield server
    server.resume()
    server.kill()


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    variables = {"HOMA_REDIS_URL": server.url, "HOMA_CONFIG": "", "OPENAI_API_KEY": "k"}
    return load_settings(env={**variables, "HOMA_SUBMIT_TIMEOUT_S": "0.6"}, cwd=tmp_path)


def test_a_submission_is_given_up_in_time(server: Server, settings: Settings) -> None:
    with Homa(settings=settings) as homa:
        homa.submit("x", model=MODEL)
        server.pause()
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"Job (j\w+) may have been accepted: homa.job\('\1'\)") as caught:
            homa.submit("y", model=MODEL)
        assert time.monotonic() - began_s < SOON_S
        server.resume()
        # What was sent and not answered is known by the id that the error tells.
        assert caught.value.job_id
        eventually(lambda: homa.job(str(caught.value.job_id)).state() == "queued")


async def test_so_is_one_of_an_event_loop(server: Server, settings: Settings) -> None:
    async with AsyncHoma(settings=settings) as homa:
        await homa.submit("x", model=MODEL)
        server.pause()
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable, match="submitted again with the key 'k' it is accepted once"):
            await homa.submit("y", model=MODEL, key="k")
        assert time.monotonic() - began_s < SOON_S
        server.resume()
        first = await homa.submit("y", model=MODEL, key="k")
        assert (await homa.submit("y", model=MODEL, key="k")).id == first.id


def test_a_batch_is_given_up_and_says_what_is_left(server: Server, settings: Settings) -> None:
    def rows() -> Iterator[str]:
        for number in range(300):
            if number == 150:
                server.pause()
            yield f"row {number}"

    with Homa(settings=settings) as homa:
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            homa.submit_batch(rows(), model=MODEL)
        assert time.monotonic() - began_s < SOON_S
        assert "could not be cancelled, and lines of it may have been accepted" in caught.value.__notes__[0]


def test_what_was_not_sent_was_not_accepted(server: Server, settings: Settings) -> None:
    server.pause()
    with Homa(settings=settings) as homa, pytest.raises(StoreUnavailable) as caught:
        homa.submit("x", model=MODEL)
    assert caught.value.job_id is None


def test_an_argument_stands_above_the_setting(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMA_SUBMIT_TIMEOUT_S", "29")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.chdir(tmp_path)
    with Homa(redis_url=server.url, submit_timeout_s=0.6) as homa:
        homa.submit("x", model=MODEL)
        server.pause()
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable):
            homa.submit("y", model=MODEL)
        assert time.monotonic() - began_s < SOON_S


@pytest.mark.parametrize("given", [0, 31, True, "5", float("nan")])
def test_a_time_that_cannot_be_kept_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"submit_timeout_s is .*: expected seconds, 0.1 to 30"):
        Homa(submit_timeout_s=given)


async def test_stores_keep_to_the_time_that_they_have(server: Server) -> None:
    address, ping = StoreAddress.parse(server.url), Op((("PING",),), lambda replies: replies[0])
    server.pause()
    for store in (Store(address, "n", within_s=0.3), AsyncStore(address, "n", within_s=0.3)):
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.run(ping) if isinstance(store, AsyncStore) else store.run(ping)
        assert time.monotonic() - began_s < SOON_S
