"""A word stands in everything that a fleet is given and answers, and nowhere in what its store and blobs hold."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest

import homa
from homa import Flow, JobFailed, Window
from homa.testing import Answer, FakeCall, FakeHoma, RateLimited, Refused, fake
from homa_shared.broker import HomaBroker
from homa_shared.encryption.keyring import new_key
from homa_shared.store.client import Store
from homa_shared.store.join import address_of
from tests.encryption.canary import WORD, dump, files, found_in

LUNA, EMBEDDING = "openai:gpt-6-luna", "openai:text-embedding-3-small"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@homa.tool
def look_up(word: str) -> str:
    """What a word means.

    Args:
        word: the word.
    """
    return f"{word} means {WORD}"


def answer(call: FakeCall) -> Any:
    """What the model says, with the word in it."""
    if "refuse" in call.prompt:
        return Refused(f"the prompt {WORD} is not allowed")
    if "use the tool" in call.prompt and not any(message["role"] == "tool" for message in call.messages):
        return Answer(tool_calls={"look_up": {"word": WORD}})
    return f"{WORD} is the answer to {call.prompt[:40]}" + " and so on" * (300 if "at length" in call.prompt else 0)


def answers() -> dict[str, Any]:
    return {f"{WORD} limited": [RateLimited(retry_after_s=1), f"{WORD} at last"], "*": answer}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FakeHoma]:
    settings = {
        "blobs": str(tmp_path / "blobs"),
        "encryption_keys": new_key().written(),
        "encryption_required": True,
        "blobs_above": 1024,
        "retention": {"requests": "1h"},
    }
    with fake(answers(), settings=settings) as found:
        yield found


@pytest.fixture
def store(fleet: FakeHoma) -> Iterator[Store]:
    settings = fleet.fake.settings
    found = Store(address_of(settings), settings.namespace, role="test")
    yield found
    found.close()


def test_a_word_of_every_payload_is_nowhere_in_the_store_nor_in_its_blobs(
    fleet: FakeHoma, store: Store, tmp_path: Path
) -> None:
    _jobs(fleet, tmp_path)
    _batches(fleet)
    _conversations(fleet)
    _flows(fleet)
    _waits(fleet)
    _schedules(fleet)
    _messages(store)
    fleet.drain()
    found = found_in(dump(store))
    assert found == [], f"{len(found)} places, the first of them {found[0]}"
    blobs = list(files(tmp_path / "blobs"))
    assert len(blobs) >= 3, "large requests, large replies and media are to be there, or nothing is proven"
    assert found_in(iter(blobs)) == []
    assert not any(PNG in data for _, data in blobs)


def _jobs(fleet: FakeHoma, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": LUNA, "system": f"{WORD} rules", "metadata": {"note": WORD}}
    first = fleet.submit(f"{WORD} asks", key="k1", **options)
    assert WORD in first.result().text
    assert fleet.submit(f"{WORD} asks", key="k1", **options).id == first.id
    fleet.submit(f"{WORD} has time", delay_s=3600, **options)
    fleet.submit(f"{WORD} is told of", webhook="https://example.com/ends", **options).result()
    with pytest.raises(JobFailed, match=WORD):
        fleet.submit(f"refuse {WORD}", **options).result()
    assert fleet.submit(f"{WORD} limited", **options).result().text == f"{WORD} at last"
    cached = [fleet.submit(f"{WORD} again", cache=True, **options).result() for _ in range(2)]
    assert cached[1].cached_from
    assert cached[0].text == cached[1].text
    assert WORD in "".join(fleet.stream(f"{WORD} flows", **options))
    assert WORD in fleet.submit(f"use the tool for {WORD}", run_tools=[look_up], **options).result().text
    assert fleet.submit(f"{WORD} at length " + f"{WORD} " * 400, **options).result().text.startswith(WORD)
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG)
    assert WORD in fleet.submit(f"{WORD} is to be seen", images=[str(picture)], **options).result().text
    vectors = [fleet.embed([WORD, f"more of {WORD}"], model=EMBEDDING, cache=True) for _ in range(2)]
    assert vectors[0].vectors == vectors[1].vectors
    template = fleet.template("canary", f"{WORD} says {{{{what}}}}", system=WORD)
    assert template.system == WORD
    assert fleet.template("canary").prompt.startswith(WORD)
    assert fleet.template("canary", f"{WORD} says {{{{what}}}}", system=WORD).version == template.version


def _batches(fleet: FakeHoma) -> None:
    lines = [{"prompt": f"{WORD} line {n}", "metadata": {"n": f"{WORD} {n}"}} for n in range(3)]
    batch = fleet.submit_batch([*lines, {"prompt": f"refuse {WORD}"}], model=LUNA)
    results = list(batch.results())
    assert sorted(result.ok for result in results) == [False, True, True, True]
    assert {result.reply.metadata["n"] for result in results if result.ok} == {f"{WORD} {n}" for n in range(3)}
    batch.retry(failed=True)
    fleet.drain()


def _conversations(fleet: FakeHoma) -> None:
    talk = fleet.conversation("c1", system=f"{WORD} rules", model=LUNA, window=Window(turns=1, summary_model=LUNA))
    for number in range(4):
        assert WORD in talk.ask(f"{WORD} turn {number}").text
    with pytest.raises(JobFailed):
        talk.ask(f"refuse {WORD}")
    fleet.drain()
    told = talk.export()
    assert told.count(WORD) >= 8
    assert next(turn.prompt for turn in talk.turns()) == f"{WORD} turn 0"
    other = fleet.import_conversation(told, id="c2")
    assert [turn.text for turn in other.turns()] == [turn.text for turn in talk.turns()]
    branch = talk.branch(id="c3", at=2)
    assert [turn.prompt for turn in branch.turns()] == [f"{WORD} turn 0", f"{WORD} turn 1"]


def _flows(fleet: FakeHoma) -> None:
    flow = Flow("canary")
    parts = flow.split("parts")
    facts = flow.map(parts, prompt=f"{WORD}: facts of {{{{text}}}}", model=LUNA, name="facts")
    named = flow.filter(facts, {"pattern": WORD}, name="named")
    flow.reduce(named, prompt=f"{WORD}: all of {{{{items}}}}", model=LUNA, name="whole")
    inputs = [{"name": WORD, "parts": [f"{WORD} a", f"{WORD} b"]}, {"name": WORD, "parts": [f"{WORD} a"]}]
    run = fleet.run(flow, inputs, name="flow")
    assert [result.ok for result in run.results()] == [True, True]
    calls = len(fleet.calls)
    assert all(WORD in result.reply.text for result in fleet.run(flow, inputs, name="again").results())
    assert len(fleet.calls) == calls, "equal nodes are asked for once, sealed or not"


def _waits(fleet: FakeHoma) -> None:
    flow = Flow("waits")
    draft = flow.map(prompt=f"{WORD}: {{{{text}}}}", model=LUNA, name="draft")
    flow.wait(draft, prompt=f"{WORD}? {{{{draft}}}}", name="verdict")
    run = fleet.run(flow, [{"text": WORD}], name="waits")
    fleet.drain()
    (question,) = run.questions()
    assert question.text.startswith(f"{WORD}? {WORD}")
    fleet.flow_answer(question.token, f"{WORD} it is")
    assert [result.reply.text for result in run.results()] == [f"{WORD} it is"]


def _schedules(fleet: FakeHoma) -> None:
    schedule = fleet.schedule("canary", f"{WORD} of {{{{tick}}}}", model=LUNA, every_s=60, metadata={"of": WORD})
    again = fleet.schedule("canary", f"{WORD} of {{{{tick}}}}", model=LUNA, every_s=60, metadata={"of": WORD})
    assert again.name == schedule.name == "canary"
    reply = schedule.run().result()
    assert WORD in reply.text
    asked = [call.prompt for call in fleet.calls if call.prompt.startswith(f"{WORD} of ")]
    assert asked
    assert "{{" not in asked[-1]
    assert "20" in asked[-1]
    fleet.advance(61)


def _messages(store: Store) -> None:
    broker = HomaBroker(store.address, store.keys.namespace)

    @dramatiq.actor(broker=broker, queue_name="canary")
    def note(_: str) -> None: ...

    note.send(f"{WORD} for an actor")
    broker.close()


def test_the_canary_is_found_where_nothing_is_encrypted(tmp_path: Path) -> None:
    with fake(answers(), settings={"blobs": str(tmp_path / "blobs"), "blobs_above": 1024}) as fleet:
        _jobs(fleet, tmp_path)
        store = Store(address_of(fleet.fake.settings), fleet.fake.settings.namespace, role="test")
        kinds = {place.rpartition("}:")[2].partition(":")[0] for place in found_in(dump(store))}
        store.close()
        assert {"o", "p", "a", "d", "j"} <= kinds
        assert found_in(files(tmp_path / "blobs")) != []
