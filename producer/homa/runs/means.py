"""What a run works with, from the open results file to the processes that do its jobs."""

from __future__ import annotations

from dataclasses import dataclass

from homa.drivers.blocking import BlockingDriver
from homa.drivers.place import Place
from homa.files import ResultsWriter
from homa.files.kept_fields import KeptFields
from homa.runs.checkpoint import RunFile
from homa.runs.inputs import Intake
from homa.runs.progress import Progress
from homa.runs.row_request import Asking
from homa.runs.run_options import Order
from homa.runs.signals import Interruption
from homa.runs.worker_processes import Workforce
from homa.submit.submitter import Submitter


@dataclass(frozen=True, slots=True)
class Means:
    """The parts of one run."""

    #: Store and settings; the feeding thread connects by itself.
    place: Place
    driver: BlockingDriver
    submitter: Submitter
    order: Order
    intake: Intake
    asking: Asking
    #: The open results file.
    writer: ResultsWriter
    runfile: RunFile
    workforce: Workforce
    progress: Progress
    interruption: Interruption
    #: Of the batch.
    name: str
    #: Most lines that are submitted and not yet written.
    window: int
    #: Where rows' fields wait for their line; None for results that do not repeat them.
    kept: KeptFields | None = None
