"""Which rows of a resumed run are to be asked, and why.

1. Each row is held against the line of its id: the same digest means that it has its answer. All other rows are kept
   aside, on disk.
2. Those are held against the lines that are left, by their digests alone: a row that moved keeps its answer.
3. What is left of the rows is new, or changed where a line has its id; what is left of the lines has vanished.

Nothing is written, sent or cancelled here: `ResultsWriter.revise` brings the file to what was decided.
"""

from __future__ import annotations

import json
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from homa.files import BadRow, Row
from homa.files.identity import OrderDigest, row_digest
from homa.files.writers.earlier import EarlierLines, Known
from homa.files.writers.earlier_line import FAILED, INVALID, TRUNCATED, End
from homa.runs.row_request import RequestBuilder

#: Why rows are asked.
NEW, CHANGED, OTHER_ORDER = "new", "changed", "other_order"
REASONS = (NEW, CHANGED, OTHER_ORDER, FAILED, TRUNCATED, INVALID)
#: Rows that have an answer, and rows whose failure stays.
EQUAL, LEFT_FAILED, ENDED_NOW = "equal", "left_failed", "ended_now"
#: Lines whose input is gone.
VANISHED = "vanished"
#: Ids of vanished lines that are told.
NAMES_TOLD = 5
#: Kept aside and to be asked, or not after all.
_DUE, _KEPT, _OPEN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a resumed run was told.

    Args:
        retry: which of the rows that have ended are done anew (RETRIES).
        changed: rows with answers under another order are done anew, too.
        prune: lines whose input is gone go.
    """

    retry: frozenset[str] = frozenset({FAILED})
    changed: bool = False
    prune: bool = False


def _json(fields: Mapping[str, Any]) -> str:
    return json.dumps(dict(fields), default=str)


def _kept_as(end: End) -> str:
    if end is End.ENDED_NOW:
        return ENDED_NOW
    return EQUAL if end.good else LEFT_FAILED


class Plan:
    """What a resumed run has to do.

    Args:
        builder: how rows become requests; a row's digest is of its request.
        order: of this run.
        retry: which of the rows that have ended are done anew.
        inputs: digest of a row's columns, where the results have them beside the answers.
        older_ids: the ids that a row may have had in a release that wrote no digests.
    """

    def __init__(
        self,
        earlier: EarlierLines,
        builder: RequestBuilder,
        order: OrderDigest,
        *,
        retry: frozenset[str],
        inputs: Callable[[Mapping[str, Any]], str] = lambda fields: "",
        older_ids: Callable[[str], Iterable[str]] = lambda custom_id: (),
    ) -> None:
        self._earlier, self._builder, self._order, self._retry = earlier, builder, order, retry
        self._inputs, self._older_ids = inputs, older_ids
        self._orders: dict[str, OrderDigest | None] = {}
        self._aside: IO[bytes] = tempfile.TemporaryFile(prefix="homa-")  # noqa: SIM115 - closed by `close`
        self._fates = bytearray()
        #: Rows by what becomes of them: REASONS, EQUAL, LEFT_FAILED.
        self.counts: Counter[str] = Counter()
        #: Answers kept that quote what their texts do not have.
        self.unverified = 0
        #: Answers kept that were cut; rows that cannot be read now and keep their answers; answers found by id alone.
        self.cut = self.unreadable = self.unmarked = 0
        #: Lines whose input is gone, and the first of their ids.
        self.vanished, self.vanished_names = 0, list[str]()
        #: Parts in which the order of answers differs from this one.
        self.differs: set[str] = set()

    def make(self, rows: Iterable[Row | BadRow], *, prune: bool, partial: bool) -> None:
        """Compares all rows with the lines.

        Args:
            prune: lines whose input is gone go.
            partial: these are not all rows of the inputs: no line has vanished.
        """
        for row in rows:
            if isinstance(row, BadRow):
                self._take_bad(row)
            else:
                self._take(row)
        for seq, name, fields, line in self._earlier.moved():
            self._answered(line, name=name, fields=fields, seq=seq)
        for seq, line in self._earlier.same_id():
            if self._fates[seq] == _OPEN:
                self._fates[seq] = _DUE
                self._count_superseded(line)
        self.counts[NEW] += self._fates.count(_OPEN)
        self.vanished, self.vanished_names = self._earlier.settle(prune=prune, partial=partial, names=NAMES_TOLD)

    def rows(self) -> Iterator[Row | BadRow]:
        """The rows to be asked, and those that cannot be sent."""
        self._aside.seek(0)
        for fate in self._fates:
            row: Row | BadRow = pickle.load(self._aside)  # what was put there by this process
            if fate != _KEPT:
                yield row

    @property
    def kept(self) -> int:
        """Rows that are not asked: those with an answer and those whose failure stays."""
        return self.counts[EQUAL] + self.counts[LEFT_FAILED] + self.counts[ENDED_NOW]

    def close(self) -> None:
        self._aside.close()

    def _take(self, row: Row) -> None:
        request = self._builder.request(row)
        if isinstance(request, BadRow):
            self._take_bad(request, row)
            return
        digest = row_digest(request)
        line = self._earlier.find(row.custom_id)
        if line is not None and line.row == digest:
            if not self._answered(line, fields=self._other_fields(line, row)):
                self._put_aside(row, _DUE)
        elif (unmarked := self._unmarked(line, row.custom_id)) is not None:
            self._adopt(unmarked, row, digest)
        else:
            inputs = self._inputs(row.fields)
            fields = _json(row.fields) if inputs else ""
            self._earlier.seek(len(self._fates), row.custom_id, digest, inputs, fields)
            self._put_aside(row, _OPEN)

    def _take_bad(self, bad: BadRow, row: Row | None = None) -> None:
        line = self._earlier.find(bad.custom_id)
        if line is not None and line.end.good:
            # Whether it still answers the input cannot be told; it was paid for, and stays until that can be told.
            self._earlier.keep(line.place)
            self.counts[EQUAL] += 1
            self.unreadable += 1
            return
        if line is not None:
            self._earlier.drop(line.place)
        self._put_aside(bad if row is None else row, _DUE)

    def _unmarked(self, line: Known | None, custom_id: str) -> Known | None:
        """The line of an earlier release that has the row's id, or the id that the row had there."""
        if line is not None:
            return None if line.row or line.end is End.NEVER_SENT else line
        if not self._earlier.unmarked:
            return None
        found = (self._earlier.find(older) for older in self._older_ids(custom_id))
        return next((each for each in found if each is not None and not each.row), None)

    def _adopt(self, line: Known, row: Row, digest: str) -> None:
        self.unmarked += line.end.good
        moved = row.custom_id if row.custom_id != line.name else ""
        mark = digest if line.end.good else ""
        if not self._answered(line, name=moved, digest=mark, fields=self._other_fields(line, row)):
            self._put_aside(row, _DUE)

    def _other_fields(self, line: Known, row: Row) -> str:
        """The row's columns as JSON, where the line has others."""
        return _json(row.fields) if line.inputs and line.inputs != self._inputs(row.fields) else ""

    def _answered(
        self, line: Known, *, name: str = "", fields: str = "", digest: str = "", seq: int | None = None
    ) -> bool:
        """Judges a row that a line answers; whether the line stays.

        Args:
            name: the row's id, where the line has another one.
            fields: the row's columns, where the line has others.
            digest: of the row, where the line has none.
            seq: the row's place among those put aside.
        """
        reason = self._reason(line)
        if reason:
            self.counts[reason] += 1
            self._earlier.drop(line.place)
        else:
            self.counts[_kept_as(line.end)] += 1
            self.cut += line.end is End.CUT
            self.unverified += line.end is End.UNVERIFIED
            self._earlier.keep(line.place, name, digest, fields)
        if seq is not None:
            self._fates[seq] = _DUE if reason else _KEPT
        return not reason

    def _reason(self, line: Known) -> str:
        if line.end.good and line.row and (differs := self._differs(line.order)) is not None:
            self.differs.update(differs)
            return OTHER_ORDER
        return line.end.retried(self._retry)

    def _differs(self, order: str) -> list[str] | None:
        """In which parts an order asks another thing of an equal row; None: in none, or nobody knows."""
        other = self._parsed(order)
        return None if other is None or other.asks_as(self._order) else other.changed(self._order)

    def _parsed(self, order: str) -> OrderDigest | None:
        if order not in self._orders:
            self._orders[order] = OrderDigest.parse(order)
        return self._orders[order]

    def _count_superseded(self, line: Known) -> None:
        """A row whose id has a line that answers another row."""
        other = self._parsed(line.order)
        if line.end is End.NEVER_SENT:
            self.counts[FAILED] += 1
        elif line.end.good and other is not None and other != self._order:
            self.differs.update(other.changed(self._order))
            self.counts[OTHER_ORDER] += 1
        else:
            self.counts[CHANGED] += 1

    def _put_aside(self, row: Row | BadRow, fate: int) -> None:
        pickle.dump(row, self._aside, pickle.HIGHEST_PROTOCOL)
        self._fates.append(fate)
