"""What went wrong is told in words of any language, cut to a length, and without what is secret of a target."""

from __future__ import annotations

import orjson
import pytest

from homa_shared.store.reads.schedules import schedule_history, schedules
from homa_shared.store.transitions.attempts import Report, fail
from homa_shared.store.transitions.deliveries import end_delivery
from homa_shared.store.transitions.schedules import halt_schedule
from tests.schedules.receivers import Receiver
from tests.schedules.stand import Stand
from tests.schedules.test_deliveries import TICK, deliver, ran, taken, told
from tests.schedules.test_deliveries import receiver as receiver

#: Cut anywhere, some of these would lose a part of a letter.
LONG = ["ü" * 400, "x" + "ü" * 400, "漢" * 400, "x" + "漢" * 400, "xx" + "漢" * 400, "🙂" * 400, "x🙂" * 400]


@pytest.mark.parametrize("words", LONG)
async def test_long_words_of_a_failure_can_be_read_wherever_they_are_told(
    stand: Stand, receiver: Receiver, words: str
) -> None:
    made = stand.make("digest", deliver=orjson.dumps([receiver.url]).decode())
    await stand.go_to(TICK)
    claim = stand.claim()
    error = orjson.dumps({"error": {"kind": "invalid_request", "message": words}})
    note = orjson.dumps({"error": words}).decode()
    report = Report("invalid_request", health="bad", note=note)
    stand.run(fail(stand.keys, (claim.id, claim.attempt), "failed", error, report, words))
    await stand.turn()
    (run,) = stand.run(schedule_history(stand.keys, made.id))
    assert run.detail
    assert words.startswith(run.detail)
    (view,) = stand.run(schedules(stand.keys, [made.id]))
    assert view.alarm is not None
    assert words[:20] in view.alarm.detail
    assert await deliver(stand) == 1
    assert words.startswith(orjson.loads(receiver.got[0][1])["data"]["error"]["message"])
    stand.run(halt_schedule(stand.keys, made.id, words))
    (view,) = stand.run(schedules(stand.keys, [made.id]))
    assert view.alarm is not None
    assert words.startswith(view.alarm.detail)


@pytest.mark.parametrize("outcome", ["again", "refused"])
@pytest.mark.parametrize("words", LONG)
async def test_long_words_of_a_delivery_can_be_read(stand: Stand, words: str, outcome: str) -> None:
    made = await ran(stand, "mailto:a@x.org")
    (claim,) = taken(stand)
    stand.run(end_delivery(stand.keys, (claim.id, claim.attempt), outcome, words, 1000))  # type: ignore[arg-type]
    await stand.turn()
    (delivery,) = told(stand, made)
    assert delivery.error
    assert words.startswith(delivery.error)


async def test_what_stands_behind_the_host_of_a_webhook_is_told_nowhere(stand: Stand) -> None:
    made = await ran(stand, "HTTPS://127.0.0.1:1/services/hush")
    (claim,) = taken(stand)
    stand.run(end_delivery(stand.keys, (claim.id, claim.attempt), "refused", "no"))
    await stand.turn()
    (delivery,) = told(stand, made)
    assert "hush" not in delivery.target
    assert "hush" not in stand.alarm(made)
    assert "127.0.0.1:1" in delivery.target


async def test_words_that_an_earlier_release_cut_in_mid_letter_are_read(stand: Stand) -> None:
    made = await ran(stand, "mailto:a@x.org")
    half = "ü".encode()[:1]
    stand.redis("HSET", stand.keys.schedule(made), "alarm", b'{"kind":"failed","detail":"x' + half + b'","at":1}')
    key = stand.keys.schedule_history(made)
    (told_run,) = stand.redis("HVALS", key)
    stand.redis("HSET", key, TICK, told_run[:-1] + b',"detail":"x' + half + b'"}')
    (view,) = stand.run(schedules(stand.keys, [made]))
    (run,) = stand.run(schedule_history(stand.keys, made))
    assert view.alarm is not None
    assert (view.alarm.detail, run.detail) == ("x\ufffd", "x\ufffd")
