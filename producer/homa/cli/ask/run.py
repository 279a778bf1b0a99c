"""What `homa ask` does: submit one job, follow its text, cancel it when the person leaves."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from homa.cli import worker_logs
from homa.cli.ask.turn import submission_of
from homa.cli.context import say, standard_input, submitting_session
from homa.cli.documents.work import ReplyDocument
from homa.cli.file_options import is_pdf
from homa.cli.input_options import read_options
from homa.cli.job_flags import job_options
from homa.client.job_flows import JobFlows
from homa.client.results import Reply
from homa.client.session import Session
from homa.client.streams import Piece
from homa.client.unserved import seen_to
from homa.client.worker_demand import workers_for
from homa.drivers.effects import Flow, Sleep, ask
from homa.files import BadRow, Row, open_inputs
from homa.runs.foreground_job import attended
from homa.runs.progress import duration
from homa.runs.signals import Interruption
from homa.submit.asked import Asked, ask_for
from homa.submit.fleet_view import FleetView
from homa.submit.option_row import Command
from homa.submit.template import Template
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.calls.prompt_templates import AsTexts
from homa_shared.capabilities import Feature
from homa_shared.model.errors import InvalidRequest, StoreUnavailable
from homa_shared.model.ids import new_job_id
from homa_shared.model.money import usd
from homa_shared.store import reads

_LOOK_S = 0.1
#: How long a job may wait before it is said for what, and then between looks, s.
_TELL_EACH_S = 5.0
#: Holds that do not pass within a moment; a limit's own pace does.
_TOLD = frozenset({"breaker", "budget", "pause", "leader", "due"})


def ask_job(**options: Any) -> None:
    """Carries out `homa ask`; raises for every exit status but 0."""
    streamed = options["stream"] and not options["as_json"]
    pdfs = [file for file in options["files"] if is_pdf(file)]
    asked = _asked(options, streamed, pdfs)
    with submitting_session() as here:
        view = here.view()
        if pdfs and not _reads_pdf(view, asked):
            asked = _asked(options, streamed)
        targets = Template(view, asked.options).targets
        workers = workers_for(
            options["workers"], here, view, targets, name=f"ask-{new_job_id()[1:]}", what="the job", say=say
        )
        submission = submission_of(here, options, asked)
        with Interruption(at_once=True).listening() as interruption, workers.at_work(), seen_to(here.keys):
            reply = _answer(here, submission, asked.schema, workers, interruption, streamed)
        worker_logs.leave(workers, here)
        _tell(reply, as_json=options["as_json"], streamed=streamed)


def _reads_pdf(view: FleetView, asked: Asked) -> bool:
    """Whether the first target, or each member of the first pool, reads PDF; else the text of the files is sent."""
    first = view.members(Template(view, asked.options).targets[0])
    return all(view.capabilities.offers(target, Feature.PDF) for target in first)


def _asked(options: dict[str, Any], streamed: bool, documents: Sequence[str] = ()) -> Asked:
    """The request.

    Args:
        documents: those among the files that are shown as they are.
    """
    if options["template"] is not None:
        return _by_template(options, streamed)
    if options["prompt"] is None:
        raise InvalidRequest("PROMPT is missing: expected the question, - for standard input, or --template NAME")
    if options["values"]:
        raise InvalidRequest("--value without --template: expected both, or neither")
    if options["prompt"] == "-":
        options["prompt"] = standard_input()
    texts = [_text_of(file) for file in options["files"] if file not in documents]
    made = {
        "prompt": "\n\n".join([*texts, options["prompt"]]),
        "files": [Path(file) for file in documents],
        "stream": streamed,
    }
    return ask_for(job_options(Command.ASK, options, "files", *_apart(options)) | made)


def _apart(options: dict[str, Any]) -> tuple[str, ...]:
    """What a conversation has of its own."""
    return () if options["conversation"] is None else ("system", "tenant")


def _by_template(options: dict[str, Any], streamed: bool) -> Asked:
    """The request whose prompt a stored template makes."""
    for name, given in (("PROMPT", options["prompt"]), ("--file", options["files"]), ("--image", options["images"])):
        if given:
            raise InvalidRequest(f"both --template and {name}: expected one of them")
    made = {"values": AsTexts(options["values"] or {}), "stream": streamed}
    return ask_for(job_options(Command.ASK, options, "files", "images", *_apart(options)) | made)


def _text_of(file: str) -> str:
    """A document's text.

    Raises:
        InvalidRequest: the file is missing, holds rows instead of one text, or cannot be read.
    """
    if not file or ("://" in file and not Path(file).exists()):
        raise InvalidRequest(f"--file {file!r}: expected the path of a file; addresses are not fetched")
    rows = list(open_inputs([file], options=read_options({"pages": "text", "sheets": "documents"})))
    if any(row.line is not None for row in rows):
        raise InvalidRequest(f"--file {file} holds {len(rows)} rows: expected one text; `homa run` asks about each row")
    bad = next((row for row in rows if isinstance(row, BadRow)), None)
    if bad is not None:
        raise InvalidRequest(f"--file {bad}")
    return "\n\n".join(row.text or "" for row in rows if isinstance(row, Row))


def _answer(
    here: Session,
    submission: Flow[str],
    schema: object,
    workers: WorkerSupervisor,
    interruption: Interruption,
    streamed: bool,
) -> Reply[Any]:
    with attended(here, submission, interruption, say, schema) as flows:
        written: list[Piece] = []
        for piece in here.driver.iterate(_watched(flows, workers, streamed)):
            _show(piece, written)
        if written:
            click.echo()
        return here.driver.run(flows.result(None))


def _watched(flows: JobFlows, workers: WorkerSupervisor, streamed: bool) -> Flow[None]:
    """The pieces of the answer, or none; the workers are checked while they come."""
    following = flows.stream(None) if streamed else _until_ended(flows)
    send, argument, told = following.send, None, _Holds(flows)
    while True:
        workers.check()
        yield from told.look()
        try:
            effect = send(argument)
        except StopIteration:
            return
        try:
            send, argument = following.send, (yield effect)
        except Exception as error:
            send, argument = following.throw, error


class _Holds:
    """Tells what holds a job that has not begun after a while, each time that it is something else."""

    def __init__(self, flows: JobFlows) -> None:
        self._flows = flows
        self._look_s = time.monotonic() + _TELL_EACH_S
        self._told = ""

    def look(self) -> Flow[None]:
        if time.monotonic() < self._look_s:
            return
        self._look_s = time.monotonic() + _TELL_EACH_S
        try:
            why = yield from ask(reads.why(self._flows.keys, self._flows.id))
        except StoreUnavailable:
            return
        held = next((hold for hold in why.holds if hold.kind in _TOLD), None) if why is not None else None
        detail = held.detail if held is not None else ""
        if detail and detail != self._told:
            say(f"the job waits: {detail}")
        self._told = detail or self._told


def _until_ended(flows: JobFlows) -> Flow[None]:
    while not (yield from flows.view()).job.ended:
        yield Sleep(_LOOK_S)


def _show(piece: Piece, written: list[Piece]) -> None:
    if piece.event == "restarted" and written:
        click.echo("\n")
        say("the attempt broke off; its answer begins anew")
    click.echo(piece, nl=False)
    sys.stdout.flush()
    written.append(piece)


def _tell(reply: Reply[Any], *, as_json: bool, streamed: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(_document(reply)))
    elif not streamed:
        click.echo(reply.text)
    cost = "unpriced" if reply.cost_nano_usd is None else f"${usd(reply.cost_nano_usd)}"
    took = f", {duration(reply.latency_ms / 1000)}" if reply.latency_ms is not None else ", cached"
    tokens = f"{reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out"
    for note in reply.notes:
        say(note)
    say(f"{reply.provider}:{reply.model}, {tokens}, {cost}{took}, job {reply.job_id}")


def _document(reply: Reply[Any]) -> ReplyDocument:
    document: ReplyDocument = {
        "job": reply.job_id,
        "text": reply.text,
        "provider": reply.provider,
        "model": reply.model,
        "finish_reason": reply.finish_reason,
        "attempts": reply.attempts,
        "cached": reply.cached,
        "cost_usd": None if reply.cost_nano_usd is None else usd(reply.cost_nano_usd),
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
        "cached_tokens": reply.usage.cached_tokens,
        "latency_ms": reply.latency_ms,
    }
    if reply.schema is not None:
        document["parsed"] = reply.parsed
    return document
