"""What a run of a flow is given: inputs or names of files, and a place for its results."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from homa_shared.model.errors import InvalidRequest

# Files are read and written by few runs: what that takes is imported then.
if TYPE_CHECKING:
    from homa.client.flows.results_file import Documents, FlowResults
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
        from homa.client.flows.results_file import checked_output, documents_of

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
        from homa.client.flows.results_file import tell_remarks

        tell_remarks(self.documents, cut)

    @contextmanager
    def writing(self, flow: Flow, run: str) -> Iterator[FlowResults | None]:
        """The results on their way to the output; None where there is none."""
        from homa.client.flows.results_file import Documents, FlowResults, tell_refused

        if self.output is None:
            if self.documents is not None:
                tell_refused(self.documents)
            yield None
            return
        results = None
        try:
            results = FlowResults(flow, self.output, None, self.documents or Documents(()))
            yield results
            results.close()
        except BaseException as error:
            if results is not None:
                results.leave()
            error.add_note(f"run {run} goes on; its results are read by `homa.flow_run({run!r}).results()`")
            raise


def once_of(flow: Flow) -> list[str]:
    """Results that are made once, for all inputs together."""
    return [step.name for step in flow.results if step.over is None]
