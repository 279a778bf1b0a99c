"""Following a job's text as it is written: late, again, and after any event, with the same text in the end.

Workers add entries to the job's stream: `a` attempt with `t` text, `c` pieces of calls of tools, `x` one of these
sealed, or `e` event (started, restarted, done, broken). An attempt that follows another begins the text anew. What the
stream lacks (a cached reply, a piece that was lost while the store was away) is made up from the reply, so that the
pieces since the last restart are always the reply's text.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

import orjson

from homa.client.deadlines import JobDeadline
from homa.client.not_found import job_not_found
from homa.client.outcomes import EndRecord, outcomes, read_ends
from homa.client.results import Failure, Reply
from homa.client.unserved import tell_if_job_is_unserved
from homa.drivers.effects import AwaitEntries, Emit, Flow, ask_patiently
from homa_shared.backoff import Backoff
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import State
from homa_shared.store.keys import Keys
from homa_shared.store.operation import mapping, read
from homa_shared.store.sealing import Kind, opened_text

_EVENT_ID = re.compile(r"\d{1,20}-\d{1,20}")
#: How long a read waits in the store before the job itself is looked at: short at first, and after an attempt.
_WAITS = Backoff(first_s=0.02, longest_s=1.0, jitter=0)
#: The same for jobs whose ends are announced: a message may be lost with its connection.
ANNOUNCED_LOOKS = Backoff(first_s=1.0, longest_s=8.0)
#: Most entries of one read.
_COUNT = 500


class Piece(str):
    """A piece of a streamed answer: the text itself, and where it stands."""

    __slots__ = ("attempt", "event", "id", "tool_calls")

    #: Event id: `job.stream(after=piece.id)` continues after this piece.
    id: str
    #: Number of the attempt that wrote it.
    attempt: int
    #: `restarted`: what came before is void, the answer begins anew with this piece, which may be empty. Else None.
    event: str | None
    #: Pieces of calls of tools, as OpenAI streams them: index, id, function.name and .arguments. Their text is empty.
    tool_calls: tuple[dict[str, Any], ...]

    def __new__(
        cls,
        text: str,
        *,
        id: str,  # noqa: A002 - the field's name
        attempt: int,
        event: str | None = None,
        tool_calls: tuple[dict[str, Any], ...] = (),
    ) -> Piece:
        piece = super().__new__(cls, text)
        piece.id, piece.attempt, piece.event, piece.tool_calls = id, attempt, event, tool_calls
        return piece

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        told = {"id": self.id, "attempt": self.attempt, "event": self.event, "tool_calls": self.tool_calls}
        return (str(self),), told


def check_event_id(after: str | None) -> tuple[int, int] | None:
    """An event id as the pair that its order goes by.

    Raises:
        InvalidRequest: it is not an event id.
    """
    if after is None:
        return None
    if not _EVENT_ID.fullmatch(str(after)):
        raise InvalidRequest(f"after is {after!r:.80}: expected the id of a piece, such as 1763850000000-0")
    milliseconds, _, number = after.partition("-")
    return int(milliseconds), int(number)


class Transcript:
    """What a reader has been given so far."""

    def __init__(self, after: str | None, keys: Keys, job_id: str) -> None:
        self._keys, self._job_id = keys, job_id
        self._after = check_event_id(after)
        self.last_id = "0-0"
        self.attempt = 0
        self.text = ""
        #: Whether it was given pieces of calls, too.
        self._has_calls = False
        #: The running attempt is over, as far as the stream tells.
        self.closing = False

    def read(self, entries: Iterable[tuple[bytes, Any]]) -> list[Piece]:
        """The pieces of some entries, in order; those up to `after` are only remembered."""
        pieces = []
        for entry_id, flat in entries:
            self.last_id = entry_id.decode()
            piece = self._piece(self._opened(mapping(flat)))
            if piece is not None and self._is_new():
                pieces.append(piece)
        return pieces

    def rest(self, whole: str) -> list[Piece]:
        """What is missing at the end of the job, given its reply's text."""
        if self.text == whole:
            # What is missing of calls is told by the reply.
            return []
        if whole.startswith(self.text) and (self.text or not self._resumed_from_nothing()):
            missing, self.text = whole[len(self.text) :], whole
            return [self._made(missing)]
        self.text = whole
        return [self._made("", "restarted"), self._made(whole)]

    def _opened(self, fields: dict[str, str]) -> dict[str, str]:
        if "x" not in fields:
            return fields
        shown: dict[str, str] = orjson.loads(opened_text(self._keys, Kind.STREAM, fields["x"], self._job_id))
        return fields | shown

    def _piece(self, fields: dict[str, str]) -> Piece | None:
        attempt, event = int(fields.get("a", 0)), fields.get("e", "")
        if attempt < self.attempt:
            # A worker that lost its lease still writes. Should its reply come first after all, it arrives whole.
            return None
        self.closing = event in ("done", "broken", "failed")
        anew = attempt != self.attempt and (self.text != "" or self._has_calls)
        self.attempt = max(attempt, self.attempt)
        if event == "restarted" or anew:
            had, self.text, self._has_calls = self.text or self._has_calls, fields.get("t", ""), False
            return self._made(self.text, "restarted", self._calls(fields)) if had else None
        if "t" not in fields:
            calls = self._calls(fields)
            return self._made("", None, calls) if calls else None
        self.text += fields["t"]
        return self._made(fields["t"])

    def _calls(self, fields: dict[str, str]) -> tuple[dict[str, Any], ...]:
        if "c" not in fields:
            return ()
        self._has_calls = True
        return tuple(orjson.loads(fields["c"]))

    def _made(self, text: str, event: str | None = None, calls: tuple[dict[str, Any], ...] = ()) -> Piece:
        return Piece(text, id=self.last_id, attempt=self.attempt, event=event, tool_calls=calls)

    def _is_new(self) -> bool:
        return self._after is None or (check_event_id(self.last_id) or (0, 0)) > self._after

    def _resumed_from_nothing(self) -> bool:
        """The reader had seen something, and the stream is gone: nobody knows how much."""
        return self._after is not None and self._after > (0, 0)


