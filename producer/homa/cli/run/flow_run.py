"""`homa run --flow`: documents through the steps of a flow, a line an input, in the inputs' order.

The run's key is made of the output's place and of what is asked, so that the same command goes on with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from homa.cli.context import say, submitting_session
from homa.cli.documents.work import FlowRunResultDocument
from homa.cli.exit_status import SOME_FAILED, STUCK, Stopped
from homa.cli.input_options import read_options
from homa.cli.job_flags import job_options
from homa.cli.output import dollars, number, usd_or_null
from homa.cli.run.flow_dry_run import flow_dry_run
from homa.cli.run.flow_output import placed
from homa.client.flows.documents import Documents
from homa.client.flows.given import once_of
from homa.client.flows.handle import FlowRun
from homa.client.flows.outcomes import FlowProgress
from homa.client.flows.results_file import FlowResults, check_place
from homa.client.flows.run_flows import RunFlows
from homa.client.flows.submission import run_of
from homa.client.session import Session
from homa.client.sync import Homa
from homa.files import BadRow, output_format
from homa.files.remote.address import is_address
from homa.files.remote.results import checked_address
from homa.files.writers.output_format import FLAT
from homa.flows.compiling import definition_of
from homa.flows.flow import Flow
from homa.flows.toml import read_flow
from homa.runs.errors import SignalReceived
from homa.runs.inputs import STDIN, RunInputs
from homa.runs.signals import Interruption
from homa.runs.tally import MaxFailures
from homa.submit.option_row import Command
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import unique_id

#: Options of `homa run` that a flow has no use for: its steps say these, or its results have no such form.
_OF_STEPS = ("model", "prompt", "system", "schema", "template", "fallbacks", "max_tokens", "temperature", "api")
_NOT_YET = (
    "redo",
    "retry",
    "changed",
    "prune",
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
        options["sample"],
        options["seed"],
        options["output"],
    )
    inputs.check()
    inputs.keep_pipes()
    try:
        if options["dry_run"]:
            flow_dry_run(flow, inputs, options)
        else:
            _run(flow, inputs, options)
    finally:
        inputs.close()


def _check(options: Mapping[str, Any]) -> None:
    for names, why in ((_OF_STEPS, "the steps of the flow say it"), (_NOT_YET, "flows do not take it")):
        for name in names:
            if options.get(name):
                raise InvalidRequest(f"--flow with --{name.replace('_', '-').rstrip('s')}: {why}; leave it out")
    _ = _failures_allowed(options)
    output = options["output"]
    if is_address(output):
        checked_address(output, options["form"])
    else:
        check_place(output, options["form"], again=True, force=options["force"])


def _run(flow: Flow, inputs: RunInputs, options: Mapping[str, Any]) -> None:
    chosen = output_format(options["output"], options["form"])
    feeding = Documents(inputs.rows(), keep=chosen in FLAT)
    budget = options.get("budget_usd")
    given = job_options(Command.RUN, options, "model", "budget_usd", "prompt_cache")
    shared = {name: given[name] for name in ("tenant", "tags", "lane")}
    key = _key(flow, options)
    run_id = run_of(key, shared["tenant"])
    with (
        submitting_session() as here,
        placed(run_id, here, options) as stored,
        Homa(settings=None, local=True, workers=_workers(options["workers"])) as homa,
    ):
        with _paused_by_signals(homa.flow_run(run_id)):
            run = homa.run(
                flow,
                feeding.items(),
                key=key,
                reuse=options.get("cache") is not False,
                budget_usd=None if budget is None else usd_or_null(budget),
                **shared,
            )
            say(f"run {run.id} of flow {flow.name}: {number(len(feeding.lines))} inputs")
            run.resume()
            results = FlowResults(flow, options["output"], options["form"], feeding, stored)
            _write(run, here, flow, results, _failures_allowed(options))
        progress = run.progress()
    for remark in (*inputs.skipped.remarks, *([str(inputs.skipped)] if inputs.skipped.total else [])):
        say(remark)
    _tell(run.id, progress, feeding.lines, results.good, options)


@contextmanager
def _paused_by_signals(run: FlowRun) -> Iterator[None]:
    """A signal pauses the run, from the first of its inputs on: workers begin before the last is in the store."""
    with Interruption(at_once=True).listening():
        try:
            yield
        except SignalReceived:
            run.pause("interrupted")
            say(f"run {run.id} is paused: the same command goes on with it, `homa flow cancel {run.id}` ends it")
            raise


def _workers(said: str) -> Any:
    return int(said) if said.isdigit() else said


def _key(flow: Flow, options: Mapping[str, Any]) -> str:
    """One that the same command makes again; another one with --force."""
    output = options["output"]
    place = output if output == STDIN or is_address(output) else str(Path(output).absolute())
    asked = [place, list(options["inputs"]), options["limit"], unique_id() if options["force"] or place == "-" else ""]
    if options["sample"] is not None:
        asked += [options["sample"], options["seed"]]
    told = hashlib.sha256(orjson.dumps(asked) + definition_of(flow)).hexdigest()
    return f"run:{told[:32]}"


def _failures_allowed(options: Mapping[str, Any]) -> MaxFailures | None:
    """Raises InvalidRequest for what is neither a number nor a share."""
    return None if options["max_failures"] is None else MaxFailures.parse(options["max_failures"])


def _write(run: FlowRun, here: Session, flow: Flow, results: FlowResults, allowed: MaxFailures | None) -> None:
    """Writes what becomes of each input, in their order, and behind them the answers for all together.

    Raises:
        Stopped: more inputs have failed than are allowed; the run is paused.
    """
    try:
        for result in run.results():
            results.write(result)
            if allowed is not None and (why := allowed.exceeded(results.failed, results.good + results.failed)):
                _pause(run, why)
        for step in once_of(flow):
            outcome = RunFlows(here.keys, run.id).outcome(step, None)
            results.write_answer(step, here.driver.run(outcome))
        results.close()
    except BaseException:
        results.leave()
        raise


def _pause(run: FlowRun, why: str) -> None:
    if run.progress().complete:
        return
    run.pause(why)
    say(f"{why}: run {run.id} is paused; the same command with a higher --max-failures goes on with it, or without it")
    raise Stopped(STUCK)


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
