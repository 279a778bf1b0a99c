"""Following a job's text as it is written: late, again, and after any event, with the same text in the end.

Workers add entries to the job's stream: `a` attempt with `t` text, or `e` event (started, restarted, done, broken). An
attempt that follows another begins the text anew. What the stream lacks (a cached reply, a piece that was lost while
the store was away) is made up from the reply, so that the pieces since the last restart are always the reply's text.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from homa.flow import Block, Emit, Flow, ask_patiently
from homa.outcomes import Failure, look, outcomes
from homa_shared.errors import InvalidRequest, JobNotFound
from homa_shared.keys import Keys
from homa_shared.store.op import read

_EVENT_ID = re.compile(r"\d{1,20}-\d{1,20}")
#: How long one read waits in the store before the job itself is looked at, ms; shorter once its attempt is over.
_BLOCK_MS, _CLOSING_MS = 1000, 50
_COUNT = 500


class Piece(str):
    """A piece of a streamed answer: the text itself, and where it stands."""

    __slots__ = ("attempt", "event", "id")

    #: Event id: `job.stream(after=piece.id)` goes on behind this piece.
    id: str
    #: Number of the attempt that wrote it.
    attempt: int
    #: `restarted`: what came before is void, the answer begins anew with this piece, which may be empty. Else None.
    event: str | None

    def __new__(cls, text: str, *, id: str, attempt: int, event: str | None = None) -> Piece:  # noqa: A002 - the field's name
        piece = super().__new__(cls, text)
        piece.id, piece.attempt, piece.event = id, attempt, event
        return piece


def check_event_id(after: str | None) -> tuple[int, int] | None:
    """An event id as the pair that its order goes by.

    Raises:
        InvalidRequest: it is none.
    """
    if after is None:
        return None
    if not _EVENT_ID.fullmatch(str(after)):
        raise InvalidRequest(f"after is {after!r:.80}: expected the id of a piece, such as 1763850000000-0")
    milliseconds, _, number = after.partition("-")
    return int(milliseconds), int(number)


class Transcript:
    """What a reader has been given so far."""

    def __init__(self, after: str | None) -> None:
        self._after = check_event_id(after)
        self.last_id = "0-0"
        self.attempt = 0
        self.text = ""
        #: The running attempt is over, as far as the stream tells.
        self.closing = False

    def read(self, entries: Iterable[tuple[bytes, list[bytes]]]) -> list[Piece]:
        """The pieces of some entries, in order; those up to `after` are only remembered."""
        pieces = []
        for entry_id, flat in entries:
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            self.last_id = entry_id.decode()
            piece = self._piece(fields)
            if piece is not None and self._is_new():
                pieces.append(piece)
        return pieces

    def rest(self, whole: str) -> list[Piece]:
        """What is missing at the end of the job, given its reply's text."""
        if self.text == whole:
            return []
        if whole.startswith(self.text) and (self.text or not self._resumed_from_nothing()):
            missing, self.text = whole[len(self.text) :], whole
            return [self._made(missing)]
        self.text = whole
        return [self._made("", "restarted"), self._made(whole)]

    def _piece(self, fields: dict[bytes, bytes]) -> Piece | None:
        attempt, event = int(fields.get(b"a", b"0")), fields.get(b"e", b"").decode()
        self.closing = event in ("done", "broken", "failed")
        anew = attempt != self.attempt and self.text != ""
        self.attempt = max(attempt, self.attempt)
        if event == "restarted" or anew:
            had, self.text = self.text, fields.get(b"t", b"").decode()
            return self._made(self.text, "restarted") if had else None
        if b"t" not in fields:
            return None
        piece = fields[b"t"].decode()
        self.text += piece
        return self._made(piece)

    def _made(self, text: str, event: str | None = None) -> Piece:
        return Piece(text, id=self.last_id, attempt=self.attempt, event=event)

    def _is_new(self) -> bool:
        return self._after is None or (check_event_id(self.last_id) or (0, 0)) > self._after

    def _resumed_from_nothing(self) -> bool:
        """The reader had seen something, and the stream is gone: nobody knows how much."""
        return self._after is not None and self._after > (0, 0)


def follow(keys: Keys, job_id: str, after: str | None) -> Flow[None]:
    """Emits the pieces of a job's answer until the job has ended.

    Raises:
        JobNotFound: the store holds no such job.
        JobFailed, JobCancelled, JobExpired: it ended without a reply.
    """
    transcript = Transcript(after)
    looked_s = 0.0
    while True:
        # The state is read before the stream, so that nothing written before the end is missed.
        ended, failed = None, None
        if transcript.closing or time.monotonic() - looked_s >= _BLOCK_MS / 1000:
            looked_s = time.monotonic()
            found = (yield from ask_patiently(look(keys, [job_id])))[0]
            if found.state is None:
                raise JobNotFound(f"job {job_id} is not in the store: its id is wrong, or its retention has ended")
            if found.ended:
                outcome = (yield from outcomes(keys, [found]))[0]
                ended, failed = (None, outcome) if isinstance(outcome, Failure) else (outcome, None)
        over = ended is not None or failed is not None
        for piece in transcript.read((yield from _entries(keys, job_id, transcript, over))):
            yield Emit(piece)
        if failed is not None:
            raise failed.error()
        if ended is not None:
            for piece in transcript.rest(ended.text):
                yield Emit(piece)
            return


def _entries(keys: Keys, job_id: str, transcript: Transcript, over: bool) -> Flow[list[Any]]:
    """The next entries; waits for them unless the job is over, of which all are read."""
    key = keys.deltas(job_id)
    if over:
        start = f"({transcript.last_id}"
        entries: list[Any] = yield from ask_patiently(read((("XRANGE", key, start, "+"),), lambda replies: replies[0]))
        return entries
    wait_ms = _CLOSING_MS if transcript.closing else _BLOCK_MS
    reply = yield Block(("XREAD", "COUNT", _COUNT, "BLOCK", wait_ms, "STREAMS", key, transcript.last_id))
    return list(reply[0][1]) if reply else []