def follow(keys: Keys, job_id: str, after: str | None, *, announced: bool = False) -> Flow[Reply[Any]]:
    """Emits the pieces of a job's answer until the job has ended; returns its reply.

    Args:
        announced: it was submitted under this process's name, so that its end comes without a look.

    Raises:
        JobNotFound: the store holds no such job.
        JobFailed, JobCancelled, JobExpired: it ended without a reply.
    """
    transcript, deadline = Transcript(after, keys, job_id), JobDeadline(keys)
    looks, began_s = 1, time.monotonic()
    waits = ANNOUNCED_LOOKS if announced else _WAITS
    # Of an announced job nothing can be known before its end or its first piece.
    found = None if announced else (yield from _look(keys, job_id))
    while True:
        # The job is looked at before the stream is read to its end, so that nothing written before the end is missed.
        if found is not None and found.ended:
            return (yield from _finish(keys, found, transcript))
        wait_s = waits.pause_s(looks)
        if found is not None:
            wait_s = min(wait_s, (yield from deadline.left_s(found)))
            if found.state is not State.RUNNING:
                yield from tell_if_job_is_unserved(keys, job_id, began_s)
        while entries := (yield AwaitEntries(job_id, transcript.last_id, max(0.001, wait_s), announced)):
            for piece in transcript.read(entries):
                yield Emit(piece)
            # An announced end is not looked for: it comes by itself.
            if transcript.closing and not announced:
                break
        # Most jobs that are followed are streamed, and the stream says when they end; the others are polled.
        looks = 1 if transcript.closing else looks + 1
        found = yield from _look(keys, job_id)


def _finish(keys: Keys, found: EndRecord, transcript: Transcript) -> Flow[Reply[Any]]:
    """Emits what the stream of an ended job still has, and then what it lacks of the reply."""
    while entries := (yield from _rest(keys, found.job_id, transcript.last_id)):
        for piece in transcript.read(entries):
            yield Emit(piece)
    outcome = (yield from outcomes(keys, [found]))[0]
    if isinstance(outcome, Failure):
        raise outcome.error()
    for piece in transcript.rest(outcome.text):
        yield Emit(piece)
    return outcome


def _look(keys: Keys, job_id: str) -> Flow[EndRecord]:
    """What the store holds of the job's end. Raises JobNotFound where it holds no such job."""
    found = (yield from ask_patiently(read_ends(keys, [job_id])))[0]
    if found.state is None:
        raise job_not_found(job_id)
    return found


def _rest(keys: Keys, job_id: str, after: str) -> Flow[list[Any]]:
    """The next entries of a stream that nobody writes any more."""
    command = ("XRANGE", keys.deltas(job_id), f"({after}", "+", "COUNT", _COUNT)
    found: list[Any] = yield from ask_patiently(read((command,), lambda replies: replies[0]))
    return found
