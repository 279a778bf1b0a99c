"""The making of a batch: lines are taken, sent a chunk at a time, and counted."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from io import IOBase
from typing import Any

from homa.drivers.effects import Flow, ask_all, ask_patiently, patiently
from homa.submit.batch_chunks import Chunks
from homa.submit.batch_line_options import BatchRequest
from homa.submit.fleet_view import FleetView
from homa.submit.option_checks import Dollars, check_fallbacks, check_tenant
from homa.submit.options import Options, check_options, spread
from homa.submit.submitter import Submitter
from homa.submit.template_values import check_alone, stored_template
from homa.submit.uploads import Uploads
from homa_shared.calls.prompt_templates import Template
from homa_shared.calls.request import CHAT
from homa_shared.model.errors import HomaError, InvalidRequest, JobCancelled, StoreFull, StoreUnavailable
from homa_shared.model.ids import new_batch_id
from homa_shared.model.records import Lane
from homa_shared.model.webhook_urls import checked_webhook
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.submit import Accepted, Entry


def check_requests(requests: object) -> None:
    """Raises InvalidRequest for one request, a table, or another value, where an iterable of requests is expected."""
    if (rows := _rows_of_table(requests)) is not None:
        raise InvalidRequest(
            f"requests is a table ({type(requests).__module__.partition('.')[0]}): expected requests, such as "
            f'[{{"prompt": f"Classify: {{row[\'text\']}}", "custom_id": row["id"]}} for row in {rows}], '
            'or homa.map(table, prompt="Classify: {{text}}"), which answers with a table'
        )
    if isinstance(requests, IOBase):
        raise InvalidRequest(
            f"requests is an open file ({getattr(requests, 'name', '?')!s:.80}), whose lines would all be prompts: "
            "expected requests, such as map(json.loads, file) for a JSON Lines file, or `homa run FILE`"
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
    """The making of one batch: opened, filled a chunk at a time, sealed with its total.

    Args:
        options: of `submit_batch`, name, model and schema among them.
        facts: what is to stand in the batch's record beside them.
        kind: of its requests.
        alike: lines are prompts without options of their own, so that wrong options are refused before it is opened.
    """

    def __init__(
        self,
        submitter: Submitter,
        options: Mapping[str, Any],
        *,
        facts: Mapping[str, str] | None = None,
        alike: bool = False,
        kind: str = CHAT,
    ) -> None:
        defaults = {"lane": Lane.BULK, **{name: value for name, value in spread(options).items() if value is not None}}
        self._submitter = submitter
        cap = defaults.pop("budget_usd", None)
        self._cap = None if cap is None else Dollars()("budget_usd", cap)
        self._name = str(defaults.pop("name", ""))
        url = defaults.pop("webhook", None)
        self._webhook = {} if url is None else {"webhook": checked_webhook("webhook", url)}
        self._tenant = check_tenant("tenant", defaults.get("tenant", ""))
        self._defaults = defaults
        self.id = new_batch_id()
        self.schema = defaults.get("schema")
        self._chunks: Chunks | None = None
        self._facts, self._alike, self._kind = facts or {}, alike, kind
        self._unsent: list[tuple[Op[Accepted], list[Entry]]] = []
        #: Model and stored template of lines, where they have one.
        self._by_template: Options | None = None
        self._template: Template | None = None
        #: Lines whose key another job had: they are that job's.
        self._taken = 0

    def open(self) -> Flow[None]:
        """Opens the batch in the store."""
        yield from self._submitter.bounded(self._open())

    def _open(self) -> Flow[None]:
        model, fallbacks = self._defaults.get("model"), self._defaults.get("fallbacks", ())
        if isinstance(model, str):
            self._submitter.expect(model, check_fallbacks("fallbacks", fallbacks))
        view = yield from self._submitter.view()
        yield from self.read_template(view)
        self._chunks = self.chunks(view, self._submitter.uploads())
        if self._alike:
            self._chunks.check_defaults()
        cap = "" if self._cap is None else str(self._cap)
        webhook = view.webhook_of(self._tenant) | self._webhook
        facts = {"name": self._name, "tenant": self._tenant, "cap": cap, **webhook, **self._facts}
        yield from ask_patiently(admin.open_batch(self._submitter.keys, self.id, facts))

    def read_template(self, view: FleetView) -> Flow[None]:
        """Reads the stored template that lines give values to, where one is named, before the first of them.

        Raises:
            InvalidRequest: there is none of that name, or the options that lines share give values themselves.
        """
        if self._defaults.get("values") is not None:
            raise InvalidRequest("values belong to each line of a batch: expected them in the lines, template beside")
        named = self._defaults.pop("template", None)
        if named is None:
            return
        check_alone({**self._defaults, "template": named})
        self._template = yield from stored_template(self._submitter.keys, named)
        if (model := self._defaults.get("model")) is not None:
            asked = check_options({"model": model, "fallbacks": self._defaults.get("fallbacks")})
            self._by_template = asked.of_template(self._template.ref)
            yield from self._learn(view)

    def _learn(self, view: FleetView) -> Flow[None]:
        """Reads how long answers to the template are, before the first lines and now and then."""
        if self._by_template is not None:
            yield from self._submitter.learn_template(view, self._by_template)

    def chunks(self, view: FleetView, uploads: Uploads) -> Chunks:
        """What checks and gathers its lines."""
        return Chunks(
            *(self._submitter.keys, self.id, view, self._defaults, uploads),
            cap=self._cap,
            kind=self._kind,
            template=self._template,
            traces=self._submitter.traces,
        )

    def add(self, request: BatchRequest) -> bool:
        """Takes a line; true when `flush` is due."""
        assert self._chunks is not None
        return self._chunks.add(request)

    def add_prompt(self, prompt: str, custom_id: str, key: str = "") -> bool:
        """Takes a line that is a prompt alone; true when `flush` is due. As `Chunks.add_prompt`."""
        assert self._chunks is not None
        return self._chunks.add_prompt(prompt, custom_id, key)

    def add_texts(self, texts: Sequence[str]) -> bool:
        """Takes a line that embeds texts; true when `flush` is due. As `Chunks.add_texts`."""
        assert self._chunks is not None
        return self._chunks.add_texts(texts)

    def flush(self) -> Flow[dict[str, str]]:
        """Sends the lines gathered, again after a reply that was lost.

        Returns:
            custom_id of a line -> the job that had the line's key before, and stands for it.

        Raises:
            JobCancelled: the batch was cancelled meanwhile and takes no more lines.
            StoreFull: the store has no room; the lines before are accepted.
            StoreUnavailable: it is away for long.
        """
        return (yield from self._submitter.bounded(self._flush()))

    def _flush(self) -> Flow[dict[str, str]]:
        assert self._chunks is not None
        yield from self._read_line_templates(self._chunks)
        yield from self._submitter.write_plans(self._chunks.view, sorted(self._chunks.targets))
        yield from self._learn(self._chunks.view)
        yield from self._chunks.uploads.send(self._submitter.keys)
        # Lines whose sending breaks off (the store is away for long, somebody interrupts) go with the next ones.
        ops = self._unsent = [*self._unsent, *self._chunks.ops()]
        try:
            # A full store empties while workers drain it.
            answers = yield from patiently(
                lambda: ask_all([op for op, _ in ops]), outages=(StoreUnavailable, StoreFull)
            )
            self._unsent = []
            # A line that was sent before is known by its own id; one whose key was used, by another job's.
            taken = {
                entries[place].custom_id: known
                for answer, (_, entries) in zip(answers, ops, strict=True)
                for place, known in answer.existing.items()
                if known != entries[place].id
            }
            self._taken += len(taken)
            yield from self._check_known(
                [
                    entries[place]
                    for answer, (_, entries) in zip(answers, ops, strict=True)
                    for place, known in answer.existing.items()
                    if known == entries[place].id
                ]
            )
            return taken
        except HomaError:
            raise
        except Exception as error:
            # The one thing that the script itself refuses: a batch that takes no more lines.
            if f"HOMA batch {self.id} is" not in str(error):
                raise
            raise JobCancelled(f"batch {self.id} was cancelled while it was submitted") from error

    def _read_line_templates(self, chunks: Chunks) -> Flow[None]:
        """Reads templates that lines name themselves; their lines, which waited for them, are taken."""
        while (name := chunks.wanted) is not None:
            try:
                found = yield from stored_template(self._submitter.keys, name)
            except InvalidRequest as error:
                raise chunks.refuse_held(error) from error
            if (model := self._defaults.get("model")) is not None:
                asked = check_options({"model": model, "fallbacks": self._defaults.get("fallbacks")})
                yield from self._submitter.learn_template(chunks.view, asked.of_template(found.ref))
            chunks.know(name, found)

    def _check_known(self, entries: Sequence[Entry]) -> Flow[None]:
        """Lines that were there under their own names: sent before, by a submission whose reply was lost."""
        yield from ()

    def seal(self) -> Flow[None]:
        """Sends what is left, and tells the store how many lines there are."""
        assert self._chunks is not None
        yield from self.flush()
        yield from self._submitter.bounded(ask_patiently(self._sealing(self._chunks.lines - self._taken)))

    def _sealing(self, lines: int) -> Op[str]:
        return admin.seal_batch(self._submitter.keys, self.id, lines)

    def abandon(self, error: BaseException) -> Flow[None]:
        """Cancels a batch whose lines could not all be read, so that half of it is not paid for."""
        lines = self._chunks.lines if self._chunks is not None else 0
        ended = f"its submission ended at line {lines}"
        try:
            cancelling = ask_patiently(admin.cancel_batch(self._submitter.keys, self.id), 1.0)
            yield from self._submitter.bounded(cancelling)
        except StoreUnavailable:
            error.add_note(f"batch {self.id} could not be cancelled, and lines of it may have been accepted: {ended}")
        else:
            error.add_note(f"batch {self.id} was cancelled: {ended}")
