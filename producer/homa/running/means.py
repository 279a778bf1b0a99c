"""What a run works with, from the open results file to the processes that do its jobs."""

from __future__ import annotations

from dataclasses import dataclass

from homa.blocking import BlockingDriver
from homa.documents import ResultsWriter
from homa.local import Place
from homa.running.asking import Asking
from homa.running.intake import Intake
from homa.running.kept_fields import KeptFields
from homa.running.order import Order
from homa.running.progress import Progress
from homa.running.runfile import RunFile
from homa.running.stopping import Interruption
from homa.running.workforce import Workforce
from homa.submission import Submitter


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
