"""`homa run --flow --dry-run`: calls, tokens and cost of each step, without a call and without a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import click
import orjson

from homa.cli.context import submitting_session, visible
from homa.cli.documents.work import FlowDryRunDocument, FlowStepCostDocument
from homa.cli.job_flags import job_options
from homa.cli.output import dollars, number, print_table, usd_or_null
from homa.client.flows.documents import Documents
from homa.client.flows.estimates import FlowEstimate, StepEstimate
from homa.client.flows.estimating import FlowEstimating
from homa.files import Skipped
from homa.flows.flow import Flow
from homa.runs.inputs import RunInputs
from homa.runs.progress import duration
from homa.submit.option_row import Command

_HEADERS = ("STEP", "DOES", "CALLS", "TOKENS IN", "TOKENS OUT", "ABOUT", "AT MOST")
#: What stands where nobody knows.
_UNKNOWN = "?"


def flow_dry_run(flow: Flow, inputs: RunInputs, options: Mapping[str, Any]) -> None:
    """Tells what a run of a flow over some inputs would take."""
    given = job_options(Command.RUN, options, "model", "budget_usd", "prompt_cache")
    asked = {name: given[name] for name in ("tenant", "tags", "lane") if given[name] is not None}
    budget = usd_or_null(options["budget_usd"])
    documents = Documents(inputs.rows())
    with submitting_session(start=False) as here:
        made = FlowEstimating(flow, here.view(), {**asked, **({} if budget is None else {"budget_usd": budget})})
        for each in documents.items():
            made.add(each)
        found = made.estimate(documents)
    if options["as_json"]:
        click.echo(orjson.dumps(_document(found, inputs.skipped)))
        return
    _print(found, budget)
    skipped = inputs.skipped
    for line in (*skipped.remarks, *made.items.skipped.remarks, *([str(skipped)] if skipped.total else [])):
        click.echo(line)


def _document(found: FlowEstimate, skipped: Skipped) -> FlowDryRunDocument:
    return {
        "flow": found.flow,
        "inputs": found.inputs,
        "bad_inputs": found.bad_inputs,
        "skipped": dict(skipped.counts),
        "steps": {name: _step_document(step) for name, step in found.steps.items()},
        "calls": found.calls,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "expected_usd": usd_or_null(found.expected_usd),
        "most_usd": usd_or_null(found.most_usd),
        "seconds_at_limits": None if found.seconds_at_limits is None else round(found.seconds_at_limits, 1),
        "unknown": found.unknown,
    }


def _step_document(step: StepEstimate) -> FlowStepCostDocument:
    return {
        "kind": step.kind,
        "times": step.times,
        "calls": step.calls,
        "verdicts": step.verdicts,
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
        "expected_usd": usd_or_null(step.expected_usd),
        "most_usd": usd_or_null(step.most_usd),
        "at_most": step.at_most,
        "unpriced": list(step.unpriced_targets),
        "unknown": list(step.unknown),
        "first_messages": step.first_messages,
    }


def _print(found: FlowEstimate, budget: str | None) -> None:
    shown = next(((name, step.first_messages) for name, step in found.steps.items() if step.first_messages), None)
    if shown is not None:
        click.echo(f"First prompt of {shown[0]}:\n")
        for message in shown[1]:
            click.echo(f"[{message['role']}]\n{visible(message['content'])}\n")
    bad = f", {number(found.bad_inputs)} of them bad (the first: {found.first_bad})" if found.bad_inputs else ""
    click.echo(f"{found.flow}: {number(found.inputs)} inputs{bad}")
    print_table(_HEADERS, map(_row, found.steps.items()), right=set(_HEADERS[2:]))
    click.echo("\n".join(_facts(found, budget)))


def _row(named: tuple[str, StepEstimate]) -> tuple[str, ...]:
    name, step = named
    calls = _UNKNOWN if step.times is None else _often(step)
    if step.calls == 0 and not step.verdicts:
        return (name, step.kind, calls, "", "", "", "")
    tokens = (_UNKNOWN if each is None else number(each) for each in (step.input_tokens, step.output_tokens))
    none = "unpriced" if step.unpriced_targets else _UNKNOWN
    money = (none if each is None else dollars(each) for each in (step.expected_usd, step.most_usd))
    return (name, step.kind, calls, *tokens, *money)


def _often(step: StepEstimate) -> str:
    judged = f" + {number(step.verdicts)} verdicts" if step.verdicts else ""
    return f"{'≤ ' if step.at_most else ''}{number(step.times)}{judged}"


def _facts(found: FlowEstimate, budget: str | None) -> Iterator[str]:
    tokens = f"{number(found.input_tokens)} tokens in, {number(found.output_tokens)} out"
    yield f"{number(found.calls)} calls, about {tokens}"
    yield f"cost: {_cost(found)}"
    if any(step.at_most for step in found.steps.values()):
        yield "counted as if every answer passed every filter"
    yield from found.unknown
    if budget is not None:
        yield f"budget: ${budget}"
    if found.seconds_at_limits is None:
        yield "time: no limit is configured; the rate is found as it goes"
    else:
        yield f"time: at least {duration(found.seconds_at_limits)} at the configured limits"


def _cost(found: FlowEstimate) -> str:
    expected, most = found.expected_usd, found.most_usd
    if expected is not None and most is not None:
        return f"about {dollars(expected)}, at most {dollars(most)} (one call each, answers of full length)"
    unpriced = dict.fromkeys(name for step in found.steps.values() for name in step.unpriced_targets)
    if unpriced:
        return f"unpriced, since no price is known for {', '.join(unpriced)}"
    known = sum((step.expected_usd or Decimal() for step in found.steps.values()), Decimal())
    return f"about {dollars(known)}, and what is not known"
