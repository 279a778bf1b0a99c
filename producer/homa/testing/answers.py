"""What a test lets providers answer: replies, and the ways in which a call can fail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Usage
from homa_shared.calls.tokens import count, estimate_messages


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, where its text alone does not say enough.

    Args:
        text: what the model says.
        tool_calls: tools that it wants called: name -> arguments.
        finish_reason: `stop`, `length`, `content_filter`, `tool_calls`; None: as fits the rest.
        input_tokens, output_tokens: what is billed; None: as many as prompt and answer have.
        cached_tokens: of the input tokens, those that the provider's prompt cache held.
        reasoning_tokens: of the output tokens, those that are not shown.
        fields: further fields of the message, such as `reasoning_content`.
    """

    text: str = ""
    tool_calls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)

    def completion(self, call: Call, number: int) -> Completion:
        """The reply to a call.

        Args:
            number: of the call, for the reply's id.
        """
        usage = self._usage(call)
        body = {
            "id": f"chatcmpl-fake-{number}",
            "object": "chat.completion",
            "created": 0,
            "model": call.model,
            "choices": [{"index": 0, "message": self._message(number), "finish_reason": self._finish()}],
            "usage": {
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.input_tokens + usage.output_tokens,
            },
        }
        return Completion(body, usage, request_id=f"req-fake-{number}")

    def _finish(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    def _message(self, number: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text, **self.fields}
        if self.tool_calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{number}_{index}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
                for index, (name, arguments) in enumerate(self.tool_calls.items())
            ]
        return message

    def _usage(self, call: Call) -> Usage:
        given, written = self.input_tokens, self.output_tokens
        if given is None:
            given = max(self.cached_tokens, estimate_messages(call.messages, call.model))
        if written is None:
            written = max(1, count(self.text, call.model).tokens) + self.reasoning_tokens
        return Usage(given, written, self.cached_tokens, reasoning_tokens=self.reasoning_tokens)


@dataclass(frozen=True, slots=True)
class Fails:
    """A call that fails.

    Args:
        kind: how, in the terms of `homa jobs show`, such as `rate_limited`, `overloaded`, `ambiguous`.
        message: what the provider says.
        status: of its HTTP response; None where there is none.
        retry_after_s: for how long it asks to wait.
        code: its own name of the error.

    Raises:
        ValueError: there is no such kind.
    """

    kind: str
    message: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        ErrorKind(self.kind)

    def error(self) -> ProviderError:
        return ProviderError(
            ErrorKind(self.kind), self.message or f"{type(self).__name__}()", self.status, self.code, self.retry_after_s
        )


class RateLimited(Fails):
    """429: the model is frozen for `retry_after_s`, and the job tried again then."""

    def __init__(self, retry_after_s: float | None = None, message: str = "") -> None:
        super().__init__(ErrorKind.RATE_LIMITED, message, 429, retry_after_s)


class Overloaded(Fails):
    """503: tried again after a pause, then elsewhere."""

    def __init__(self, retry_after_s: float | None = None, message: str = "", status: int = 503) -> None:
        super().__init__(ErrorKind.OVERLOADED, message, status, retry_after_s)


class ServerError(Fails):
    """500: nobody knows whether it was worked on, and paid."""

    def __init__(self, message: str = "", status: int = 500) -> None:
        super().__init__(ErrorKind.AMBIGUOUS, message, status)


class TimedOut(Fails):
    """No response came in time: nobody knows whether it was worked on, and paid."""

    def __init__(self, message: str = "") -> None:
        super().__init__(ErrorKind.AMBIGUOUS, message or "no response in time")


class Unreachable(Fails):
    """No connection: nothing was sent."""

    def __init__(self, message: str = "") -> None:
        super().__init__(ErrorKind.UNREACHABLE, message or "connection refused")


class Refused(Fails):
    """400: the request is not one that the model takes; the job fails."""

    def __init__(self, message: str = "", status: int = 400) -> None:
        super().__init__(ErrorKind.INVALID_REQUEST, message, status)


class ContentRefused(Fails):
    """400: against the provider's content policy."""

    def __init__(self, message: str = "") -> None:
        super().__init__(ErrorKind.CONTENT_POLICY, message, 400)


class Unauthorized(Fails):
    """401: the key is wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(ErrorKind.UNAUTHORIZED, message, 401)


def as_answer(value: object) -> Answer | Fails:
    """What a test wrote down: a text, an `Answer`, a failure or its class, or an object that is answered as JSON.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(value, type) and issubclass(value, Answer | Fails):
        made: type[Any] = value
        value = made()
    if isinstance(value, Answer | Fails):
        return value
    if isinstance(value, str):
        return Answer(value)
    if isinstance(value, type):
        raise TypeError(f"{value.__name__} is a class: expected an object of it, such as {value.__name__}(…)")
    if (dump := getattr(value, "model_dump_json", None)) is not None:
        return Answer(dump())
    why = ""
    if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes | bytearray):
        try:
            return Answer(json.dumps(value))
        except (TypeError, ValueError) as error:
            why = f" ({error})"
    raise TypeError(
        f"{value!r:.80} is no answer{why}: expected a text, a mapping or pydantic object (answered as JSON), an "
        "Answer, a failure such as RateLimited(), a list of these for one call after another, or a function of the call"
    )
