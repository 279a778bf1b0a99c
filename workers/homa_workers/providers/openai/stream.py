"""Chunks of a streamed chat completion, put together again.

A stream is complete when each choice has told its `finish_reason`. Some servers never tell one: their stream is
complete when it ends with `[DONE]`, which one that is cut does not, and something was said. Whatever comes beside the
text (citations, thoughts under other names, audio) is kept as when the reply is not streamed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from homa_shared.calls.reply import Completion, Delta, Usage
from homa_shared.kinds.billing import Billing
from homa_workers.providers.error_rules import ErrorRule, failure_of
from homa_workers.providers.openai.errors import OPENAI_RULES
from homa_workers.providers.openai.imitations import said_and_thought, told_error
from homa_workers.providers.openai.reply import FAULT, QUOTA_HEADERS, completion_of, says_something, unchanged
from homa_workers.providers.openai.streamed_message import Text, ToolCalls, finished, merge
from homa_workers.providers.openai.usage import UNDESCRIBED, billed, is_metered, told_usage, usage_of
from homa_workers.providers.stream_assembly import NO_HEADERS, StreamAssembly
from homa_workers.providers.token_counts import NOTHING_ASKED

#: Fields of a chunk that are not the reply's: `obfuscation` pads the chunk, so that its length says nothing.
_NOT_KEPT = frozenset({"choices", "error", "object", "obfuscation", "usage"})
#: Fields of a delta that have a place of their own here.
_READ = frozenset({"role", "content", "reasoning_content", "tool_calls"})


class ChunkAssembly(StreamAssembly):
    """A completion in the making.

    Args:
        headers: of the reply.
        from_wire: brings a chunk into OpenAI's shape.
        quota_headers, billing, asked: as for `completion_of`.
        rules: what the server's failures mean.
    """

    def __init__(
        self,
        headers: Mapping[str, str] = NO_HEADERS,
        from_wire: Callable[[dict[str, Any]], dict[str, Any]] = unchanged,
        quota_headers: tuple[str, str, str, str] = QUOTA_HEADERS,
        rules: Sequence[ErrorRule] = OPENAI_RULES,
        billing: Billing = UNDESCRIBED,
        asked: Mapping[str, Any] = NOTHING_ASKED,
    ) -> None:
        super().__init__(headers)
        self._from_wire = from_wire
        self._rules = rules
        self._quota_headers = quota_headers
        self._billing, self._asked = billing, asked
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        #: Of all that was written so far.
        self._usage: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        return "".join(choice.text for choice in self._choices.values())

    @property
    def begun(self) -> bool:
        return any(choice.begun for choice in self._choices.values()) or bool(usage_of(self._usage).output_tokens)

    def _deltas(self, event: Any) -> Iterator[Delta]:
        if not isinstance(event, dict):
            return
        event = self._from_wire(event)
        for name, value in event.items():
            # A chunk that only reports usage may know less than those before it.
            if name not in _NOT_KEPT and (value or name not in self._head):
                self._head[name] = value
        choices = event.get("choices") or ()
        told = told_usage(event)
        # A usage in each chunk counts up; one of nulls behind the last takes nothing back.
        if isinstance(told, dict) and (is_metered(told) or self._usage is None):
            self._usage = told
        elif self._usage is not None and any(map(_writes, choices)):
            # It had counted what was written by then.
            self._usage = None
        for piece in choices:
            index = int(piece.get("index") or 0)
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice(index)
            yield from choice.add(piece)
        if error := told_error(choices):
            raise self.failed(failure_of(None, error, self.headers), self._rules)

    @property
    def _is_finished(self) -> bool:
        asked = self._asked.get("n") or 1
        return len(self._choices) >= asked and all(choice.finish_reason for choice in self._choices.values())

    def completion(self) -> Completion:
        """The whole reply. Raises ProviderError (AMBIGUOUS) when a choice has no end."""
        choices = [self._choices[index].whole() for index in sorted(self._choices)]
        if not choices or not all(map(self._has_ended, choices)):
            raise self.broken("the stream ended without a finish_reason")
        body = {"object": "chat.completion", **self._head, "choices": choices}
        if self._usage:
            body["usage"] = self._usage
        return completion_of(body, self.headers, self._quota_headers, self._billing, self._asked)

    def _has_ended(self, choice: dict[str, Any]) -> bool:
        reason = choice["finish_reason"]
        return self.said_done and says_something(choice["message"]) if reason is None else bool(reason != FAULT)

    def _usage_so_far(self) -> Usage | None:
        if not self._is_finished or not is_metered(self._usage):
            return None
        return billed(self._head, usage_of(self._usage), self._billing, self._asked)


def _writes(piece: dict[str, Any]) -> bool:
    """Whether a choice of a chunk brings a piece of an answer."""
    delta = piece.get("delta") or piece.get("message") or {}
    return any(value for name, value in delta.items() if name != "role")


class _Choice:
    def __init__(self, index: int) -> None:
        self._index = index
        self._texts: dict[str, Text] = {}
        self._calls: ToolCalls | None = None
        #: What else came in deltas, and beside them.
        self._message: dict[str, Any] = {}
        self._others: dict[str, Any] = {}
        self.finish_reason: str | None = None

    @property
    def text(self) -> str:
        thoughts = self._texts.get("reasoning_content") or self._message.get("reasoning") or ""
        refusal = self._message.get("refusal") or ""
        calls = self._calls.text if self._calls is not None else ""
        return f"{self._texts.get('content', '')}{refusal}{thoughts}{calls}"

    @property
    def begun(self) -> bool:
        """Whether anything came, be it thoughts that are encrypted."""
        return bool(self.text) or self._calls is not None or any(map(finished, self._message.values()))

    def add(self, piece: dict[str, Any]) -> Iterator[Delta]:
        # Some send all at once, as though nobody had asked for a stream.
        delta = piece.get("delta") or piece.get("message") or {}
        text, thought, others = said_and_thought(delta.get("content"))
        self._grow("content", text)
        told = delta.get("reasoning_content") or ""
        self._grow("reasoning_content", told + thought)
        if delta.keys() - _READ or others:
            rest = {name: value for name, value in delta.items() if name not in _READ}
            merge(self._message, {**rest, "content_parts": others} if others else rest)
            told = told or (rest["reasoning"] if isinstance(rest.get("reasoning"), str) else "")
        if text or told or thought:
            yield Delta(text or "", told + thought, choice=self._index)
        for call in delta.get("tool_calls") or ():
            self._calls = self._calls or ToolCalls(f"call_{self._index}")
            yield Delta(tool_call=self._calls.add(call), choice=self._index)
        for name, value in piece.items():
            if name not in ("index", "delta", "message", "finish_reason") and value is not None:
                self._keep(name, value)
        self.finish_reason = piece.get("finish_reason") or self.finish_reason

    def _grow(self, name: str, piece: str | None) -> None:
        if piece:
            self._texts.setdefault(name, Text()).append(piece)

    def _keep(self, name: str, value: Any) -> None:
        if name == "logprobs":
            merge(self._others.setdefault(name, {"content": []}), value)
        else:
            self._others[name] = value

    def whole(self) -> dict[str, Any]:
        texts = {name: str(text) for name, text in self._texts.items()}
        message = {"role": "assistant", "content": None, **texts, **finished(self._message)}
        if self._calls is not None:
            message["tool_calls"] = self._calls.whole()
        return {"index": self._index, "message": message, "finish_reason": self.finish_reason, **finished(self._others)}
