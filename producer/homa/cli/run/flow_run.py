"""`homa run --flow`: documents through the steps of a flow, a line an input, in the inputs' order.

The run's key is made of the output's place and of what is asked, so that the same command goes on with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import click
import orjson

from homa.cli.context import say, submitting_session
from homa.cli.documents.work import FlowRunResultDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.input_options import read_options
from homa.cli.job_flags import job_options
from homa.cli.output import dollars, number, usd_or_null
from homa.client.flows.outcomes import Answer, FlowProgress, FlowResult
from homa.client.result_documents import answered, unanswered
from homa.client.results import Reply
from homa.client.sync import Homa
from homa.files import BadRow, Row, result_line
from homa.files.remote.address import is_address
from homa.files.result_line import bad_row_line, line_bytes
from homa.flows.compiling import definition_of
from homa.flows.documents import item_of
from homa.flows.flow import Flow
from homa.flows.toml import read_flow
from homa.runs.inputs import STDIN, RunInputs
from homa.submit.option_row import Command
from homa_shared.model.errors import InvalidRequest, OutputUnwritable
from homa_shared.model.ids import unique_id

#: Options of `homa run` that a flow has no use for: its steps say these, or its results have no such form.
_OF_STEPS = ("model", "prompt", "system", "schema", "template", "fallbacks", "max_tokens", "temperature", "api")
_NOT_YET = (
    "form",
    "redo",
    "retry",
    "changed",
    "prune",
    "sample",
    "max_failures",
    "dry_run",
    "detach",
    "deadline_s",
    "fill",
    "cite",
    "unit",
    "chunk_tokens",
    "overlap",
    "long",
    "window",
)


def run_flow(options: Mapping[str, Any]) -> None:
    """Carries out `homa run --flow`; raises for every exit status but 0."""
    _check(options)
    flow = read_flow(Path(options["flow"]))
    inputs = RunInputs(
        tuple(options["inputs"]),
        read_options(options),
        options["id_column"],
        options["limit"],
        output=options["output"],
    )
    inputs.check()
    inputs.keep_pipes()
    try:
        _run(flow, inputs, options)
    finally:
        inputs.close()


def _check(options: Mapping[str, Any]) -> None:
    for names, why in ((_OF_STEPS, "the steps of the flow say it"), (_NOT_YET, "flows do not take it")):
        for name in names:
            if options.get(name):
                raise InvalidRequest(f"--flow with --{name.replace('_', '-').rstrip('s')}: {why}; leave it out")
    output = options["output"]
    if is_address(output):
        raise InvalidRequest(f"--flow with --output {output}: results of flows are files of this machine")
    if output != STDIN and Path(output).suffix not in (".jsonl", ".ndjson"):
        raise InvalidRequest(f"--output is {output!r}: expected a file of JSON Lines (.jsonl), or -")


@dataclass(slots=True)
class _Feeding:
    """Rows on their way into a run: what becomes of each is told in the end."""

    inputs: RunInputs
    #: In the order of the inputs: an id, or the row that cannot be sent.
    lines: list[str | BadRow] = field(default_factory=list)

    def items(self) -> Iterator[dict[str, Any]]:
        for row in self.inputs.rows():
            if isinstance(row, Row) and row.images:
                row = row.rejected("is an image, or a scan without text, which flows cannot show to a model")
            if isinstance(row, BadRow):
                self.lines.append(row)
                continue
            self.lines.append(row.custom_id)
            yield item_of(row)


def _run(flow: Flow, inputs: RunInputs, options: Mapping[str, Any]) -> None:
    feeding = _Feeding(inputs)
    budget = options.get("budget_usd")
    given = job_options(Command.RUN, options, "model", "budget_usd", "prompt_cache")
    shared = {name: given[name] for name in ("tenant", "tags", "lane")}
    with submitting_session() as here, Homa(settings=None, local=True, workers=_workers(options["workers"])) as homa:
        del here
        run = homa.run(
            flow,
            feeding.items(),
            key=_key(flow, options),
            reuse=options.get("cache") is not False,
            budget_usd=None if budget is None else usd_or_null(budget),
            **shared,
        )
        try:
            say(f"run {run.id} of flow {flow.name}: {number(len(feeding.lines))} inputs")
            run.resume()
            good = _write(run.results(), feeding.lines, options["output"])
        except KeyboardInterrupt:
            run.pause("interrupted")
            say(f"run {run.id} is paused: the same command goes on with it, `homa flow cancel {run.id}` ends it")
            raise
        progress = run.progress()
    _tell(run.id, progress, feeding.lines, good, options)


def _workers(said: str) -> Any:
    return int(said) if said.isdigit() else said


def _key(flow: Flow, options: Mapping[str, Any]) -> str:
    """One that the same command makes again; another one with --force."""
    place = "-" if options["output"] == STDIN else str(Path(options["output"]).absolute())
    asked = [place, list(options["inputs"]), options["limit"], unique_id() if options["force"] or place == "-" else ""]
    told = hashlib.sha256(orjson.dumps(asked) + definition_of(flow)).hexdigest()
    return f"run:{told[:32]}"


def _write(results: Iterator[FlowResult], lines: list[str | BadRow], output: str) -> int:
    """Writes a line an input, in their order; returns how many have all their answers."""
    good = 0
    try:
        with _opened(output) as out:
            for line in lines:
                if isinstance(line, BadRow):
                    out.write(line_bytes(bad_row_line(line)))
                    continue
                result = next(results)
                good += result.ok
                out.write(line_bytes(_line(line, result)))
                out.flush()
            # Steps over all inputs end behind the last of them.
            for _ in results:
                pass
    except OSError as error:
        raise OutputUnwritable(f"{output}: {error.strerror or error}") from error
    return good


def _opened(output: str) -> IO[bytes]:
    return click.open_file(output, "wb") if output == STDIN else Path(output).open("wb")


def _line(custom_id: str, result: FlowResult) -> dict[str, Any]:
    each = list(result.answers.items())
    missing = {"missing": {step: list(parts) for step, parts in result.missing.items()}} if result.missing else {}
    if len(each) == 1 and not isinstance(each[0][1], list):
        return {**_answer(custom_id, each[0][1]), **missing}
    answers = {
        step: [_answer(custom_id, answer) for answer in said] if isinstance(said, list) else _answer(custom_id, said)
        for step, said in each
    }
    return {"custom_id": custom_id, "answers": answers, **missing}


def _answer(custom_id: str, answer: Any) -> dict[str, Any]:
    found: Answer = answer
    return result_line(custom_id, answered(found) if isinstance(found, Reply) else unanswered(found, None))


def _tell(run: str, progress: FlowProgress, lines: list[str | BadRow], good: int, options: Mapping[str, Any]) -> None:
    bad = sum(isinstance(line, BadRow) for line in lines)
    failed = len(lines) - bad - good
    say(
        f"run {run}: {number(good)} of {number(len(lines))} inputs have their answers, {number(failed)} failed, "
        f"{number(bad)} could not be sent; {dollars(progress.cost_usd)}"
    )
    if options["as_json"]:
        document: FlowRunResultDocument = {
            "run": run,
            "total": len(lines),
            "succeeded": good,
            "failed": failed + bad,
            "cost_usd": usd_or_null(progress.cost_usd),
            "unresolved_usd": usd_or_null(progress.unresolved_usd),
            "output": options["output"],
        }
        click.echo(orjson.dumps(document))
    if failed or bad:
        raise Stopped(SOME_FAILED)
