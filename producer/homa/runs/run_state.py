"""What a run works with, how far it has come, what it has cost, and why it stops."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from homa.client.session import Session
from homa.files import ResultsWriter
from homa.files.kept_fields import KeptFields
from homa.runs.checkpoint import Checkpoint, CheckpointFile
from homa.runs.citing import CitedRows
from homa.runs.feeder import Feeder, MissingRows
from homa.runs.inputs import RunInputs
from homa.runs.long.aside import LongRows
from homa.runs.plan import EQUAL, NEW, REASONS, VANISHED, Plan, Resumption
from homa.runs.progress import RunProgress
from homa.runs.progress_display import ProgressDisplay
from homa.runs.row_request import RequestBuilder
from homa.runs.run_options import RunOptions
from homa.runs.signals import Interruption
from homa.runs.tally import RunTally
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.model.money import usd
from homa_shared.model.records import State
from homa_shared.store import reads


@dataclass(frozen=True, slots=True)
class RunParts:
    """The parts of one run."""

    #: Of the collecting thread; the feeding thread connects by itself.
    session: Session
    run_options: RunOptions
    run_inputs: RunInputs
    builder: RequestBuilder
    #: The open results file, and its name.
    writer: ResultsWriter
    output: str
    checkpoint_file: CheckpointFile
    workers: WorkerSupervisor
    progress: ProgressDisplay
    interruption: Interruption
    #: Of the batch.
    name: str
    #: Most lines that are submitted and not yet written.
    window: int
    #: What of an earlier run is done anew, and what becomes of the rest.
    resumption: Resumption = field(default_factory=Resumption)
    #: Where rows' fields wait for their line; None for results that do not repeat them.
    kept: KeptFields | None = None
    #: Where rows' texts wait for their answers; None where these carry no quotes.
    cited: CitedRows | None = None


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a run ends before its rows do."""

    why: str
    #: The signal that asked for it.
    signal: int | None = None
    #: The settings of its workers are wrong.
    misconfigured: bool = False


@dataclass(slots=True)
class RunState:
    """What has become of one run so far."""

    tally: RunTally
    #: Inputs, about; None while nobody knows.
    estimate: int | None = None
    #: The batch that runs now, or ran last.
    batch: str | None = None
    stop: StopReason | None = None
    #: What leads to the batch, and what the parts before it have cost.
    note: Checkpoint | None = None
    #: The batch as it was seen last.
    view: reads.BatchView | None = None
    feeder: Feeder | None = None
    #: What a resumed run has found to do.
    plan: Plan | None = None
    missing: MissingRows | None = None
    #: Digest of the order of the batch that runs now.
    order: str = ""
    #: Documents that are asked about in parts, once all others have ended, and the runs of flows that do so.
    aside: LongRows | None = None
    flows: dict[str, reads.BatchView] = field(default_factory=dict)
    #: Of these documents: those that could not be divided, which count among the bad ones.
    refused_aside: int = 0

    def spent_before(self) -> Checkpoint:
        """What earlier parts of the run cost."""
        note, view = self.note or Checkpoint("", ""), self.view
        if view is None:
            return note
        return Checkpoint(
            view.id,
            note.asked,
            note.cost + view.nano_usd,
            note.unresolved + view.unresolved_nano_usd,
            note.unpriced + view.unpriced,
            note.runs,
        )

    def spent(self) -> Checkpoint:
        """What the run has cost so far, flows included."""
        costs, flows = self.spent_before(), self.flows.values()
        return replace(
            costs,
            cost=costs.cost + sum(each.nano_usd for each in flows),
            unresolved=costs.unresolved + sum(each.unresolved_nano_usd for each in flows),
            unpriced=costs.unpriced + sum(each.unpriced for each in flows),
        )

    def committed(self) -> int:
        """Nano-dollars of the budget that are gone."""
        costs = self.spent()
        return costs.cost + costs.unresolved

    def nothing_left(self, view: reads.BatchView) -> bool:
        """Every input was submitted or refused, every job has ended, and each has its line."""
        return self.feeder is not None and self.feeder.finished and view.complete

    def more_to_come(self, view: reads.BatchView) -> bool:
        """Whether there is anything left to pause."""
        if view.id in self.flows:
            return not view.complete
        feeder = self.feeder
        return view.live > 0 if feeder is None else feeder.running or feeder.submitted > feeder.written

    @property
    def total(self) -> tuple[int | None, bool]:
        """Inputs, and whether that is an estimate."""
        if self.missing is None:
            return (None if self.estimate is None else max(self.estimate, self.tally.ended)), True
        seen = self.missing.skipped + self.tally.bad + (self.feeder.submitted if self.feeder is not None else 0)
        seen += (len(self.aside) if self.aside is not None else 0) - self.refused_aside
        if self.feeder is None or self.feeder.finished:
            return seen, False
        return (None if self.estimate is None else max(self.estimate, seen)), True

    def progress(self, view: reads.BatchView, running: int) -> RunProgress:
        """How far it has come.

        Args:
            running: calls in flight in its lane, others' included.
        """
        costs = self.spent() if self.flows else None
        before = self.note or Checkpoint("", "")
        total, about = self.total
        return RunProgress(
            ended=self.tally.ended,
            fresh=self.tally.ended - self.tally.earlier,
            failed=self.tally.unsuccessful,
            total=total,
            about=about,
            in_flight=min(view.live, running),
            cost=before.cost + view.nano_usd if costs is None else costs.cost,
            unresolved=before.unresolved + view.unresolved_nano_usd if costs is None else costs.unresolved,
            unpriced=before.unpriced + view.unpriced if costs is None else costs.unpriced,
            waiting=view.id if view.live and not running else "",
            note="finishing calls in flight" if self.stop is not None else "",
        )

    def _rows(self, total: int) -> dict[str, int]:
        """Why rows were asked, and how many were not."""
        if self.plan is None:
            return {**dict.fromkeys((*REASONS, EQUAL, VANISHED), 0), NEW: total}
        return {**{name: self.plan.counts[name] for name in (*REASONS, EQUAL)}, VANISHED: self.plan.vanished}

    def summary(self, seconds: float, output: str) -> dict[str, Any]:
        """What `--json` prints: counts of the whole run, parts before a resumption included."""
        costs = self.spent()
        total = self.total[0]
        return {
            "batch": self.batch,
            "total": self.tally.ended if total is None else total,
            "rows": self._rows(self.tally.ended if total is None else total),
            "succeeded": self.tally.succeeded,
            "failed": self.tally.failed,
            "skipped": dict(self.tally.skipped),
            "cancelled": self.tally.ends[State.CANCELLED],
            "expired": self.tally.ends[State.EXPIRED],
            "cut": self.tally.cut,
            "cut_empty": self.tally.cut_empty,
            "unverified": self.tally.unverified,
            "quotes": dict(self.tally.quotes),
            "cost_usd": usd(costs.cost),
            "unresolved_usd": usd(costs.unresolved),
            "unpriced_jobs": costs.unpriced,
            "seconds": round(seconds, 3),
            "output": output,
        }
