"""How many events are kept, and which are not written: settings of the fleet, which scripts go by."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from homa import AsyncHoma, InvalidRequest, on
from homa.events import JobCancelled, JobEvent, JobSucceeded
from homa_shared.model.errors import ConfigError
from homa_shared.model.event_handlers import HANDLERS
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import load_settings
from homa_shared.store.operation import Op
from homa_workers.handlers.modules import not_written
from tests.commands_b.conftest import TOML
from tests.commands_b.stand import Stand


def apply(stand: Stand, **settings: object) -> None:
    lines = "".join(f"{name} = {value!r}\n".replace("'", '"') for name, value in settings.items())
    (stand.home / "homa.toml").write_text(f"{TOML}\n[events]\n{lines}")
    assert stand.said("apply").status == 0


def names(stand: Stand) -> list[str]:
    return [event["event"] for event in stand.json("events", "--limit", "1000")["events"]]


def test_kinds_that_are_off_are_not_written_and_others_are(stand: Stand) -> None:
    apply(stand, off=["job.succeeded", "budget.used"])
    stand.succeeded()
    stand.cancelled()
    assert "job.cancelled" in names(stand)
    assert "job.succeeded" not in names(stand)
    apply(stand, off=[])
    stand.succeeded()
    assert "job.succeeded" in names(stand)


def test_as_many_are_kept_as_settings_say(stand: Stand) -> None:
    apply(stand, kept=1000)
    key = stand.store.keys.events()
    for _ in range(50):
        stand.store.run(many(key, 100))
    stand.cancelled()
    # Trimmed by whole nodes of the stream.
    assert 1000 <= stand.store.wait("XLEN", key) < 1200


def many(key: str, count: int) -> Op[None]:
    return Op([("XADD", key, "*", "event", "job.failed", "job", "j")] * count, lambda _: None)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OFF", "job.suceeded", "'job.suceeded': there is no such event; did you mean 'job.succeeded'?"),
        ("KEPT", "10", "HOMA_EVENTS__KEPT"),
        ("DEAD", "none", "HOMA_EVENTS__DEAD"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, variable: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(env={f"HOMA_EVENTS__{variable}": value}, cwd=tmp_path)
    assert words in str(refused.value)


def test_a_fleet_of_a_newer_release_may_turn_off_what_this_one_does_not_know() -> None:
    fleet = Fleet.from_json('{"version": 3, "events": {"off": ["job.dreamt"], "more": 1}}')
    assert fleet.events.off == ("job.dreamt",)


def test_who_waits_for_what_is_not_written_is_told(stand: Stand) -> None:
    apply(stand, off=["job.succeeded"])
    with pytest.raises(InvalidRequest, match=r"JobSucceeded is not written: .* name job\.succeeded"):
        next(stand.homa.events(kinds=[JobSucceeded]))
    assert list(stand.homa.events(kinds=[JobSucceeded], after="-", follow=False)) == []
    stand.cancelled()
    assert isinstance(next(stand.homa.events(kinds=[JobEvent], after="-")), JobCancelled)

    async def ask() -> None:
        async with AsyncHoma(settings=stand.settings) as homa:
            await anext(homa.events(kinds=[JobSucceeded]))

    with pytest.raises(InvalidRequest, match="is not written"):
        asyncio.run(ask())


def test_a_worker_says_which_handlers_will_not_be_called() -> None:
    on(JobSucceeded, JobCancelled, name="h")(lambda event: None)
    assert not_written(HANDLERS.values(), ["job.succeeded", "batch.paused"]) == [
        "event handler h is not called for job.succeeded: the fleet's settings (events.off) name it"
    ]


def test_the_settings_of_a_store_without_them_are_the_defaults(stand: Stand) -> None:
    """A release that knows no such settings wrote the fleet's."""
    stand.cancelled()
    stand.redis("HDEL", stand.store.keys.config(), "events.kept", "events.dead")
    stand.cancelled()
    assert names(stand).count("job.cancelled") == 2


def test_the_command_that_follows_says_what_is_not_written(stand: Stand) -> None:
    apply(stand, off=["job.succeeded"])
    with stand.process("events", "--follow", "--event", "job") as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("not written, by events.off of the fleet's settings: job.succeeded" in line for line in lines)
