"""A run over files as Python asks for it: the engine of `homa run`, without its signals and its exit statuses.

It touches no signal handler, so that it works in any thread and in a notebook. Where somebody leaves it by an
exception, its batch is paused, if it has an output to go on with, else cancelled.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from homa.client.file_results import FilesSummary, RunStopped
from homa.client.management.estimates import Estimate
from homa.client.session import Session
from homa.client.unserved import tell_if_batch_is_unserved
from homa.drivers.context import Context
from homa.drivers.effects import Flow, ask_patiently
from homa.files import BadRow, ResultsWriter, Row
from homa.files.kept_fields import KeptFields
from homa.files.remote.address import is_address
from homa.runs.checked_run import CheckedRun
from homa.runs.checkpoint import CheckpointFile
from homa.runs.citing import CitedRows, cited_rows
from homa.runs.destination import Destination
from homa.runs.feeder import WINDOW
from homa.runs.files_order import FilesOrder
from homa.runs.files_progress import ProgressOption, display
from homa.runs.forecast import forecast
from homa.runs.inputs import STDIN
from homa.runs.plan_words import planned
from homa.runs.resume_batch import abandon
from homa.runs.run import BatchRun
from homa.runs.run_state import RunParts, RunState
from homa.runs.signals import Interruption
from homa.runs.tally import RunTally
from homa.supervision.own_workers import restart_policy
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.model.errors import HomaError, StoreUnavailable
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions import admin

_log = logging.getLogger("homa")


class FilesRun:
    """One run.

    Args:
        context: of the client; its workers serve the run, or those of others.
    """

    def __init__(self, context: Context, order: FilesOrder, progress: ProgressOption = None) -> None:
        self._context, self._order, self._progress = context, order, progress
        self._interruption = Interruption()
        self._began_s = time.monotonic()
        self._session: Session | None = None
        self._run: BatchRun | None = None

    def forecast(self) -> Estimate:
        """What it would cost and how long it would take; calls nobody, and needs no store."""
        with contextlib.closing(self._order.run_inputs):
            self._order.run_inputs.keep_pipes()
            with contextlib.closing(Session(self._context, joined=_is_there(self._context))) as session:
                checked = CheckedRun.check(self._order, session)
                with contextlib.ExitStack() as stack:
                    rows = self._missing(checked, stack)
                    return forecast(checked.view, self._order.run_options, checked.builder, rows)

    def _missing(self, checked: CheckedRun[FilesOrder], stack: contextlib.ExitStack) -> Iterable[Row | BadRow]:
        """The rows that would be asked."""
        order = self._order
        if not order.resume or order.output is None:
            return order.run_inputs.rows()
        place = Destination(order.output, order.form, checked.session.settings.home)
        earlier = place.look(columns=_columns(checked), schema=order.run_options.schema, cite=order.documents.cite)
        stack.callback(earlier.close)
        if not earlier.count:
            return order.run_inputs.rows()
        asked, inputs = order.run_options.order, order.run_inputs
        plan = planned(earlier, checked.builder, asked, inputs, order.resumption, output=order.output)
        stack.callback(plan.close)
        return plan.rows()

    def to_output(self) -> FilesSummary:
        """Runs to the end.

        Raises:
            RunStopped: it could not go on.
            HomaError: as `Homa.run_files`.
        """
        return self.into(self._opened, self._order.output or "")

    def into(self, opened: Callable[[CheckedRun[FilesOrder]], ResultsWriter], output: str) -> FilesSummary:
        """Runs to the end, into a writer; what it raises is what `to_output` does.

        Args:
            output: where the results go, for people.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._order.run_inputs.close)
            self._order.run_inputs.keep_pipes()
            self._session = stack.enter_context(contextlib.closing(Session(self._context)))
            checked = CheckedRun.check(self._order, self._session)
            shown = display(self._progress)
            stack.callback(shown.close)
            writer = stack.enter_context(opened(checked))
            kept = KeptFields() if self._order.flat else None
            if kept is not None:
                stack.callback(kept.close)
            cited = cited_rows(self._order.run_options, checked.builder)
            if cited is not None:
                stack.callback(cited.close)
            run = self._run = self._made(checked, writer, _Kept(kept, cited), shown)
            try:
                run.go(resume=self._order.resume)
            except BaseException:
                self._leave()
                raise
            return self._finish(run, writer, output)

    def stop(self) -> None:
        """Asks it to end soon; may be called by any thread."""
        self._interruption.signal = self._interruption.signal or 2

    def _opened(self, checked: CheckedRun[FilesOrder]) -> ResultsWriter:
        order, here = self._order, checked.session
        assert order.output is not None
        writer = Destination(order.output, order.form, here.settings.home).open(
            resume=order.resume,
            force=order.force,
            columns=_columns(checked),
            schema=order.run_options.schema,
            cite=order.documents.cite,
            say=_log.info,
        )
        if not order.resume:
            note_file = CheckpointFile.of(order.output)
            note = note_file.read()
            if note is not None and here.driver.run(abandon(here.keys, note)):
                _log.info("cancelled what was left of batch %s, whose results %s was to hold", note.batch, order.output)
            note_file.remove()
        return writer

    def _made(self, checked: CheckedRun[FilesOrder], writer: ResultsWriter, kept: _Kept, shown: Any) -> BatchRun:
        order, session = self._order, checked.session
        output = order.output or STDIN
        state = RunState(RunTally(order.failures_allowed, earlier=len(writer.done)), estimate=order.run_inputs.count())
        parts = RunParts(
            session=session,
            run_options=order.run_options,
            run_inputs=order.run_inputs,
            builder=checked.builder,
            writer=writer,
            output=output,
            checkpoint_file=CheckpointFile.of(output),
            workers=_ClientsWorkers(session, state),
            progress=shown,
            interruption=self._interruption,
            name=_name(order.output),
            window=WINDOW,
            resumption=order.resumption,
            kept=kept.fields,
            cited=kept.cited,
        )
        return BatchRun(parts, state)

    def _finish(self, run: BatchRun, writer: ResultsWriter, output: str) -> FilesSummary:
        state = run.state
        complete = state.stop is None
        writer.close(finished=complete)
        if complete and not state.tally.repeatable:
            run.parts.checkpoint_file.remove()
        document = state.summary(time.monotonic() - self._began_s, output)
        summary = FilesSummary.of(document, output, state.tally.first_failure)
        if state.stop is None:
            return summary
        if not self._order.output:
            self._leave()
        how = "; go on with resume=True" if self._order.output else ""
        raise RunStopped(f"{state.stop.why}{how}", summary)

    def _leave(self) -> None:
        """Nobody waits for the batch any more, nor for the flows beside it."""
        run, session = self._run, self._session
        if run is None or session is None or run.state.batch is None:
            return
        flows = () if run.state.note is None else run.state.note.runs
        with contextlib.suppress(HomaError):
            for batch in (run.state.batch, *(flow.id for flow in flows)):
                session.driver.run(self._left(session.keys, batch))

    def _left(self, keys: Keys, batch: str) -> Flow[None]:
        view = yield from ask_patiently(reads.batch(keys, batch), 5.0)
        if view is None or view.complete:
            return
        if self._order.output:
            yield from ask_patiently(admin.pause_batch(keys, batch, "its client has left"), 5.0)
        else:
            yield from ask_patiently(admin.cancel_batch(keys, batch), 5.0)


