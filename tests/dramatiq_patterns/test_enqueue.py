"""Each enqueue is a run of its own, whatever id the message has; when it runs is what its delay or eta says."""

from __future__ import annotations

import time

import dramatiq
import pytest
from dramatiq import group
from dramatiq.common import current_millis
from dramatiq.middleware import CurrentMessage, Middleware

from homa_shared.broker import RECORD_OPTION, HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.connection import StoreAddress
from tests.dramatiq_patterns.conftest import Start, record_of


def test_messages_that_share_an_id_all_run(broker: HomaBroker, start: Start) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def note(number: int) -> None:
        ran.append(number)

    template = note.message(0)
    for number in range(5):
        broker.enqueue(template.copy(args=(number,)))
    group([template, template]).run()
    start()
    broker.join("default")
    assert sorted(ran) == [0, 0, 0, 1, 2, 3, 4]


def test_a_message_runs_delayed_and_at_once(broker: HomaBroker, start: Start) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def note() -> None:
        ran.append(1)

    message = note.message()
    broker.enqueue(message, delay=300)
    broker.enqueue(message)
    start()
    broker.join("default")
    assert ran == [1, 1]


def test_an_actor_may_send_its_own_message_again_and_again(broker: HomaBroker, start: Start) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def echo(depth: int) -> None:
        ran.append(depth)
        message = CurrentMessage.get_current_message()
        assert message is not None
        if depth:
            for _ in range(2):
                broker.enqueue(message.copy(args=(depth - 1,)))

    start()
    echo.send(2)
    broker.join("default")
    assert sorted(ran) == [0, 0, 0, 0, 1, 1, 2]


def test_what_a_run_sends_of_itself_outlives_its_own_failure(broker: HomaBroker, start: Start) -> None:
    ran: list[int] = []

    @dramatiq.actor(max_retries=0)
    def fails_once(number: int) -> None:
        ran.append(number)
        message = CurrentMessage.get_current_message()
        assert message is not None
        if number == 0:
            broker.enqueue(message.copy(args=(1,)))
            raise ValueError("the first one")

    start()
    fails_once.send(0)
    broker.join("default")
    assert ran == [0, 1]


def test_a_run_may_pass_its_message_to_another_queue(broker: HomaBroker, start: Start) -> None:
    ran: list[str] = []

    @dramatiq.actor(queue_name="second")
    def takes_over() -> None:
        ran.append("second")

    @dramatiq.actor
    def passes_on() -> None:
        message = CurrentMessage.get_current_message()
        assert message is not None
        broker.enqueue(message.copy(queue_name="second", actor_name="takes_over"))

    start()
    passes_on.send()
    broker.join("default")
    broker.join("second")
    assert ran == ["second"]


def test_a_retry_keeps_its_record(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2)
    def broken() -> None:
        raise ValueError("never")

    start()
    message = broken.send()
    broker.join("default")
    view = broker.store.run(reads.job(broker.store.keys, record_of(message)))
    assert view is not None
    assert (view.job.state, view.job.raw["at"]) == (State.FAILED, 2)


def test_what_was_enqueued_names_its_record(broker: HomaBroker) -> None:
    @dramatiq.actor
    def note() -> None: ...

    message = note.message()
    first, second = broker.enqueue(message), broker.enqueue(message)
    assert RECORD_OPTION not in message.options
    assert first.message_id == second.message_id == message.message_id
    records = {sent.options[RECORD_OPTION] for sent in (first, second)}
    assert len(records) == 2
    assert all(name.startswith(message.message_id) for name in records)


class Etas(Middleware):
    """Notes the eta of what is enqueued and of what runs."""

    def __init__(self) -> None:
        self.enqueued: list[object] = []
        self.ran: list[object] = []

    def before_enqueue(self, broker: object, message: dramatiq.Message[None], delay: int | None) -> None:
        self.enqueued.append(message.options.get("eta"))

    def before_process_message(self, broker: object, message: dramatiq.broker.MessageProxy) -> None:
        self.ran.append(message.options.get("eta"))


def test_an_eta_is_kept_like_a_delay(broker: HomaBroker, start: Start) -> None:
    etas, ran = Etas(), list[int]()
    broker.add_middleware(etas)

    @dramatiq.actor
    def note() -> None:
        ran.append(current_millis())

    start()
    eta = current_millis() + 400
    note.send_with_options(eta=eta)
    broker.join("default")
    assert ran[0] >= eta
    assert (etas.enqueued, etas.ran) == ([eta], [None])


@pytest.mark.parametrize("eta", [None, "tomorrow", 1], ids=["none", "no number", "past"])
def test_an_eta_that_says_nothing_is_now(broker: HomaBroker, start: Start, eta: object) -> None:
    ran: list[float] = []

    @dramatiq.actor
    def note() -> None:
        ran.append(time.monotonic())

    note.send_with_options(eta=eta)
    start()
    broker.join("default", timeout=10_000)
    assert len(ran) == 1


def test_a_broker_takes_its_address_as_text(store_address: StoreAddress, namespace: str) -> None:
    broker = HomaBroker(store_address.url, namespace)
    assert broker.address == store_address
    broker.close()
