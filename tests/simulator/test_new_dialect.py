"""What a wire shape of one's own takes: one class, which translates only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson
import pytest

from homa_workers.simulator import Limits, Simulator, SimulatorConfig
from homa_workers.simulator.dialect import Dialect, Piece, Reply, retry_after, stretches
from homa_workers.simulator.limits import Accounting, Level
from homa_workers.simulator.prompt_reading import Conversation, expect_text
from homa_workers.simulator.wire import Failure, Operation, Prompt, Route


class LinesDialect(Dialect):
    """A prompt in, lines of JSON out."""

    kind = "lines"
    accounting = Accounting.INPUT_ONLY
    stream_type = "application/jsonl"

    def route(self, method: str, path: str) -> Route | None:
        return Route(Operation.CHAT, model="liner") if (method, path) == ("POST", "/lines") else None

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        conversation = Conversation()
        conversation.add(expect_text(body, "prompt"), by_user=True)
        text = conversation.text
        return Prompt(
            operation=route.operation,
            model=route.model,
            text=text,
            last_user=conversation.last_user,
            prompt_tokens=conversation.tokens(text, None),
            stream=bool(body.get("stream")),
        )

    def write(self, reply: Reply) -> Any:
        return {"text": reply.answer.text, "tokens": reply.answer.usage.output_tokens}

    def stream(self, reply: Reply) -> Sequence[Piece]:
        return [Piece(orjson.dumps(text) + b"\n", tokens) for text, tokens in stretches(reply.answer.text)]

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        return (429 if failure.retry_after_s else 400), {"error": failure.message}

    def stream_failure(self, failure: Failure, request_id: str, shape: str = "") -> bytes:
        return orjson.dumps(self.failure(failure, request_id)[1]) + b"\n"

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        return retry_after(failure)


async def test_a_dialect_of_one_class_has_limits_markers_streams_and_a_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homa_workers.simulator.server.all_dialects", lambda: (LinesDialect(),))
    config = SimulatorConfig(limits=Limits(rpm=3), burst_s=60)
    async with Simulator(config, clock=lambda: 0.0) as simulator, aiohttp.ClientSession(simulator.url) as client:

        async def ask(**body: Any) -> tuple[int, bytes, str]:
            async with client.post("/lines", json=body) as response:
                return response.status, await response.read(), response.headers.get("retry-after", "")

        status, refusal, _ = await ask()
        assert (status, b"'prompt' is None" in refusal) == (400, True)
        assert orjson.loads((await ask(prompt="[[say:Good morning]]"))[1]) == {"text": "Good morning", "tokens": 3}
        _, streamed, _ = await ask(prompt="[[say:Good morning to you all]]", stream=True)
        assert [orjson.loads(line) for line in streamed.splitlines()] == ["Good morning to ", "you all"]
        status, _, wait_s = await ask(prompt="Once more")
        assert (status, wait_s) == (429, "20")
        (charge, _) = simulator.bill.charges()
        assert (charge.account, charge.model) == ("lines", "liner")
