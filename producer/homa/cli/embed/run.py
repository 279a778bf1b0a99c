"""What `homa embed` does: read texts, embed them job by job, write a line for each."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click
import orjson

from homa.cli import worker_logs
from homa.cli.context import say, submitting_session
from homa.cli.documents.work import EmbeddedTextsDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.input_options import read_options
from homa.cli.job_flags import job_options
from homa.client.embeddings import Embedded, ask_for_embeddings
from homa.client.session import Session
from homa.client.unserved import seen_to
from homa.client.worker_demand import workers_for
from homa.files import BadRow, Places, Row, open_inputs
from homa.files.remote.address import is_address
from homa.files.rows import as_text
from homa.files.writers.output_file import create
from homa.runs.foreground_job import attended
from homa.runs.signals import Interruption
from homa.submit.asked import Asked
from homa.submit.option_row import Command
from homa.submit.template import Template
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import new_job_id
from homa_shared.model.money import usd
from homa_shared.model.records import ENDED

#: Texts of one job: what is lost when it is given up, and what is held in memory.
TEXTS_PER_JOB = 2000
_LOOK_S = 0.05

#: Custom id, vector, and why there is none.
Line = Callable[[str, list[float], str], bytes]


@dataclass(slots=True)
class Sums:
    """What the run came to."""

    texts: int = 0
    bad: int = 0
    #: Texts that the provider refused.
    failed: int = 0
    #: Texts whose vectors were kept from jobs before.
    cached: int = 0
    tokens: int = 0
    nano_usd: int = 0
    unpriced_jobs: int = 0

    def add(self, found: Embedded) -> None:
        self.texts += len(found) - len(found.errors)
        self.failed += len(found.errors)
        self.cached += found.cached_texts
        # A reply from the cache tells the tokens of the job that it came from.
        self.tokens += 0 if found.reply.cached else found.usage.input_tokens
        cost = found.reply.cost_nano_usd
        self.nano_usd += cost or 0
        self.unpriced_jobs += cost is None


def embed_inputs(**options: Any) -> None:
    """Carries out `homa embed`; raises for every exit status but 0."""
    if options["as_json"] and options["output"] == "-":
        raise InvalidRequest("--json prints sums to stdout: give the vectors a file of their own with --output FILE")
    asked = job_options(Command.EMBED, options)
    if is_address(options["output"]):
        raise InvalidRequest(f"--output {options['output']}: vectors are written to files of this machine, or -")
    places = Places(outputs=() if options["output"] == "-" else (Path(options["output"]),))
    rows = open_inputs(
        options["inputs"],
        options=read_options({**options, "pages": "text"}),
        id_column=options["id_column"],
        places=places,
    )
    first = ask_for_embeddings(["-"], asked)
    with submitting_session() as here, _output(options) as (out, line):
        view = here.view()
        targets = Template(view, first.options).fit(first.prepared)[0].targets
        workers = workers_for(
            options["workers"], here, view, targets, name=f"embed-{new_job_id()[1:]}", what="the job", say=say
        )
        with Interruption(at_once=True).listening() as interruption, workers.at_work(), seen_to(here.keys):
            texts = _texts(rows, options["column"] or "text")
            sums = _embed(here, texts, asked, workers, interruption, out, line)
        worker_logs.leave(workers, here)
    _tell(sums, options)


def _embed(
    here: Session,
    texts: Iterator[tuple[str, str | None]],
    options: Mapping[str, Any],
    workers: WorkerSupervisor,
    interruption: Interruption,
    out: IO[bytes],
    line: Line,
) -> Sums:
    sums = Sums()
    while part := list(islice(texts, TEXTS_PER_JOB)):
        good = [(custom_id, text) for custom_id, text in part if text is not None]
        sums.bad += len(part) - len(good)
        if good:
            found = _vectors(here, ask_for_embeddings([text for _, text in good], options), workers, interruption)
            for place, ((custom_id, _), vector) in enumerate(zip(good, found, strict=True)):
                error = found.errors.get(place, "")
                if error:
                    say(f"failed {custom_id}: {error}")
                out.write(line(custom_id, vector, error))
            out.flush()
            sums.add(found)
    return sums


def _vectors(here: Session, asked: Asked, workers: WorkerSupervisor, interruption: Interruption) -> Embedded:
    with attended(here, here.submitter.submit(asked), interruption, say) as flows:
        while here.driver.run(flows.state()) not in ENDED:
            workers.check()
            time.sleep(_LOOK_S)
        return Embedded(here.driver.run(flows.result(None)))


def _texts(rows: Iterator[Row | BadRow], column: str) -> Iterator[tuple[str, str | None]]:
    """Custom ids and texts of rows; None where a row has none, which is said."""
    for row in rows:
        if isinstance(row, BadRow):
            say(f"skipped {row}")
            yield row.custom_id, None
            continue
        value = row.text if column == "text" else row.fields.get(column)
        text = "" if value is None else as_text(value)
        if not text:
            lacks = value is None and column not in row.fields
            say(f"skipped {row.custom_id}: its {column} is {'missing' if lacks else 'empty'}")
        yield row.custom_id, text or None


@contextlib.contextmanager
def _output(options: Mapping[str, Any]) -> Iterator[tuple[IO[bytes], Line]]:
    name, form = options["output"], options["form"]
    line = _csv_line if (form or ("csv" if name.endswith(".csv") else "jsonl")) == "csv" else _json_line
    if name == "-":
        yield sys.stdout.buffer, line
        return
    path = Path(name)
    if path.exists() and not options["force"]:
        raise InvalidRequest(f"--output {path} exists: use --force to write it anew, or choose another")
    with create(path, force=options["force"]) as out:
        if line is _csv_line:
            out.write(b"custom_id,embedding\r\n")
        yield out, line


def _json_line(custom_id: str, vector: list[float], error: str) -> bytes:
    told = {"error": error} if error else {"embedding": vector}
    return orjson.dumps({"custom_id": custom_id, **told}, option=orjson.OPT_APPEND_NEWLINE)


def _csv_line(custom_id: str, vector: list[float], error: str) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([custom_id, "" if error else orjson.dumps(vector).decode()])
    return text.getvalue().encode()


def _tell(sums: Sums, options: Mapping[str, Any]) -> None:
    # Without a price, or, as with Gemini, without a count of tokens.
    unknown = f", {sums.unpriced_jobs} jobs of unknown cost (see `homa costs`)" if sums.unpriced_jobs else ""
    cost = f"${usd(sums.nano_usd)}{unknown}"
    kept = f", {sums.cached} of them from the cache" if sums.cached else ""
    failed = f", {sums.failed} failed" if sums.failed else ""
    say(f"{sums.texts} texts embedded{kept}, {sums.bad} skipped{failed}, {sums.tokens} tokens, {cost}")
    if options["as_json"]:
        told: EmbeddedTextsDocument = {
            "texts": sums.texts,
            "cached": sums.cached,
            "skipped": sums.bad,
            "failed": sums.failed,
            "input_tokens": sums.tokens,
            "cost_usd": usd(sums.nano_usd),
            "unpriced_jobs": sums.unpriced_jobs,
            "output": options["output"],
        }
        click.echo(orjson.dumps(told))
    if sums.bad or sums.failed:
        raise Stopped(SOME_FAILED)
