"""The making of a batch: lines are taken, sent a chunk at a time, and counted."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

from homa.drivers.effects import Flow, ask_all, ask_patiently, patiently
from homa.submit.batch_chunks import BatchRequest, Chunks
from homa.submit.option_checks import Dollars, check_tenant
from homa.submit.options import spread
from homa.submit.submitter import Submitter
from homa_shared.model.errors import HomaError, InvalidRequest, JobCancelled, StoreFull, StoreUnavailable
from homa_shared.model.ids import new_batch_id
from homa_shared.model.records import Lane
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin


def check_requests(requests: object) -> None:
    """Raises InvalidRequest for one request, a table, or another value, where an iterable of requests is expected."""
    if (rows := _rows_of_table(requests)) is not None:
        raise InvalidRequest(
            f"requests is a table ({type(requests).__module__.partition('.')[0]}): expected requests, such as "
            f'[{{"prompt": f"Classify: {{row[\'text\']}}", "custom_id": row["id"]}} for row in {rows}]'
        )
    one = isinstance(requests, str | bytes | Mapping)
    if one or not isinstance(requests, Iterable | AsyncIterable):
        raise InvalidRequest(
            f"requests is {requests!r:.80}: expected a list or another iterable of requests"
            + (", such as [it]" if one else "")
        )


def _rows_of_table(value: object) -> str | None:
    """How to get at the rows of a pandas, polars or Arrow table, which iterates over columns; None for what is none."""
    if not (hasattr(value, "columns") and hasattr(value, "shape")):
        return None
    known = {"to_dicts": "df.to_dicts()", "to_pylist": "table.to_pylist()", "to_dict": 'df.to_dict("records")'}
    return next((rows for method, rows in known.items() if hasattr(value, method)), None)


class BatchSubmission:
    """The making of one batch: opened, filled a chunk at a time, sealed with its total."""

    def __init__(self, submitter: Submitter, options: Mapping[str, Any]) -> None:
        defaults = {"lane": Lane.BULK, **{name: value for name, value in spread(options).items() if value is not None}}
        self._submitter = submitter
        cap = defaults.pop("budget_usd", None)
        self._cap = None if cap is None else Dollars()("budget_usd", cap)
        self._name = str(defaults.pop("name", ""))
        self._tenant = check_tenant("tenant", defaults.get("tenant", ""))
        self._defaults = defaults
        self.id = new_batch_id()
        self.schema = defaults.get("schema")
        self._chunks: Chunks | None = None
        self._unsent: list[Op[Any]] = []

    def open(self) -> Flow[None]:
        """Opens the batch in the store."""
        view = yield from self._submitter.view()
        uploads = self._submitter.uploads()
        self._chunks = Chunks(self._submitter.keys, self.id, view, self._defaults, uploads, cap=self._cap)
        facts = {"name": self._name, "tenant": self._tenant, "cap": "" if self._cap is None else str(self._cap)}
        yield from ask_patiently(admin.open_batch(self._submitter.keys, self.id, facts))

    def add(self, request: BatchRequest) -> bool:
        """Takes a line; true when `flush` is due."""
        assert self._chunks is not None
        return self._chunks.add(request)

    def flush(self) -> Flow[None]:
        """Sends the lines gathered, again after a reply that was lost.

        Raises:
            JobCancelled: the batch was cancelled meanwhile and takes no more lines.
            StoreFull: the store has no room; the lines before are accepted.
            StoreUnavailable: it is away for long.
        """
        assert self._chunks is not None
        yield from self._submitter.write_plans(self._chunks.view, sorted(self._chunks.targets))
        yield from self._chunks.uploads.send(self._submitter.keys)
        # Lines whose sending breaks off (the store is away for long, somebody interrupts) go with the next ones.
        ops = self._unsent = [*self._unsent, *self._chunks.ops()]
        try:
            # A full store empties while workers drain it.
            yield from patiently(lambda: ask_all(ops), outages=(StoreUnavailable, StoreFull))
            self._unsent = []
        except HomaError:
            raise
        except Exception as error:
            # The one thing that the script itself refuses: a batch that takes no more lines.
            if f"HOMA batch {self.id} is" not in str(error):
                raise
            raise JobCancelled(f"batch {self.id} was cancelled while it was submitted") from error

    def seal(self) -> Flow[None]:
        """Sends what is left, and tells the store how many lines there are."""
        assert self._chunks is not None
        yield from self.flush()
        yield from ask_patiently(admin.seal_batch(self._submitter.keys, self.id, self._chunks.lines))

    def abandon(self, error: BaseException) -> Flow[None]:
        """Cancels a batch whose lines could not all be read, so that half of it is not paid for."""
        yield from ask_patiently(admin.cancel_batch(self._submitter.keys, self.id), 1.0)
        lines = self._chunks.lines if self._chunks is not None else 0
        error.add_note(f"batch {self.id} was cancelled: its submission ended at line {lines}")
