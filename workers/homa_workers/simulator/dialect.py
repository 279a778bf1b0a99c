"""The protocol that a provider's wire shape fills in, and the choice among them by path.

A new wire shape is a class of this shape, which its kind's profile names. It translates only: limits, faults, money and
words are the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from homa_workers.simulator.limits import Accounting, Level
from homa_workers.simulator.wire import Answer, Failure, FailureKind, Prompt, Route, tokens_of_bytes

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


class Dialect(Protocol):
    """One provider's shapes on the wire."""

    #: The kind's name, and the account of requests whose path names none.
    kind: str
    #: A path that several take belongs to the least: 0 where paths have a segment of their own, 1 for OpenAI's, which
    #: take any prefix, 2 where only `/v1/models` is shared with it.
    precedence: int
    #: Header by which its clients are told, in lower case; empty where they send none of their own.
    own_header: str
    #: The provider's name in genai-prices; empty: nothing is charged by list.
    price_id: str
    #: Whether a reply's price is zero where no override says otherwise.
    free: bool
    accounting: Accounting
    #: Whether prompt tokens written to the cache are billed apart.
    writes_cache: bool
    #: Whether prompts are kept without being marked.
    caches_by_itself: bool
    stream_type: str

    def route(self, method: str, path: str) -> Route | None:
        """Where a request goes, or None when the path is not of this dialect."""

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        """What a body asks for. Raises Failure where the provider would answer 400."""

    def write(self, reply: Reply) -> Any:
        """The body of a complete reply, as JSON values."""

    def stream(self, reply: Reply) -> Sequence[Piece]:
        """All events of a streamed reply, in order."""

    def stream_failure(self, failure: Failure, request_id: str, shape: str = "") -> bytes:
        """The event that tells of an error after the stream of a reply in some shape began."""

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        """Status and body of an error."""

    def error_headers(self, failure: Failure) -> dict[str, str]:
        """Headers without which an error cannot be understood; most dialects need none."""

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        """Rate limit and retry headers."""

    def identity(self, request_id: str) -> dict[str, str]:
        """The header that names the request."""

    def count(self, prompt: Prompt) -> Any:
        """The body of an answer that only counts tokens."""

    def models(self, names: Sequence[str]) -> Any:
        """The body of a list of models."""

    def model(self, name: str) -> Any:
        """The body that describes one model."""


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


def expect_list(body: Mapping[str, Any], name: str) -> list[Any]:
    """A field that must be a list with something in it.

    Raises:
        Failure: of kind INVALID.
    """
    value = body.get(name)
    if not isinstance(value, list) or not value:
        raise Failure(FailureKind.INVALID, f"{name!r} is {value!r:.60}; expected a list with at least one item")
    return value


def expect_text(body: Mapping[str, Any], name: str) -> str:
    """A field that must be a text with something in it.

    Raises:
        Failure: of kind INVALID.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Failure(FailureKind.INVALID, f"{name!r} is {value!r:.60}; expected a text")
    return value


def expect_count(body: Mapping[str, Any], name: str, *, required: bool = False) -> int | None:
    """A field that must be a whole number above zero, or None where it may be missing.

    Raises:
        Failure: of kind INVALID.
    """
    value = body.get(name)
    if value is None and not required:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Failure(FailureKind.INVALID, f"{name!r} is {value!r:.60}; expected a whole number of at least 1")
    return value
