"""What a run of a flow is given: inputs or names of files, and a place for its results."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from homa_shared.model.errors import InvalidRequest

# Files are read and written by few runs: what that takes is imported then.
if TYPE_CHECKING:
    from homa.client.flows.documents import Documents
    from homa.client.flows.results_file import FlowResults
    from homa.client.flows.stored_output import StoredOutput
    from homa.drivers.context import Context
    from homa.flows.flow import Flow


@dataclass(frozen=True, slots=True)
class Given:
    """Inputs of a run, and where its results go."""

    inputs: Iterable[Any] | AsyncIterable[Any]
    #: Where the inputs are files.
    documents: Documents | None
    output: str | None

    @classmethod
    def of(cls, inputs: Any, output: object, *, force: bool) -> Given:
        """What an application gives.

        Raises:
            InvalidRequest: a name leads nowhere, or the output is there, or of no known format.
        """
        from homa.client.batch_submission import check_requests

        names = isinstance(inputs, str | PathLike | list | tuple)
        if output is None and not names:
            check_requests(inputs)
            return cls(inputs, None, None)
        from homa.client.flows.documents import documents_of
        from homa.client.flows.results_file import checked_output

        place = checked_output(output, force=force)
        documents = documents_of(inputs, place)
        if documents is None:
            check_requests(inputs)
            return cls(inputs, None, place)
        return cls(documents.items(), documents, place)

    @property
    def at_once(self) -> Iterable[Any]:
        """The inputs, for threads.

        Raises:
            InvalidRequest: they come asynchronously.
        """
        if isinstance(self.inputs, AsyncIterable):
            raise InvalidRequest(f"inputs is {self.inputs!r:.80}, which is asynchronous: expected AsyncHoma for it")
        return self.inputs

    def tell(self, cut: Sequence[str]) -> None:
        """Logs what somebody might not expect of the inputs, once all are read.

        Args:
            cut: of those that were cut into units.
        """
        if self.documents is None and not cut:
            return
        from homa.client.flows.documents import tell_remarks

        tell_remarks(self.documents, cut)

    def place(self, context: Context, *, force: bool) -> StoredOutput | None:
        """An output in a bucket, looked at before anything is paid for, and kept for this run; None for any other.

        Raises:
            InvalidRequest: there is something, and it is not to be written anew.
            PlaceUnavailable: the bucket cannot be reached.
        """
        from homa.files.remote.address import is_address

        if self.output is None or not is_address(self.output):
            return None
        from homa.client.flows.stored_output import StoredOutput

        stored = StoredOutput(self.output, None, context.settings.home)
        stored.begin(force=force)
        return stored

    def results(self, flow: Flow, stored: StoredOutput | None) -> FlowResults | None:
        """The results on their way to the output; None where there is none, and what has none is told.

        Args:
            stored: the output in a bucket.
        """
        from homa.client.flows.documents import Documents, tell_refused
        from homa.client.flows.results_file import FlowResults

        if self.output is not None:
            return FlowResults(flow, self.output, None, self.documents or Documents(()), stored)
        if self.documents is not None:
            tell_refused(self.documents)
        return None


def given_up(error: BaseException, run: str, results: FlowResults | None) -> None:
    """Leaves results as they are, for an error which is told how to come by them."""
    if results is not None:
        results.leave()
    error.add_note(f"run {run} goes on; its results are read by `homa.flow_run({run!r}).results()`")


def once_of(flow: Flow) -> list[str]:
    """Results that are made once, for all inputs together."""
    return [step.name for step in flow.results if step.over is None]
