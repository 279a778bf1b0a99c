"""Thinking blocks that a conversation no longer fits: Claude refuses them, and is asked once more without."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Delta
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from homa_workers.simulator import Simulator, SimulatorConfig
from homa_workers.simulator.dialects.anthropic_prompt import BOUND_ELSEWHERE
from tests.matrix.conftest import connect
from tests.providers.stub import events, serving

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": f"{BOUND_ELSEWHERE}1"}
TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "x"},
    {"role": "assistant", "content": "Hm.", "thinking_blocks": [THOUGHT]},
    {"role": "user", "content": "y"},
]


def anthropic(url: str) -> Provider:
    return create(ProviderConfig("anthropic", "anthropic", SecretStr("k"), url))


async def ignore(_: Delta) -> None:
    """Takes pieces of a stream."""


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("kind", "model"), [("anthropic", "claude-opus-5-5"), ("bedrock", "anthropic.claude-opus-5-5")]
)
async def test_claude_is_asked_once_more_without_thoughts_that_are_bound_elsewhere(
    kind: str, model: str, streamed: bool
) -> None:
    call = Call(model, TALK, {"max_tokens": 50})
    async with Simulator(SimulatorConfig()) as simulator:
        provider = connect(kind, f"{simulator.url}/{kind}")
        found = await (provider.stream(call, ignore) if streamed else provider.complete(call))
        await provider.aclose()
    assert found.text
    assert simulator.stats.received == 2
    assert call.messages[1]["thinking_blocks"] == [THOUGHT]


async def test_a_refusal_without_thoughts_is_not_tried_again() -> None:
    call = Call("claude-opus-5-5", [{"role": "user", "content": "x"}], {"max_tokens": 50, "temperature": 0})
    async with Simulator(SimulatorConfig()) as simulator:
        provider = anthropic(f"{simulator.url}/anthropic")
        with pytest.raises(ProviderError, match="is deprecated for this model"):
            await provider.complete(call)
        await provider.aclose()


STARTED = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":5}}}\n\n',
    (
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
        '{"type":"thinking","thinking":"","signature":""}}\n\n'
    ),
)
LIMITED = 'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"Too many tokens"}}\n\n'


@pytest.mark.parametrize(("pieces", "kind"), [((), ErrorKind.RATE_LIMITED), (STARTED, ErrorKind.AMBIGUOUS)])
async def test_a_stream_that_breaks_while_claude_thinks_unseen_has_cost_something(
    pieces: tuple[str, ...], kind: ErrorKind
) -> None:
    async with serving(events(*pieces, LIMITED)) as stub:
        provider = anthropic(stub.url)
        with pytest.raises(ProviderError) as caught:
            await provider.stream(Call("claude-opus-5-5", TALK[:1], {"max_tokens": 50}), ignore)
        await provider.aclose()
    assert caught.value.kind is kind
