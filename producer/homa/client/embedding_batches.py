"""More texts than one job should hold: a batch of jobs, whose vectors are put together in the order of the texts.

A job that is given up loses all that it has, and its request and its reply are held whole wherever they go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from homa.client.batch_submission import BatchSubmission
from homa.client.embeddings import Embedded, LostPart, ask_for_embeddings, check_text, options_of_embeddings
from homa.client.results import Failure, Reply
from homa.client.tables.collecting import Collecting
from homa.client.tables.progress import Shown
from homa.drivers.effects import Flow
from homa.submit.asked import Asked
from homa.submit.option_checks import check_timeout
from homa.submit.submitter import Submitter
from homa_shared.calls.request import EMBEDDING
from homa_shared.model.errors import InvalidRequest, ResultTimeout

#: Most texts of a job, and their bytes.
MOST_TEXTS, MOST_BYTES = 2000, 4_000_000
#: Most jobs that are submitted and not yet collected.
_IN_FLIGHT = 32


class EmbeddingBatch:
    """One batch of jobs that embed texts.

    Args:
        pieces: the texts of each job.
        options: of `embed`, the model among them.
    """

    def __init__(self, submitter: Submitter, pieces: Iterable[Sequence[str]], options: Mapping[str, Any]) -> None:
        self._pieces = pieces
        self._submission = BatchSubmission(submitter, options, alike=True, kind=EMBEDDING)
        self._collecting = Collecting(submitter.keys, None, self._put, Shown())
        self._sizes: list[int] = []
        self._parts: dict[int, Reply[Any] | Failure] = {}
        self._is_sealed = False

    def vectors(self, timeout_s: float | None) -> Flow[Embedded]:
        """The vectors of all texts.

        Raises:
            ResultTimeout: not in time; the batch goes on.
            JobFailed, JobCancelled, JobExpired: no job of it has brought any.
        """
        check_timeout(timeout_s)
        give_up_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        yield from self._submission.open()
        for line, texts in enumerate(self._pieces):
            self._submission.add_texts(texts)
            self._sizes.append(len(texts))
            yield from self._submission.flush()
            self._collecting.wait_for(self._submission.id, str(line), line)
            yield from self._collecting.until(_IN_FLIGHT, give_up_s)
        yield from self._seal()
        yield from self._collecting.until(0, give_up_s)
        return self._joined()

    def leave(self, error: BaseException) -> Flow[None]:
        """Gives it up: what has not begun is not paid any more. One that was not in time goes on."""
        if not isinstance(error, ResultTimeout):
            yield from self._submission.abandon(error)
        elif not self._is_sealed:  # what goes on has an end
            yield from self._seal()
            error.add_note(f"it has the first {sum(self._sizes)} texts; those behind them were not submitted")

    def _seal(self) -> Flow[None]:
        yield from self._submission.seal()
        self._is_sealed = True

    def _put(self, _: str, line: int, outcome: Reply[Any] | Failure) -> None:
        self._parts[line] = outcome

    def _joined(self) -> Embedded:
        parts: list[Reply[Any] | LostPart] = []
        for line, size in enumerate(self._sizes):
            part = self._parts[line]
            parts.append(part if isinstance(part, Reply) else LostPart(size, part))
        first = next((part for part in parts if isinstance(part, Reply)), None)
        if first is None:
            failed = self._parts[0]
            assert isinstance(failed, Failure)
            raise failed.error()
        return Embedded(first, parts, self._submission.id)


def wanted_embeddings(submitter: Submitter, texts: object, options: Mapping[str, Any]) -> Asked | EmbeddingBatch:
    """One job's request where one is enough, or where it has a key; else a batch.

    Args:
        options: of `embed`, the model among them.

    Raises:
        InvalidRequest: the first wrong option or text, named.
    """
    pieces = _pieces(texts)
    first = next(pieces, None)
    second = next(pieces, None) if first else None
    if first is None or second is None:
        return ask_for_embeddings(first or [], options)
    if options.get("key") is not None:
        return ask_for_embeddings([*chain(first, second, *pieces)], options)
    return EmbeddingBatch(submitter, chain((first, second), pieces), options_of_embeddings(options))


def _pieces(texts: object) -> Iterator[list[str]]:
    """The texts of each job; those that are there already are checked before the first."""
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable) or hasattr(texts, "columns"):
        raise InvalidRequest(f"texts is {texts!r:.80}: expected texts, such as a list or one column of a table")
    if isinstance(texts, Sequence):
        for place, text in enumerate(texts):
            check_text(text, place)
    piece: list[str] = []
    size = 0
    for place, text in enumerate(texts):
        checked = check_text(_python(text), place)
        length = len(checked.encode(errors="surrogatepass"))
        if piece and (len(piece) >= MOST_TEXTS or size + length > MOST_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(checked)
        size += length
    if piece:
        yield piece


def _python(value: object) -> object:
    """A value of an Arrow column as Python has it."""
    return value.as_py() if hasattr(value, "as_py") else value