class _Kept(NamedTuple):
    """What is kept of rows until their answers come."""

    fields: KeptFields | None
    cited: CitedRows | None


class _ClientsWorkers(WorkerSupervisor):
    """Workers that the client runs (`Homa.local()`), or others: those of nobody else's are looked after here."""

    def __init__(self, session: Session, state: RunState) -> None:
        super().__init__([], restart_policy())
        self._session, self._state = session, state
        self._began_s = self._quiet_since_s = time.monotonic()
        self._ended = 0

    def check(self) -> None:
        """Has a worker started where nobody serves what waits, or says so. Raises HomaError where none can be."""
        ended, now_s = self._state.tally.ended, time.monotonic()
        if ended != self._ended:
            self._ended, self._quiet_since_s = ended, now_s
        if self._state.batch is not None:
            self._session.driver.run(
                tell_if_batch_is_unserved(self._session.keys, self._state.batch, self._began_s, self._quiet_since_s)
            )


def _columns(checked: CheckedRun[FilesOrder]) -> list[str]:
    """The input's, where the results have them."""
    return list(dict.fromkeys(name for row in checked.head for name in row.fields)) if checked.request.flat else []


def _is_there(context: Context) -> bool:
    try:
        context.address()
    except StoreUnavailable:
        return False
    return True


def _name(output: str | None) -> str:
    """Of the batch."""
    place = "" if output is None else output if is_address(output) else str(Path(output).resolve())
    return f"{socket.gethostname()}:{place}"
