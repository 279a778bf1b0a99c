"""What a run came to is delivered to each target once it has ended: tried for a day, told of when that was in vain."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from homa_shared.model.constants import DELIVERIES, DELIVERY_MS
from homa_shared.schedules.timing import Every
from homa_shared.settings.delivery_section import Mail, signing_key
from homa_shared.store.blobs import Blobs, blobs_at
from homa_shared.store.reads.deliveries import Delivery, deliveries
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.deliveries import end_delivery, redeliver
from homa_shared.store.transitions.schedules import close_runs, delete_schedule
from homa_workers.deliveries import courier, files
from homa_workers.deliveries.courier import Courier, Ways
from homa_workers.deliveries.signing import Signing
from homa_workers.deliveries.webhook import signed_headers
from homa_workers.observe.worker_log import WorkerLog
from tests.schedules.receivers import Receiver, mail_server, web_receiver
from tests.schedules.stand import DAY, MINUTE, Stand, ms
from tests.worker.cell import until

TICK = ms(2026, 3, 2, 6)
KEY = b"k" * 32
OPEN = Ways(mail=Mail(), signing=Signing((KEY,)), private=True, files=None)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with web_receiver() as found:
        yield found


def taken(stand: Stand) -> list[Claim]:
    return list(stand.take(100, queues=(DELIVERIES,), provider="").claims)


async def deliver(stand: Stand, ways: Ways = OPEN, *, blobs: Blobs | None = None) -> int:
    """A worker makes the deliveries that wait; how many it took."""
    claims = taken(stand)
    sends = Courier(stand.async_store, blobs, ways, WorkerLog("w1"))
    await asyncio.gather(*(sends.run(claim) for claim in claims))
    await stand.turn()
    return len(claims)


async def ran(stand: Stand, *targets: str, **fields: Any) -> str:
    """A schedule whose first tick had its run; its id."""
    made = stand.make("digest", deliver=orjson.dumps(targets).decode(), **fields)
    await stand.go_to(TICK)
    await stand.do_all()
    return made.id


def told(stand: Stand, schedule: str) -> list[Delivery]:
    return stand.run(deliveries(stand.keys, schedule))


def states(stand: Stand, schedule: str) -> list[str]:
    return [delivery.state for delivery in told(stand, schedule)]


async def test_a_webhook_gets_the_run_signed_by_the_published_scheme(stand: Stand, receiver: Receiver) -> None:
    made = await ran(stand, receiver.url)
    assert await deliver(stand) == 1
    ((headers, body),) = receiver.got
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, said, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    document = orjson.loads(body)
    assert document["type"] == "schedule.run.ended"
    data = document["data"]
    assert (data["schedule"], data["tick"], data["state"], data["by"]) == (
        "digest",
        "2026-03-02T07:00:00+01:00",
        "succeeded",
        "tick",
    )
    assert data["id"] == headers["webhook-id"]
    assert data["cost_usd"] == "0.00000007"
    assert data["reply"] is not None
    (delivery,) = told(stand, made)
    assert (delivery.state, delivery.tries, delivery.error) == ("delivered", 1, "")
    assert await deliver(stand) == 0, "once"


def test_the_signature_is_that_of_the_published_example() -> None:
    """The vector of the specification's reference libraries."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_failed_run_is_delivered_with_its_error(stand: Stand, receiver: Receiver) -> None:
    stand.make("digest", deliver=orjson.dumps([receiver.url]).decode())
    await stand.go_to(TICK)
    stand.fail(stand.claim())
    await stand.turn()
    await deliver(stand)
    data = orjson.loads(receiver.got[0][1])["data"]
    assert (data["state"], data["reply"]) == ("failed", None)
    assert data["error"]["kind"]


async def test_each_target_has_its_own_delivery_and_one_that_fails_holds_up_none(
    stand: Stand, receiver: Receiver, tmp_path: Path
) -> None:
    made = await ran(stand, receiver.url, f"{tmp_path}/out/", "mailto:a@example.com")
    assert await deliver(stand) == 3
    assert sorted(states(stand, made)) == ["delivered", "delivered", "waiting"]
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == f"{made}-{TICK}.json"
    assert orjson.loads(file.read_bytes())["data"]["state"] == "succeeded"
    (waiting,) = [delivery for delivery in told(stand, made) if delivery.state == "waiting"]
    assert "no mail server" in waiting.error


