"""Documents above the window, asked about in parts by flows when all other rows of a run have ended.

1. Runs of flows that an earlier part of the run has begun are taken up: the note beside the output names them, and
   their documents by digest. What failed there is asked anew; its parts that were answered come from the cache.
2. What is left goes into new runs, which are noted before they are opened: nothing is paid that nobody finds again.
3. Their results are written as lines, in the order of the documents, each with the sums of all its calls.

With a budget one run follows the other, each with what is left.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from homa.client.flows.outcomes import FlowResult
from homa.client.flows.reading import Shape, result_of
from homa.client.flows.run_flows import RunFlows
from homa.client.flows.spending import spending
from homa.client.flows.submission import RunSubmission
from homa.drivers.effects import ask_patiently
from homa.runs.checkpoint import NotedRun
from homa.runs.collector import Collector
from homa.runs.feeder import Refused
from homa.runs.long.aside import LongRows
from homa.runs.long.division import Division
from homa.runs.long.flows import REUSE, SHARED, flow_of, step_options
from homa.runs.long.lines import long_line
from homa.runs.long.ways import MAP_REDUCE
from homa.runs.run_state import RunParts, RunState, StopReason
from homa_shared.backoff import Backoff
from homa_shared.model.errors import InvalidRequest, JobNotFound
from homa_shared.model.money import usd
from homa_shared.store import reads
from homa_shared.store.transitions import admin

_PAUSES = Backoff(first_s=0.02, longest_s=0.5, jitter=0)


class LongAsking:
    """Asks about what was put aside.

    Args:
        state: shared with the rest of the run.
        aside: the documents.
    """

    def __init__(
        self, parts: RunParts, state: RunState, collector: Collector, division: Division, aside: LongRows
    ) -> None:
        self._parts, self._state, self._collector = parts, state, collector
        self._division, self._aside = division, aside
        self._driver, self._keys = parts.session.driver, parts.session.keys

    def ask(self) -> None:
        """Asks about all documents, until something stops the run."""
        left = self._take_up()
        waiting: list[tuple[str, Sequence[int]]] = []
        for parts, group in self._groups(left):
            if self._is_stopped() or (run := self._submit(parts, group)) is None:
                break
            waiting.append((run, group))
            if self._parts.run_options.budget is not None:
                self._collect(*waiting.pop())
        for run, indexes in waiting:
            if self._state.stop is None:
                self._collect(run, indexes)
            else:
                self._driver.run(ask_patiently(admin.pause_batch(self._keys, run, self._state.stop.why)))

    def _is_stopped(self) -> bool:
        """Whether nothing further is to be asked: what has ended by now may be failures enough."""
        if self._state.stop is None and (why := self._state.tally.too_many()):
            self._state.stop = StopReason(why)
        return self._state.stop is not None

    def _take_up(self) -> list[int]:
        """Collects what earlier runs answer; the documents that are left."""
        due: dict[str, list[int]] = defaultdict(list)
        for index, digest in enumerate(self._aside.digests):
            due[digest].append(index)
        note = self._state.note
        failed: list[int] = []
        for noted in note.runs if note is not None else ():
            found = [due[digest].pop(0) if due.get(digest) else None for _, digest in noted.rows]
            if not self._goes_on(noted, wanted=any(index is not None for index in found)):
                for (_, digest), place in zip(noted.rows, found, strict=True):
                    if place is not None:
                        due[digest].append(place)
            elif self._state.stop is None:
                failed += self._collect(noted.id, found, earlier=True)
        return sorted([*failed, *(index for indexes in due.values() for index in indexes)])

    def _goes_on(self, noted: NotedRun, *, wanted: bool) -> bool:
        """Whether an earlier run has, or will have, results of this order; another one is ended."""
        view = self._driver.run(ask_patiently(reads.batch(self._keys, noted.id)))
        if view is None or view.cancel:
            return False
        if wanted and view.state != "open" and noted.order == self._state.order:
            self._state.flows[noted.id] = view
            if view.paused:
                self._driver.run(ask_patiently(admin.resume_batch(self._keys, noted.id)))
            return True
        if not view.complete:
            self._driver.run(ask_patiently(admin.cancel_batch(self._keys, noted.id)))
        return False

    def _groups(self, left: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Documents that one flow can ask about, with their number of parts; those that cannot be divided are told."""
        groups: dict[int, list[int]] = defaultdict(list)
        for index in left:
            row = self._aside.row(index)
            try:
                self._division.check(row)
                number = len(self._division.parts(row))
            except InvalidRequest as error:
                digest, order = self._aside.digests[index], self._state.order
                self._collector.refuse(Refused(row.rejected(str(error)), fields=row.fields, row=digest, order=order))
                self._state.refused_aside += 1
                continue
            groups[0 if self._division.way == MAP_REDUCE else number].append(index)
        return sorted(groups.items())

    def _submit(self, number: int, group: Sequence[int]) -> str | None:
        """Opens a run for some documents; None where the budget is used up, or somebody wants the run to end."""
        options = self._parts.run_options
        budget = None if options.budget is None else options.budget - self._state.committed()
        if budget is not None and budget <= 0:
            self._state.stop = StopReason(f"the budget of ${usd(options.budget or 0)} is used up: raise --budget")
            return None
        given = step_options(options.options, self._parts.builder.stored)
        shared = {name: given[name] for name in SHARED if name in given}
        asked = {"reuse": given.get(REUSE) is not False, "name": self._parts.name, **shared}
        if budget is not None:
            asked["budget_usd"] = usd(budget)
        made = RunSubmission(self._parts.session.submitter, flow_of(self._division, given, number), asked)
        self._note(NotedRun(made.id, self._state.order, self._named(group)))
        what = f"{len(group)} documents" if len(group) > 1 else self._aside.ids[group[0]]
        self._parts.progress.say(f"asking about {what} in parts: run {made.id} of a flow")
        self._driver.run(made.open())
        try:
            for index in group:
                if (signal := self._parts.interruption.signal) is not None:
                    self._state.stop = StopReason("interrupted", signal=signal)
                    self._driver.run(ask_patiently(admin.cancel_batch(self._keys, made.id)))
                    return None
                self._driver.run(made.add(self._division.item(self._aside.row(index))))
            self._driver.run(made.seal())
        except BaseException as error:
            self._driver.run(made.abandon(error))
            raise
        return made.id

    def _named(self, group: Sequence[int]) -> list[tuple[str, str]]:
        return [(self._aside.ids[index], self._aside.digests[index]) for index in group]

    def _note(self, run: NotedRun) -> None:
        note = self._state.note
        assert note is not None  # of the batch of all other rows
        self._state.note = replace(note, runs=[*note.runs, run])
        self._parts.checkpoint_file.write(self._state.note)

    def _collect(self, run: str, group: Sequence[int | None], *, earlier: bool = False) -> list[int]:
        """Writes the lines of a run.

        Args:
            group: a document for each input; None for one that nobody asks about now.
            earlier: what has failed by now is left for a run of its own, and returned.
        """
        shape = Shape.of(self._driver.run(RunFlows(self._keys, run).view()).definition)
        failed: list[int] = []
        for number, index in enumerate(group):
            if index is None:
                continue
            found, waited = self._await(run, shape, number)
            if found is None:
                break
            if earlier and not waited and not found.ok:
                failed.append(index)
                continue
            spent = self._driver.run(spending(self._keys, run, shape, number))
            row = self._aside.row(index)
            line = long_line(row, self._aside.digests[index], self._state.order, self._division.way, found, spent)
            self._collector.take(line, redone=False)
            self._show()
        self._look(run)
        return failed

    def _await(self, run: str, shape: Shape, number: int) -> tuple[FlowResult | None, bool]:
        """A document's result, and whether it was waited for; none where the run stops before."""
        looks = 0
        while True:
            view = self._look(run)
            found = self._driver.run(result_of(self._keys, run, shape, number, over=view.complete))
            if found is not None:
                return found, looks > 0
            self._collector.watch(view)
            if self._state.stop is not None:
                return None, True
            self._show()
            looks += 1
            time.sleep(_PAUSES.pause_s(looks))

    def _look(self, run: str) -> reads.BatchView:
        view = self._driver.run(ask_patiently(reads.batch(self._keys, run)))
        if view is None:
            raise JobNotFound(f"run {run} of a flow is not in the store any more: go on with --resume")
        self._state.flows[run] = view
        return view

    def _show(self) -> None:
        if self._state.view is not None:
            self._parts.progress.show(self._state.progress(self._state.view, 0))
