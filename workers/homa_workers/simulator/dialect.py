"""What a provider's wire shape fills in, and the choice among them by path.

A new wire shape is a subclass of `Dialect` that its kind's profile names. It translates only: limits, faults, money and
words are the engine's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar, NamedTuple

import orjson

from homa_workers.simulator.limits import Accounting, Level
from homa_workers.simulator.wire import Answer, Failure, Prompt, Route, tokens_of_bytes

#: Characters of text in one event of a stream.
_STRETCH = 16


class Piece(NamedTuple):
    """One event of a stream, encoded, and the output tokens that it delivers."""

    data: bytes
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a dialect needs to write an answer."""

    request_id: str
    prompt: Prompt
    answer: Answer
    #: Seconds since the epoch.
    created_s: int
    #: How its usage is told, where that differs (`SimulatorConfig.usage`).
    usage_told: str = "usual"


class Dialect(ABC):
    """One provider's shapes on the wire: six methods, and what its API has beyond them."""

    #: The kind's name, and the account of requests whose path names none.
    kind: ClassVar[str]
    #: A path that several take belongs to the least: 0 where paths have a segment of their own, 1 for OpenAI's, which
    #: take any prefix, 2 where only `/v1/models` is shared with it.
    precedence: ClassVar[int] = 2
    #: Header by which its clients are told, in lower case; empty where they send none of their own.
    own_header: ClassVar[str] = ""
    #: The provider's name in genai-prices; empty: nothing is charged by list.
    price_id: ClassVar[str] = ""
    #: Whether a reply's price is zero where no override says otherwise.
    free: ClassVar[bool] = False
    accounting: ClassVar[Accounting]
    #: Whether prompt tokens written to the cache are billed apart.
    writes_cache: ClassVar[bool] = False
    #: Whether its models may be told to search the web.
    searches: ClassVar[bool] = False
    #: Whether prompts are kept without being marked.
    caches_by_itself: ClassVar[bool] = False
    #: Whether chats have OpenAI's shapes.
    speaks_chat: ClassVar[bool] = False
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"

    def dearer_in_a_region(self, model: str) -> bool:
        """Whether a model costs more at a server that processes calls in its region."""
        return False

    @abstractmethod
    def route(self, method: str, path: str) -> Route | None:
        """Where a request goes, or None when the path is not of this dialect."""

    @abstractmethod
    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        """What a body asks for. Raises Failure where the provider would answer 400."""

    @abstractmethod
    def write(self, reply: Reply) -> Any:
        """The body of a complete reply, as JSON values."""

    @abstractmethod
    def stream(self, reply: Reply) -> Sequence[Piece]:
        """All events of a streamed reply, in order."""

    @abstractmethod
    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        """Status and body of an error."""

    @abstractmethod
    def stream_failure(self, failure: Failure, request_id: str, shape: str = "") -> bytes:
        """The event that tells of an error after the stream of a reply in some shape began."""

    def error_headers(self, failure: Failure) -> dict[str, str]:
        """Headers without which an error cannot be understood."""
        return {}

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        """Rate limit and retry headers."""
        return {}

    def told(self, reply: Reply) -> dict[str, str]:
        """Headers that tell of how a call was served."""
        return {}

    def identity(self, request_id: str) -> dict[str, str]:
        """The header that names the request."""
        return {}

    def count(self, prompt: Prompt) -> Any:
        """The body of an answer that only counts tokens."""
        raise NotImplementedError(f"{self.kind} counts no tokens; route() must not say so")

    def models(self, names: Sequence[str]) -> Any:
        """The body of a list of models."""
        raise NotImplementedError(f"{self.kind} lists no models; route() must not say so")

    def model(self, name: str) -> Any:
        """The body that describes one model."""
        raise NotImplementedError(f"{self.kind} describes no models; route() must not say so")


class Router:
    """Finds dialect and route of a path; each path is parsed once."""

    #: Paths kept; they are few, unless somebody probes.
    KEPT = 4096

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = dialects
        self._known: dict[tuple[str, str, str], tuple[Dialect, Route] | None] = {}

    def find(self, method: str, path: str, preferred: str = "") -> tuple[Dialect, Route] | None:
        """Dialect and route.

        Args:
            method: of HTTP.
            path: without query.
            preferred: kind to ask first; `/v1/models` alone says nothing about its dialect.
        """
        key = (method, path, preferred)
        if key not in self._known:
            if len(self._known) >= self.KEPT:
                self._known.clear()
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(self, method: str, path: str, preferred: str) -> tuple[Dialect, Route] | None:
        for dialect in sorted(self._dialects, key=lambda one: one.kind != preferred):
            route = dialect.route(method, path)
            if route is not None:
                return dialect, route
        return None


def stretches(text: str) -> list[tuple[str, int]]:
    """A text in the pieces that a stream brings, each with its tokens; together they are the tokens of the whole."""
    pieces: list[tuple[str, int]] = []
    n_bytes = tokens = 0
    for start in range(0, len(text), _STRETCH):
        piece = text[start : start + _STRETCH]
        n_bytes += len(piece.encode())
        so_far = tokens_of_bytes(n_bytes)
        pieces.append((piece, so_far - tokens))
        tokens = so_far
    return pieces


def typed_event(kind: str, fields: Mapping[str, Any]) -> bytes:
    """A server-sent event whose name stands in its data, too: Anthropic's, and those of the Responses API."""
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def retry_after(failure: Failure | None) -> dict[str, str]:
    """The header that says when the same call could be admitted, in whole seconds."""
    if failure is None or failure.retry_after_s is None:
        return {}
    return {"retry-after": str(ceil(failure.retry_after_s))}
