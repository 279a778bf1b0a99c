"""How inputs ended, counted, and when there are too many failures to go on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from homa.files.spelling import Spelling
from homa.runs.result_lines import ResultLine
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import State

#: Without --max-failures: a run is paused when this many first jobs all fail alike.
ALIKE = 20
#: A share of failures is judged once this many inputs have ended.
_JUDGED_FROM = 20
#: Ends for want of money: the run could not go on.
_MONEY = frozenset({"budget"})


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """`--max-failures`: a number, or a share of what has ended."""

    count: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str, spelled: Spelling = Spelling.FLAGS) -> MaxFailures:
        """Reads `N` or `N%`.

        Raises:
            InvalidRequest: it is neither.
        """
        wrong = InvalidRequest(
            f"{spelled.is_wrong('max_failures', text)}: expected a number of 1 or more, or a share such as 5%"
        )
        try:
            if text.endswith("%"):
                percent = float(text[:-1])
                if not 0 <= percent < 100:
                    raise wrong
                return cls(percent=percent)
            count = int(text)
        except ValueError:
            raise wrong from None
        if count < 1:
            raise wrong
        return cls(count=count)

    def exceeded(self, failed: int, ended: int) -> str | None:
        """Why a run should pause; None where it should not."""
        if self.count is not None and failed >= self.count:
            return f"{failed} failed (--max-failures {self.count})"
        if self.percent is not None and ended >= _JUDGED_FROM and failed * 100 > self.percent * ended:
            return f"{failed} of {ended} failed (--max-failures {self.percent:g}%)"
        return None


@dataclass(slots=True)
class RunTally:
    """Counts of one run."""

    max_failures: MaxFailures | None = None
    #: Inputs that had their answer before.
    earlier: int = 0
    #: Inputs that had failed before and are not done anew.
    failed_before: int = 0
    #: Inputs that could not be sent.
    bad: int = 0
    ends: Counter[State] = field(default_factory=Counter)
    over_budget: int = 0
    #: Those of the bad ones that were passed over, by kind.
    skipped: Counter[str] = field(default_factory=Counter)
    #: Answers that were cut at their output cap, and those of them that say nothing.
    cut: int = 0
    cut_empty: int = 0
    #: Answers with quotes that their texts do not have.
    unverified: int = 0
    #: Quotes of the answers that this run got: verified, unverified, unchecked; and answers without any, where asked.
    quotes: Counter[str] = field(default_factory=Counter)
    #: Name and reason of the first input that failed for another reason than money; empty while none has.
    first_failure: str = ""
    _alike: set[tuple[str, str]] = field(default_factory=set)
    _last: ResultLine | None = None

    @property
    def succeeded(self) -> int:
        return self.earlier + self.ends[State.SUCCEEDED]

    @property
    def failed(self) -> int:
        return self.bad + self.failed_before + self.ends[State.FAILED]

    @property
    def unsuccessful(self) -> int:
        """Inputs that have ended without an answer."""
        return self.failed + self.ends[State.CANCELLED] + self.ends[State.EXPIRED]

    @property
    def repeatable(self) -> int:
        """Those of them that may end otherwise when they are tried again: what is passed over is so each time."""
        return self.unsuccessful - self.skipped.total()

    @property
    def ended(self) -> int:
        """Inputs that have their line, those of earlier parts included."""
        return self.succeeded + self.unsuccessful

    def count_bad(self, why: str = "", *, over_budget: bool = False, skipped: str = "") -> None:
        """Counts an input that could not be sent.

        Args:
            skipped: its kind, where it was passed over.
        """
        self.bad += 1
        if skipped:
            self.skipped[skipped] += 1
            return
        self.over_budget += over_budget
        if not over_budget:
            self.first_failure = self.first_failure or why

    def count(self, line: ResultLine) -> None:
        """Counts a job's end."""
        self.ends[line.state] += 1
        self.over_budget += line.kind in _MONEY
        self.cut += line.cut
        self.cut_empty += line.empty
        if "citations" in line.document.get("homa", ()):
            self._count_quotes(line)
        if line.state is State.FAILED and line.kind not in _MONEY:
            self.first_failure = self.first_failure or f"{line.custom_id}: {line.message}"
        jobs = self.ends.total()
        if jobs <= ALIKE and line.state is not State.SUCCEEDED:
            self._alike.add((line.kind, _gist(line.message)))
            self._last = line

    def _count_quotes(self, line: ResultLine) -> None:
        self.unverified += line.unverified > 0
        self.quotes["verified"] += line.quotes - line.unverified - line.unchecked
        self.quotes["unverified"] += line.unverified
        self.quotes["unchecked"] += line.unchecked
        self.quotes["uncited"] += not line.quotes

    def too_many(self) -> str | None:
        """Why the run should pause; None where it should go on."""
        if self.max_failures is not None:
            # What was passed over is no failure that more of the same would follow.
            ended = self.ended - self.earlier - self.skipped.total()
            return self.max_failures.exceeded(self.repeatable, ended)
        jobs = self.ends.total()
        if jobs >= ALIKE and not self.ends[State.SUCCEEDED] and len(self._alike) == 1 and self._last is not None:
            return f"the first {jobs} all failed alike ({self._last.kind}: {self._last.message})"
        return None


def _gist(message: str) -> str:
    """A message without its numbers and quoted parts, which differ from job to job."""
    return "".join(character for character in message if not character.isdigit())[:80]
