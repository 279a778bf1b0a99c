"""How far estimates of tokens are off is learned from every kind of call: plain ones, steps, texts to embed."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.reply import Call, Completion, Embeddings, Usage
from homa_shared.calls.request import StepRules
from homa_shared.calls.tokens import count, estimate_messages
from homa_shared.calls.tools import tool
from homa_shared.quota.call_parts import read_parameters
from homa_shared.store.reads.token_error import Learned, add_learned, estimates, learned
from homa_shared.store.reads.written_tokens import answer_tokens
from homa_workers.fleet import token_calibration
from homa_workers.fleet.token_calibration import ONE_IN, TokenLearning
from homa_workers.middleware.token_calibration import TokenCalibration
from tests.steps.cell import EMBED, HAIKU, MINI, Cell, by_schema, until

OLLAMA = "ollama:llama3.3"
QUESTION: list[dict[str, Any]] = [{"role": "user", "content": "How many tokens has this, all in all?"}]


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reply is looked at."""
    monkeypatch.setattr(token_calibration, "ONE_IN", 1)


async def known(cell: Cell, learning: TokenLearning, target: str) -> Learned:
    await learning.flush()
    return (await cell.store.run(learned(cell.keys, [target])))[target]


def reply(tokens: int, *, metered: bool = True) -> Completion:
    return Completion({}, Usage(input_tokens=tokens), metered=metered)


async def test_each_step_of_a_job_with_tools_teaches(cell: Cell, every: None) -> None:
    @tool
    def look_up(name: str) -> str:
        """Finds a person."""
        return "36 years old"

    worker = await cell.worker("anthropic")
    prompt = '[[tool:look_up {"name": "Ada"}]]'
    await cell.ended(await cell.ask(prompt, targets=(HAIKU,), steps=StepRules(("look_up",))))
    assert worker._pipeline is not None
    found = await known(cell, worker._pipeline.middleware.find(TokenCalibration).learning, HAIKU)
    assert found.replies == 2
    assert found.actual == sum(line.input_tokens for line in await cell.ledger())


async def test_answers_by_schema_teach(cell: Cell, every: None) -> None:
    worker = await cell.worker()
    await cell.ended(await cell.ask("Who?", params=by_schema()))
    assert worker._pipeline is not None
    found = await known(cell, worker._pipeline.middleware.find(TokenCalibration).learning, MINI)
    asked = estimate_messages([{"role": "user", "content": "Who?"}], MINI, tools=read_parameters(by_schema()))
    assert (found.replies, found.estimated) == (1, asked)
    assert found.missed == abs(asked - found.actual)


async def test_embeddings_teach(cell: Cell, every: None) -> None:
    worker = await cell.worker()
    await cell.ended(await cell.embed(["first text", "second text"]))
    assert worker._pipeline is not None
    found = await known(cell, worker._pipeline.middleware.find(TokenCalibration).learning, EMBED)
    assert (found.replies, found.estimated) == (1, count("first text\nsecond text", EMBED.partition(":")[2]).tokens)


async def test_what_is_missed_is_reckoned_with_what_the_fleet_knows_already(cell: Cell, every: None) -> None:
    raw = estimate_messages(QUESTION, OLLAMA)
    await cell.store.run(add_learned(cell.keys, OLLAMA, Learned(1000, 2000, 10, 1000)))
    learning = TokenLearning(cell.store)
    learning.note(OLLAMA, Call("llama3.3", QUESTION), reply(2 * raw))
    assert (await known(cell, learning, OLLAMA)).missed == 1000 + raw, "this worker had not heard of it yet"
    learning.note(OLLAMA, Call("llama3.3", QUESTION), reply(2 * raw))
    found = await known(cell, learning, OLLAMA)
    assert (found.missed, found.replies) == (1000 + raw, 12), "an estimate times two is right"
    assert found.error == (1000 + raw) / (2000 + 4 * raw)


async def test_what_answers_have_is_learned_too_from_five_on(cell: Cell, every: None) -> None:
    learning = TokenLearning(cell.store)
    for tokens, mean in ((10, None), (20, None), (30, None), (40, None), (51, 31)):
        learning.note(OLLAMA, Call("llama3.3", QUESTION), Completion({}, Usage(9, tokens)))
        await learning.flush()
        assert await cell.store.run(answer_tokens(cell.keys, [OLLAMA, MINI])) == {OLLAMA: mean, MINI: None}


async def test_what_tells_nothing_of_text_is_passed_over(cell: Cell, every: None) -> None:
    learning = TokenLearning(cell.store)
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]
    long = [{"role": "user", "content": "word " * 10_000}]
    learning.note(OLLAMA, Call("llama3.3", image), reply(9))
    learning.note(OLLAMA, Call("llama3.3", long), reply(9))
    learning.note(OLLAMA, Call("llama3.3", QUESTION), reply(0, metered=False))
    learning.note_texts(OLLAMA, ["a"], Embeddings([[1.0]], "m", Usage(), metered=False))
    assert (await known(cell, learning, OLLAMA)).replies == 0
    assert await cell.store.run(estimates(cell.keys)) == []


async def test_one_reply_in_a_few_is_looked_at(cell: Cell) -> None:
    learning = TokenLearning(cell.store)
    for _ in range(2 * ONE_IN + 1):
        learning.note(OLLAMA, Call("llama3.3", QUESTION), reply(9))
    assert (await known(cell, learning, OLLAMA)).replies == 3


async def test_a_worker_flushes_by_itself(cell: Cell, every: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homa_workers.middleware.token_calibration.FLUSH_S", 0.05)
    await cell.worker()
    await cell.ended(await cell.submit())

    async def told() -> bool:
        return [row.target for row in await cell.store.run(estimates(cell.keys))] == [MINI]

    await until(told)


def test_tools_schema_and_functions_are_read_like_a_part_of_the_prompt() -> None:
    params = {"tools": [{"a": 1}], "functions": [{"b": 2}], "response_format": {"c": 3}, "temperature": 1}
    assert read_parameters(params) == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert read_parameters({}) == []


@pytest.mark.parametrize(
    ("sums", "error"),
    [(Learned(), None), (Learned(9, 10, 1), None), (Learned(9, 10, 1, 1), 0.1), (Learned(9, 0, 1, 1), None)],
)
def test_an_error_is_a_part_of_what_was_counted(sums: Learned, error: float | None) -> None:
    assert sums.error == error
