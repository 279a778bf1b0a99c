"""An account that calls nobody: its replies come from a script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from homa_shared.calls.reply import Call, Completion, Delta, Embeddings, message_text
from homa_workers.providers.base import Emit
from homa_workers.testing.answering import Answering

#: A word with the blanks behind it: what a stream brings in one piece.
_PIECE = re.compile(r"\S+\s*|\s+")


class Answers(Protocol):
    """What is answered to calls. It may raise `ProviderError`, as an adapter does."""

    def chat(self, provider: str, call: Call) -> Completion:
        """The reply to a call."""

    def vectors(self, provider: str, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """The vectors of texts."""


class ScriptedProvider:
    """One account.

    Args:
        name: the account's.
        kind: its kind of provider.
        answers: the script.
        answering: takes note of the answers that are being given.
    """

    def __init__(self, name: str, kind: str, answers: Answers, answering: Answering) -> None:
        self.name, self.kind = name, kind
        self._answers, self._answering = answers, answering

    async def complete(self, call: Call) -> Completion:
        return await self._answering.ask(f"{self.name}:{call.model}", partial(self._answers.chat, self.name, call))

    async def stream(self, call: Call, emit: Emit) -> Completion:
        """The whole reply, told word by word."""
        whole = await self.complete(call)
        for piece in _PIECE.findall(message_text(whole.body)):
            await emit(Delta(text=piece))
        for index, tool_call in enumerate(_tool_calls(whole.body)):
            await emit(Delta(tool_call={"index": index, **tool_call}))
        return whole

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        vectors = partial(self._answers.vectors, self.name, model, inputs, params)
        return await self._answering.ask(f"{self.name}:{model}", vectors)

    async def count(self, call: Call) -> int | None:
        return None

    async def aclose(self) -> None:
        return


def _tool_calls(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return body["choices"][0]["message"].get("tool_calls") or []