async def test_a_file_may_be_named_by_its_tick(stand: Stand, tmp_path: Path) -> None:
    await ran(stand, f"{tmp_path}/{{{{tick:%Y}}}}/{{{{tick:%m-%d}}}}.json")
    await deliver(stand)
    assert (tmp_path / "2026" / "03-02.json").exists()


async def test_files_are_written_where_workers_may_and_nowhere_else(stand: Stand, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link").symlink_to(tmp_path / "elsewhere")
    made = await ran(stand, f"{allowed}/", f"{allowed}/link/", f"{tmp_path}/allowed-not/", "s3://bucket/x/")
    await deliver(stand, Ways(Mail(), Signing(), private=False, files=(allowed.as_uri(),)))
    assert sorted(states(stand, made)) == ["delivered", "failed", "failed", "failed"]
    assert not (tmp_path / "elsewhere").exists()
    assert "deliver_files" in stand.alarm(made)


async def test_an_object_store_gets_a_file_a_tick(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, asked = blobs_at("memory:///"), []

    def opened(url: str) -> Blobs:
        asked.append(url)
        return bucket

    monkeypatch.setattr(files, "blobs_at", opened)
    made = await ran(stand, "s3://bucket/digests/", "s3://bucket/elsewhere/")
    await deliver(stand, Ways(Mail(), Signing(), private=False, files=("s3://bucket/digests",)))
    assert sorted(states(stand, made)) == ["delivered", "failed"]
    assert asked == ["s3://bucket"]
    data = bucket.get(f"digests/{made}-{TICK}.json")
    assert data is not None
    assert orjson.loads(data)["data"]["schedule"] == "digest"


async def test_a_name_that_no_object_store_takes_is_given_up_at_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = blobs_at("memory:///")
    monkeypatch.setattr(files, "blobs_at", lambda url: bucket)
    made = await ran(stand, "s3://bucket/out/{{tick:..}}/x.json")
    await deliver(stand, Ways(Mail(), Signing(), private=False, files=("s3://bucket/out",)))
    assert states(stand, made) == ["failed"]
    assert ".." in stand.alarm(made)


async def test_a_large_reply_comes_from_the_blob_store(stand: Stand, tmp_path: Path) -> None:
    made = await ran(stand, f"{tmp_path}/")
    job = f"{made}-{TICK}"
    blobs = blobs_at((tmp_path / "blobs").as_uri())
    blobs.put("x/digest", orjson.dumps({"choices": [{"message": {"content": "long"}}]}))
    stand.redis("HSET", stand.keys.media_places(), "digest", "x/digest")
    stand.redis("SET", stand.keys.reply(job), orjson.dumps({"body_at": "digest", "provider": "p", "model": "m"}))
    await deliver(stand)
    assert states(stand, made) == ["waiting"], "this worker has no blob store"
    stand.clock.set(stand.now() + MINUTE)
    await deliver(stand, blobs=blobs)
    assert orjson.loads((tmp_path / f"{job}.json").read_bytes())["data"]["reply"]["text"] == "long"


async def test_a_mail_is_sent_by_a_server_with_the_answer_in_it(stand: Stand) -> None:
    async with mail_server() as server:
        mail = Mail(host="127.0.0.1", port=server.port, security="none", **{"from": "homa@example.com"})
        made = await ran(stand, "mailto:a@example.com")
        await deliver(stand, Ways(mail, Signing(), private=False, files=()))
    (message,) = server.mails
    assert (message["To"], message["From"]) == ("a@example.com", "homa@example.com")
    assert message["Subject"] == "digest 2026-03-02 07:00: succeeded"
    (attached,) = message.iter_attachments()
    assert orjson.loads(attached.get_content())["data"]["job"] == f"{made}-{TICK}"
    assert states(stand, made) == ["delivered"]


async def test_a_recipient_that_is_refused_for_good_is_given_up_at_once(stand: Stand) -> None:
    async with mail_server() as server:
        server.answer = "550 no such user"
        mail = Mail(host="127.0.0.1", port=server.port, security="none", **{"from": "homa@example.com"})
        made = await ran(stand, "mailto:a@example.com")
        await deliver(stand, Ways(mail, Signing(), private=False, files=()))
    assert states(stand, made) == ["failed"]
    assert "550 no such user" in stand.alarm(made)


@pytest.mark.parametrize("target", ["mailto:a%0D%0ABcc:b@x.org", "mailto:a\nb@x.org"])
async def test_an_address_that_would_add_lines_to_a_mails_head_is_given_up_at_once(stand: Stand, target: str) -> None:
    async with mail_server() as server:
        made = await ran(stand, target)
        plain = Mail.model_validate({"host": "127.0.0.1", "port": server.port, "security": "none", "from": "h@x.org"})
        await deliver(stand, Ways(plain, Signing(), private=False, files=()))
        assert states(stand, made) == ["failed"]
        assert server.mails == []


async def test_one_that_fails_is_tried_again_for_a_day_and_then_told_of(stand: Stand, receiver: Receiver) -> None:
    receiver.statuses = [503]
    made = await ran(stand, receiver.url)
    began, tries = stand.now(), 0
    while states(stand, made) == ["waiting"]:
        tries += await deliver(stand)
        stand.clock.set(stand.now() + 5 * MINUTE)
        assert stand.now() < began + 2 * DAY
    assert began + DELIVERY_MS - 70 * MINUTE < stand.now() < began + DELIVERY_MS + 10 * MINUTE
    assert 20 < tries < 60
    assert stand.alarm(made) == (
        "delivery: 2026-03-02T07:00:00+01:00 was not delivered to http://127.0.0.1:"
        + receiver.url.split(":")[2].removesuffix("/hook")
        + "/...: the receiver answered 503"
    )
    assert "schedule.alarmed" in stand.events()
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


async def test_the_alarm_stands_until_what_failed_is_delivered(stand: Stand, receiver: Receiver) -> None:
    receiver.statuses = [410]
    made = await ran(stand, receiver.url)
    await deliver(stand)
    assert states(stand, made) == ["failed"]
    receiver.statuses = [200]
    await stand.go_to(TICK + DAY)
    await stand.do_all()
    await deliver(stand)
    assert states(stand, made) == ["failed", "delivered"]
    assert stand.alarm(made).startswith("delivery: "), "a good run says nothing of it"
    assert stand.run(redeliver(stand.keys, made, TICK + DAY)) == (0, 0)
    assert stand.run(redeliver(stand.keys, made, TICK)) == (1, 0)
    assert stand.run(redeliver(stand.keys, made, None)) == (0, 0), "it waits already"
    assert await deliver(stand) == 1
    assert states(stand, made) == ["delivered", "delivered"]
    assert stand.alarm(made) == ""
    first, _, again = receiver.got
    assert first[0]["webhook-id"] == again[0]["webhook-id"]


async def test_redirects_are_not_followed(stand: Stand, receiver: Receiver) -> None:
    receiver.statuses = [302, 200]
    made = await ran(stand, receiver.url)
    await deliver(stand)
    assert len(receiver.got) == 1
    (delivery,) = told(stand, made)
    assert (delivery.state, delivery.tries) == ("waiting", 1)
    assert "redirects" in delivery.error


# What a kill leaves at each step.


async def test_closing_a_run_twice_delivers_once(stand: Stand, receiver: Receiver) -> None:
    made = await ran(stand, receiver.url)
    job = f"{made}-{TICK}"
    stand.redis("ZADD", stand.keys.schedule_ended(), stand.now(), f"{made}:{TICK} {job}")
    stand.run(close_runs(stand.keys, 10))
    assert await deliver(stand) == 1
    stand.redis("ZADD", stand.keys.schedule_ended(), stand.now(), f"{made}:{TICK} {job}")
    await stand.turn()
    assert await deliver(stand) == 0
    assert len(receiver.got) == 1


async def test_a_worker_that_dies_before_it_sends_leaves_the_delivery_to_another(
    stand: Stand, receiver: Receiver
) -> None:
    made = await ran(stand, receiver.url)
    (claim,) = taken(stand)
    stand.lose(claim)
    assert await deliver(stand) == 1
    assert states(stand, made) == ["delivered"]
    late = stand.run(end_delivery(stand.keys, (claim.id, claim.attempt), "delivered"))
    assert late == "stale"


async def test_a_worker_that_dies_behind_its_post_posts_again_under_the_same_id(
    stand: Stand, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await ran(stand, receiver.url)
    (claim,) = taken(stand)

    async def dies(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(courier, "persist", dies)
        with pytest.raises(SystemExit):
            await Courier(stand.async_store, None, OPEN, WorkerLog("w1")).run(claim)
    stand.lose(claim)
    assert await deliver(stand) == 1
    assert states(stand, made) == ["delivered"]
    one, other = receiver.got
    assert one[0]["webhook-id"] == other[0]["webhook-id"]


async def test_an_end_that_is_told_twice_counts_once(stand: Stand, receiver: Receiver) -> None:
    await ran(stand, receiver.url)
    (claim,) = taken(stand)
    name = (claim.id, claim.attempt)
    assert stand.run(end_delivery(stand.keys, name, "again", "x", 1000)) == "again"
    assert stand.run(end_delivery(stand.keys, name, "again", "x", 1000)) == "stale"
    assert stand.run(end_delivery(stand.keys, name, "delivered")) == "stale"


async def test_one_that_kills_its_workers_is_given_up_with_an_alarm(stand: Stand, receiver: Receiver) -> None:
    made = await ran(stand, receiver.url)
    for _ in range(3):
        (claim,) = taken(stand)
        stand.lose(claim)
    await stand.turn()
    assert taken(stand) == []
    assert states(stand, made) == ["failed"]
    assert stand.alarm(made).startswith("delivery: ")
    assert stand.run(redeliver(stand.keys, made, None)) == (1, 0)
    assert await deliver(stand) == 1
    assert states(stand, made) == ["delivered"]


async def test_a_worker_that_is_stopped_hands_its_delivery_back(stand: Stand, receiver: Receiver) -> None:
    made = await ran(stand, receiver.url)
    (claim,) = taken(stand)
    held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    receiver.pause = lambda: held
    sending = asyncio.create_task(Courier(stand.async_store, None, OPEN, WorkerLog("w1")).run(claim))
    await until(lambda: bool(receiver.got))
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    receiver.pause = None
    assert await deliver(stand) == 1
    assert states(stand, made) == ["delivered"]


async def test_a_deleted_schedules_deliveries_go_on(stand: Stand, receiver: Receiver) -> None:
    made = await ran(stand, receiver.url)
    stand.run(delete_schedule(stand.keys, made))
    assert await deliver(stand) == 1
    assert len(receiver.got) == 1
    assert told(stand, made) == []


async def test_the_reply_stays_as_long_as_its_delivery_is_tried(stand: Stand, receiver: Receiver) -> None:
    stand.redis("HSET", stand.keys.config(), "keep.results", MINUTE)
    receiver.statuses = [410, 200]
    made = await ran(stand, receiver.url)
    reply = stand.keys.reply(f"{made}-{TICK}")
    assert stand.redis("PTTL", reply) > DELIVERY_MS
    await deliver(stand)
    stand.redis("PEXPIRE", reply, MINUTE)
    assert stand.run(redeliver(stand.keys, made, None)) == (1, 0)
    assert stand.redis("PTTL", reply) > DELIVERY_MS


async def test_a_reply_that_is_gone_is_told_of_instead_of_an_empty_document(stand: Stand, receiver: Receiver) -> None:
    made = await ran(stand, receiver.url)
    stand.redis("DEL", stand.keys.reply(f"{made}-{TICK}"))
    await deliver(stand)
    assert receiver.got == []
    assert states(stand, made) == ["failed"]
    assert "kept no more" in stand.alarm(made)


async def test_as_many_deliveries_are_told_of_as_are_kept(stand: Stand) -> None:
    made = stand.make("often", Every(MINUTE, stand.now()), deliver='["https://example.com/x"]')
    for _ in range(205):
        await stand.go_to(stand.now() + MINUTE)
        await stand.do_all()
    assert len(told(stand, made.id)) == 200
    assert stand.redis("ZCARD", stand.keys.schedule_delivered(made.id)) == 200
