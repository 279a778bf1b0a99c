"""Messages that are none fail as an invalid request, whichever server speaks the protocol."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from tests.providers.conftest import Connect
from tests.providers.shapes import openai_error
from tests.providers.stub import Stub, reply


@pytest.mark.parametrize("kind", ["openai", "azure", "cohere", "mistral", "ollama"])
@pytest.mark.parametrize("messages", [[7], ["x"], [{"role": "assistant", "content": "x", "tool_calls": [7]}]])
async def test_messages_of_another_shape_are_an_invalid_request_or_the_servers_to_judge(
    stub: Stub, connect: Connect, kind: str, messages: list[Any]
) -> None:
    stub.answer = reply(400, openai_error("Invalid type for 'messages[0]'"))
    with pytest.raises(ProviderError) as caught:
        await connect(kind, stub.url).complete(Call("m", messages, {"max_tokens": 5}))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
