"""Lines of a file become jobs, a chunk at a time, in one script with the move of the cursor behind them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from homa.drivers.effects import Flow, ask_patiently
from homa.gateway.access.principal import Principal
from homa.gateway.batches.checking import read_line
from homa.gateway.batches.line_format import BadLine, LineFormat, LineRequest, RequestLine
from homa.gateway.batches.lines import FileLine
from homa.gateway.errors import ApiError, internal, of_error
from homa.submit.affordability import check_affordable
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.messages import build_messages
from homa.submit.option_checks import check_metadata
from homa.submit.options import check_options, spread
from homa.submit.shared_prefixes import Prefixes
from homa.submit.submitter import Submitter
from homa.submit.template import Template
from homa.submit.traced import traced_entry
from homa.submit.uploads import Uploads
from homa_shared.calls.request import to_json
from homa_shared.model.errors import HomaError
from homa_shared.model.ids import batch_job_id
from homa_shared.store.gateway_lines import LostLine, Moved, promote_lines
from homa_shared.store.transitions.submit import Common, Entry

_log = logging.getLogger("homa.gateway")

#: A chunk has at most so many lines, or bytes: its script then blocks the store for some ms.
CHUNK_LINES, CHUNK_BYTES = 100, 1_000_000
_MOST_TEMPLATES = 256


class Promoter:
    """Makes jobs of the lines of one batch.

    Args:
        principal: on whose behalf.
        headers: of the request that made the batch.
        cap: the batch's budget, nano-dollars.
    """

    def __init__(
        self,
        submitter: Submitter,
        batch_id: str,
        form: LineFormat,
        principal: Principal,
        headers: Mapping[str, str],
        cap: int | None,
    ) -> None:
        self._submitter, self._batch_id, self._form = submitter, batch_id, form
        self._principal, self._headers, self._cap = principal, headers, cap
        self._templates: dict[bytes, Template] = {}
        self._view: FleetView | None = None
        self._prefixes = Prefixes()

    def promote(self, start: int, lines: Sequence[FileLine]) -> Flow[Moved]:
        """Makes jobs of lines, and of those that cannot be sent failed ones, where the cursor stands before them.

        Args:
            start: number of the first line.

        Raises:
            StoreFull: the store has no room; nothing was promoted.
            StoreUnavailable, BlobsUnavailable: it is not known whether they were.
        """
        keys, uploads = self._submitter.keys, self._submitter.uploads()
        groups: dict[int, tuple[Common, list[Entry]]] = {}
        lost: list[LostLine] = []
        targets: set[str] = set()
        for number, line in enumerate(lines, start):
            read = self._read(number, line)
            if isinstance(read, LostLine):
                lost.append(read)
                continue
            try:
                yield from self._put(number, read, groups, targets, uploads)
            except (HomaError, ApiError) as error:
                lost.append(self._lost(number, read.custom_id, error))
            except Exception:
                # A defect that one line meets is told as its failure; the others go on.
                _log.exception("line %d of batch %s cannot be sent", number, self._batch_id)
                lost.append(self._line_of(number, read.custom_id, internal()))
        assert self._view is not None or not groups
        self._prefixes.mark()
        if self._view is not None:
            yield from self._submitter.write_plans(self._view, sorted(targets))
        yield from uploads.send(keys)
        to, offset = start + len(lines), lines[-1].end
        op = promote_lines(
            keys, self._batch_id, start=start, to=to, offset=offset, groups=list(groups.values()), lost=lost
        )
        return (yield from ask_patiently(op))

    def _read(self, number: int, line: FileLine) -> RequestLine | LostLine:
        try:
            return read_line(self._form, line.data)
        except BadLine as bad:  # an earlier release found nothing wrong with it
            return self._lost(number, "", ApiError(400, bad.message, bad.code))

    def _put(
        self,
        number: int,
        line: RequestLine,
        groups: dict[int, tuple[Common, list[Entry]]],
        targets: set[str],
        uploads: Uploads,
    ) -> Flow[None]:
        asked = self._form.ask(self._principal, self._headers, line.body)
        template = yield from self._template(asked)
        prepared = _prepared(asked)
        template, skipped = template.fit(prepared)
        job_id = batch_job_id(self._batch_id, number)
        stored = uploads.add(job_id, prepared)
        metadata = None if asked.metadata is None else check_metadata("metadata", asked.metadata)
        entry = template.entry(job_id, stored, custom_id=line.custom_id, skipped=skipped, metadata=metadata)
        if entry.bound is None:
            template.check_bounded(prepared, in_batch=self._cap is not None)
        if self._cap is not None:
            check_affordable(template, entry.bound, self._cap)
        targets.update(template.targets)
        common = template.common_for(prepared)
        _, entries = groups.setdefault(id(common), (common, []))
        traces = self._submitter.traces
        entries.append(entry if traces is None else traced_entry(traces, common, entry))
        if template.caches:
            self._prefixes.note(template, prepared, entries)

    def _template(self, asked: LineRequest) -> Flow[Template]:
        name = orjson.dumps(asked.options, option=orjson.OPT_SORT_KEYS)
        view = yield from self._submitter.view()
        if view is not self._view or len(self._templates) >= _MOST_TEMPLATES:
            self._view, self._templates, self._prefixes = view, {}, Prefixes()
        found = self._templates.get(name)
        if found is None:
            options = check_options(spread(asked.options), self._form.kind)
            self._view = yield from self._submitter.view_for(options)
            found = self._templates[name] = Template(self._view, options, self._batch_id)
        return found

    def _lost(self, number: int, custom_id: str, error: HomaError | ApiError) -> LostLine:
        told = error if isinstance(error, ApiError) else of_error(error)
        if told.status >= 500:  # the store is away, or there is a defect: not the line's fault
            raise error
        return self._line_of(number, custom_id, told)

    def _line_of(self, number: int, custom_id: str, error: ApiError) -> LostLine:
        job_id = batch_job_id(self._batch_id, number)
        return LostLine(job_id, custom_id, error.message, error.status, error.code, self._principal.tenant)


def _prepared(asked: LineRequest) -> Prepared:
    if asked.texts is not None:
        return Prepared(to_json(asked.texts, "texts"), [], inputs=asked.texts)
    messages: Any = asked.messages
    return Prepared.of(build_messages(None, messages))
