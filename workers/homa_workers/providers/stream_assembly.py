"""A streamed reply in the making: events go in, pieces for the reader come out, and at the end the whole reply.

A stream that is cut often ends like one that is complete. Each assembly knows what its protocol says last; a stream
without that is AMBIGUOUS, with the text that had arrived as the floor of its cost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Delta, Usage
from homa_workers.providers.error_rules import ErrorReply, ErrorRule, classify
from homa_workers.providers.malformed import SHAPE_ERRORS

NO_HEADERS: Mapping[str, str] = {}


class StreamAssembly(ABC):
    """What all protocols share.

    Args:
        headers: of the reply that streams, names in lower case.
    """

    def __init__(self, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self.headers = headers
        #: Whether the stream ended with `[DONE]`, where its protocol has that.
        self.said_done = False

    @property
    @abstractmethod
    def text(self) -> str:
        """All that was certainly generated so far: text, reasoning, arguments of tools."""

    @property
    def begun(self) -> bool:
        """Whether anything was generated, be it unseen: models may think without telling what."""
        return bool(self.text)

    @abstractmethod
    def _deltas(self, event: Any) -> Iterator[Delta]:
        """Take an event in and give its pieces."""

    @property
    def has_ended(self) -> bool:
        """Whether the protocol's last event has come: what follows, be it a broken connection, says nothing more."""
        return False

    def add(self, event: object) -> list[Delta]:
        """Take an event in and give its pieces. Raises ProviderError (AMBIGUOUS) for a malformed one."""
        try:
            return list(self._deltas(event))
        except SHAPE_ERRORS as error:
            raise self.broken(f"malformed event{_type_of(event)}: {error!r:.200}") from error

    def broken(self, message: str) -> ProviderError:
        """The error of a stream without a proper end: what it has cost only the provider knows."""
        usage, text = self._usage_so_far(), self.text
        return ProviderError(ErrorKind.AMBIGUOUS, message, usage=usage, partial_text=text, begun=self.begun)

    def failed(self, told: ErrorReply, rules: Sequence[ErrorRule]) -> ProviderError:
        """The error that a stream tells in the place of what should have followed."""
        error = classify(told, rules, partial_text=self.text, begun=self.begun)
        error.usage = self._usage_so_far()
        return error

    def _usage_so_far(self) -> Usage | None:
        """What the provider has reported before the end; None where it did not."""
        return None


def _type_of(event: object) -> str:
    kind = event.get("type") if isinstance(event, Mapping) else None
    return f" {kind!r:.80}" if kind else ""


class ToolInputs:
    """Inputs of tools whose JSON arrives in pieces, by the number of their block."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def __contains__(self, block: int) -> bool:
        return block in self._texts

    @property
    def text(self) -> str:
        return "".join(self._texts.values())

    def begin(self, block: int, call_id: str | None, name: str | None) -> Delta:
        self._texts[block] = ""
        return self._delta(block, id=call_id, type="function", function={"name": name, "arguments": ""})

    def add(self, block: int, piece: str) -> Delta:
        self._texts[block] = self._texts.get(block, "") + piece
        return self._delta(block, function={"arguments": piece})

    def whole(self, block: int) -> dict[str, Any]:
        """`{"input": …}` once its pieces are together; empty where none came."""
        text = self._texts.get(block)
        if not text:
            return {}
        try:
            return {"input": orjson.loads(text)}
        except orjson.JSONDecodeError:
            # Cut by the output cap in mid-input; the text is kept for whoever looks at the job.
            return {"input": {"_incomplete": text}}

    def _delta(self, block: int, **fields: Any) -> Delta:
        return Delta(tool_call={"index": list(self._texts).index(block), **fields})
