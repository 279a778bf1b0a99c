"""Functions around calls: `async def middleware(request, call_next) -> Completion`, declared by `@around`.

    @around(provider="openai")
    async def polite(request: Request, call_next: CallNext) -> Completion:
        return await call_next(request.replaced(params={**request.params, "temperature": 0}))

What such a function may do, and why it breaks no promise, is argued where it is run: pipeline/around_call.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, overload

import orjson

from homa_shared.calls.reply import Call, Completion, Usage
from homa_shared.model.records import decode_tags
from homa_workers.attempt import RunningAttempt

#: Longest that one middleware may take beside the call, before it and after it, s.
LIMIT_S = 10.0
#: What the body of a provider's request has beside its parameters.
_NOT_PARAMETERS = ("model", "messages", "input", "contents", "stream")


class Request:
    """One call that an attempt is about to make. It is never changed: `replaced` gives another one."""

    __slots__ = ("_attempt", "_call")

    def __init__(self, attempt: RunningAttempt, call: Call) -> None:
        self._attempt, self._call = attempt, call

    @property
    def model(self) -> str:
        return self._call.model

    @property
    def messages(self) -> list[dict[str, Any]]:
        """A copy of the conversation."""
        return deepcopy(self._call.messages)

    @property
    def params(self) -> dict[str, Any]:
        """A copy of the parameters, by OpenAI's names."""
        return deepcopy(self._call.params)

    @property
    def job(self) -> str:
        return self._attempt.claim.id

    @property
    def attempt(self) -> int:
        return self._attempt.claim.attempt

    @property
    def target(self) -> str:
        """`provider:model`."""
        return self._attempt.claim.target

    @property
    def tenant(self) -> str:
        return self._attempt.claim.tenant

    @property
    def batch(self) -> str | None:
        return self._attempt.claim.batch or None

    @property
    def tags(self) -> dict[str, str]:
        return decode_tags(self._attempt.claim.tags)

    @property
    def streams(self) -> bool:
        """Whether readers get the provider's text as it comes: what has been streamed is not changed any more."""
        return self._attempt.request.stream

    @property
    def left_s(self) -> float | None:
        """Time until the job's deadline, s; None for no deadline."""
        return self._attempt.left_s

    def replaced(
        self, *, messages: list[dict[str, Any]] | None = None, params: dict[str, Any] | None = None
    ) -> Request:
        """A request with other messages or parameters, for the same model; both are JSON.

        Raises:
            ValueError: a parameter would take the place of what the call itself says (model, messages, …).
        """
        call = self._call
        if params is not None:
            expect_parameters(params)
        return Request(
            self._attempt,
            replace(
                call,
                messages=call.messages if messages is None else deepcopy(messages),
                params=call.params if params is None else deepcopy(params),
                # What the provider's prompt cache was to keep may not be the beginning of other messages.
                shared=call.shared if messages is None else None,
            ),
        )

    def answered(self, text: str) -> Completion:
        """A reply of the middleware's own, for which nothing is called and nothing is paid."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": f"middleware-{self.job}", "object": "chat.completion", "created": 0, "model": self.model}
        return Completion({**body, "choices": [choice]}, Usage())


def call_of(request: Request) -> Call:
    """The call that a request asks for. Middleware gets copies: what is reserved for must not change in its hands."""
    return request._call  # noqa: SLF001 - beside its class


def content_of(call: Call) -> bytes:
    """All of a call that is paid for.

    Raises:
        TypeError: it holds what is not JSON.
    """
    return orjson.dumps((call.messages, call.params, call.api))


def expect_parameters(params: Mapping[str, Any]) -> None:
    """Refuses what adapters would send in the place of the model, or of the messages, that quota and price go by.

    Raises:
        ValueError: one of them stands among a call's parameters.
    """
    for name in _NOT_PARAMETERS:
        if params.get(name) is not None:
            raise ValueError(f"parameters have {name!r}; expected parameters only, for the model of the job's target")


#: Makes the call, or enters the next middleware. It is awaited once at most, in the task that it was given to.
CallNext: TypeAlias = Callable[[Request], Coroutine[Any, Any, Completion]]
#: What `@around` declares.
AroundFunction: TypeAlias = Callable[[Request, CallNext], Coroutine[Any, Any, Completion]]


@dataclass(frozen=True, slots=True)
class Around:
    """A declared middleware around calls."""

    function: AroundFunction
    #: Whose calls; None: every provider's.
    provider: str | None
    #: Only those of jobs that have this tag, `K` or `K=V`; None: all.
    tag: str | None
    #: Lower ones stand further outside; equal ones in the order in which they are given.
    order: int
    #: Longest that it may take beside the call, before it and after it, s.
    limit_s: float

    @property
    def name(self) -> str:
        """For errors and logs."""
        return f"{self.function.__module__}.{getattr(self.function, '__qualname__', self.function)}"

    def fits(self, tags: dict[str, str]) -> bool:
        """Whether it stands around calls of jobs with these tags."""
        if self.tag is None:
            return True
        name, _, value = self.tag.partition("=")
        return name in tags and (not value or tags[name] == value)

    def __call__(self, request: Request, call_next: CallNext) -> Coroutine[Any, Any, Completion]:
        return self.function(request, call_next)


@overload
def around(function: AroundFunction, /) -> Around: ...


@overload
def around(
    *, provider: str | None = None, tag: str | None = None, order: int = 0, limit_s: float = LIMIT_S
) -> Callable[[AroundFunction], Around]: ...


def around(
    function: AroundFunction | None = None,
    /,
    *,
    provider: str | None = None,
    tag: str | None = None,
    order: int = 0,
    limit_s: float = LIMIT_S,
) -> Around | Callable[[AroundFunction], Around]:
    """Declares a middleware around calls; workers get it by `--middleware MODULE` or an entry point.

    Args:
        provider: name of the account whose calls it stands around; all where it is not given.
        tag: only calls of jobs that have this tag, `K` or `K=V`.
        order: lower ones stand further outside.
        limit_s: longest that it may take beside the call, before it and after it, s.

    Raises:
        TypeError: it is no `async` function of a request and call_next.
        ValueError: the limit is not a time.
    """
    if not limit_s > 0:
        raise ValueError(f"limit_s is {limit_s!r}; expected seconds above 0")

    def declared(function: AroundFunction) -> Around:
        if not inspect.iscoroutinefunction(function) or len(inspect.signature(function).parameters) != 2:
            raise TypeError(f"@around of {function!r}: expected `async def middleware(request, call_next)`")
        return Around(function, provider and provider.lower(), tag, order, limit_s)

    return declared if function is None else declared(function)


def for_provider(found: Iterable[Around], provider: str) -> tuple[Around, ...]:
    """Those around one provider's calls, the outermost first."""
    fitting = (one for one in found if one.provider in (None, provider))
    return tuple(sorted(fitting, key=lambda one: one.order))
