"""What an application or a model writes may look like a sealed payload: it comes back, with keys and without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import homa
from homa import Flow
from homa.testing import Answer, FakeCall, FakeHoma, fake
from homa_shared.encryption.keyring import new_key
from tests.encryption.test_nothing_in_clear import LUNA

LIKE = '{"homa.sealed":"new.QUJD"}'
FIELD = {"homa.sealed": "new.QUJD"}


@homa.tool
def like() -> str:
    """Looks like a sealed payload."""
    return LIKE


def answer(call: FakeCall) -> Any:
    if "use the tool" in call.prompt and not any(message["role"] == "tool" for message in call.messages):
        return Answer(tool_calls={"like": {}})
    return LIKE


@pytest.fixture(params=["without keys", "with keys"])
def fleet(request: pytest.FixtureRequest) -> Iterator[FakeHoma]:
    settings = {"encryption_keys": new_key().written()} if request.param == "with keys" else {}
    with fake({"*": answer}, settings=settings) as found:
        yield found


def test_jobs_and_their_answers(fleet: FakeHoma) -> None:
    reply = fleet.submit(LIKE, model=LUNA, system=LIKE, metadata=FIELD).result()
    assert (reply.text, reply.metadata) == (LIKE, FIELD)
    assert "".join(fleet.stream(LIKE, model=LUNA)) == LIKE
    assert fleet.submit("use the tool", model=LUNA, run_tools=[like]).result().text == LIKE
    batch = fleet.submit_batch([{"prompt": LIKE, "metadata": FIELD}], model=LUNA)
    assert [line.reply.metadata for line in batch.results() if line.ok] == [FIELD]


def test_conversations_templates_and_schedules(fleet: FakeHoma) -> None:
    talk = fleet.conversation("c", system=LIKE, model=LUNA)
    assert talk.ask(LIKE, metadata=FIELD).text == LIKE
    assert [turn.prompt for turn in talk.turns()] == [LIKE]
    fleet.template("t", LIKE, system=LIKE)
    assert fleet.template("t").prompt == LIKE
    schedule = fleet.schedule("s", LIKE, model=LUNA, every_s=60, metadata=FIELD)
    assert schedule.run().result().metadata == FIELD


def test_flows_and_their_questions(fleet: FakeHoma) -> None:
    flow = Flow("likes")
    draft = flow.map(prompt="{{text}}", model=LUNA, name="draft")
    flow.wait(draft, prompt=LIKE, name="verdict")
    run = fleet.run(flow, [{**FIELD, "text": LIKE}], name="likes")
    fleet.drain()
    (question,) = run.questions()
    assert question.text == LIKE
    fleet.flow_answer(question.token, LIKE)
    assert [result.reply.text for result in run.results()] == [LIKE]
