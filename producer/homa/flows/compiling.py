"""A flow as a run of it stands in the store: the graph that scripts go by, and a request and record for each step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import orjson

from homa.flows.checks import items_of
from homa.flows.flow import Flow
from homa.flows.steps import ASKING, UNCALLED, Step
from homa.submit.affordability import check_affordable
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.messages import build_messages
from homa.submit.options import check_options
from homa.submit.response_format import response_format
from homa.submit.template import Template
from homa_shared.calls.encoded_request import ruled
from homa_shared.calls.flow_rules import AnswerRules, Judge
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import Lane
from homa_shared.model.tokens import NO_TOKENS
from homa_shared.store.transitions.flows import FlowStep
from homa_shared.store.transitions.submit import Entry

#: Of the keys under which answers are kept: another one where the same words would come to mean another prompt.
_KEY_VERSION = 1
#: Most tokens that a judge may write: a verdict, and what it thinks before.
VERDICT_TOKENS = 2000
#: Text by which is reckoned what a byte of an answer in a prompt takes.
_SAMPLE = "What a model has said before stands in the prompt of the next step, in sentences such as this one. " * 100


@dataclass(frozen=True, slots=True)
class Compiled:
    """A flow, ready to be opened."""

    graph: bytes
    steps: Sequence[FlowStep]
    #: As JSON, for whoever looks at a run.
    definition: bytes
    #: Every target whose plan the store needs.
    targets: Sequence[str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.definition).hexdigest()


def check_has_steps(flow: Flow) -> None:
    """Raises InvalidRequest for a flow that does nothing."""
    if not flow.results:
        raise InvalidRequest(f"flow {flow.name} has no step: expected one at least, such as flow.map(prompt=…)")


def definition_of(flow: Flow) -> bytes:
    """What defines a flow, as JSON: two that say the same are the same."""
    steps = [_said(step) for step in flow.steps]
    return orjson.dumps({"name": flow.name, "steps": steps}, option=orjson.OPT_SORT_KEYS)


def compiled(
    flow: Flow, view: FleetView, run: str, shared: Mapping[str, Any], cap: int | None, *, reuse: bool = True
) -> Compiled:
    """A flow as the store is told it.

    Args:
        run: its id.
        shared: options of all its jobs: tenant, tags, lane.
        cap: most that the whole may cost, nano-dollars.
        reuse: whether answers of equal nodes are taken, of this run and of others.

    Raises:
        UnknownModel: a step's model is neither a target nor an alias.
        InvalidRequest, BudgetExceeded: a step cannot be done.
    """
    check_has_steps(flow)
    made = [
        _Made.of(step, flow, _filters_of(step, flow), view, run, shared, cap)
        for step in flow.steps
        if step.kind in ASKING
    ]
    by_name = {each.step.name: each for each in made}
    graph = {step.name: _node(step, flow, by_name.get(step.name), reuse=reuse) for step in flow.steps}
    targets = dict.fromkeys(target for each in made for target in each.targets)
    return Compiled(orjson.dumps(graph), [each.stored for each in made], definition_of(flow), list(targets))


@dataclass(frozen=True, slots=True)
class _Made:
    """A step's jobs as the store makes them."""

    step: Step
    stored: FlowStep
    targets: Sequence[str]
    #: What a byte of an answer in its prompt adds to a call's bound (nano-dollars) and to its estimated tokens.
    nano: float
    tokens: float
    #: Digest of all that makes its answers what they are, but for what its prompt is filled with.
    key: str

    @classmethod
    def of(
        cls,
        step: Step,
        flow: Flow,
        filters: Mapping[str, Mapping[str, Any]],
        view: FleetView,
        run: str,
        shared: Mapping[str, Any],
        cap: int | None,
    ) -> _Made:
        options = check_options(asked_of(step, flow, shared))
        judge = _judge_of(step, view, shared)
        rules = AnswerRules(step.rule, len(step.escalate), step.code, filters, step.wait, step.splits, judge)
        least = rules.least_version
        options = replace(options, request={**options.request, "flow": True, "least_version": least})
        whole = Template(view, options, run)
        short, long = _prepared(step, ""), _prepared(step, _SAMPLE)
        template, skipped = whole.fit(short)
        if cap is not None:
            template.check_bounded(short, in_batch=True)
        base = template.entry("-", short, skipped=skipped)
        check_affordable(template, base.bound, cap)
        if step.kind in UNCALLED:
            # Nothing is called: it takes its turn in the queue, and neither tokens nor money.
            base = replace(base, bound=0, tokens=NO_TOKENS)
        record = orjson.loads(template.common.encode()) | orjson.loads(base.encode())
        nano, tokens = (
            _rates(base, template.entry("-", long, skipped=skipped)) if step.kind not in UNCALLED else (0.0, 0.0)
        )
        request = ruled(base.request, rules) if rules else base.request
        stored = FlowStep(step.name, orjson.dumps({k: str(v) for k, v in record.items()}), request)
        targets = template.targets if judge is None else [*template.targets, judge.target]
        return cls(step, stored, targets, nano, tokens, _key(step, options.tenant, template, short, rules))


def asked_of(step: Step, flow: Flow, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a step's jobs, as `submit` takes them; escalations stand at the end of the chain."""
    model = {"model": step.options.get("model") or first_model(flow)}
    chain = {**model, "fallbacks": [*(step.options.get("fallbacks") or ()), *step.escalate]}
    return {"lane": Lane.BULK, **shared, **step.options, **chain, "schema": step.schema}


def _judge_of(step: Step, view: FleetView, shared: Mapping[str, Any]) -> Judge | None:
    """Who grades a step's answers.

    Raises:
        UnknownModel: its model is neither a target nor an alias.
        InvalidRequest: it stands for several targets.
    """
    if not step.judge:
        return None
    template = Template(view, check_options({"model": step.judge, "max_tokens": VERDICT_TOKENS, **shared}))
    first = template.targets[0]
    if ":" not in first:
        raise InvalidRequest(
            f"step {step.name}: judge is {step.judge!r}, which stands for a pool: expected provider:model"
        )
    return Judge(first, step.rubric, VERDICT_TOKENS)


def _key(step: Step, tenant: str, template: Template, prompt: Prepared, rules: AnswerRules) -> str:
    told = [_KEY_VERSION, tenant, step.kind, step.code_version, template.targets, template.params, template.options.api]
    told += [template.options.steps.encode().decode(), prompt.json.decode(), rules.encode().decode()]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def first_model(flow: Flow) -> str:
    """The model of a flow's first step that has one: what its code steps run beside.

    Raises:
        InvalidRequest: none has.
    """
    for step in flow.steps:
        if model := step.options.get("model"):
            return str(model)
    raise InvalidRequest(f"no step of flow {flow.name} has a model: say on= whose workers its code runs")


def _filters_of(step: Step, flow: Flow) -> dict[str, Mapping[str, Any]]:
    """Filters that the answers of a step are held against, whatever stands between."""
    return {
        each.name: each.rule or {}
        for each in flow.steps
        if each.kind == "filter" and any(base is step for base in each.bases)
    }


def _prepared(step: Step, more: str) -> Prepared:
    return Prepared.of(build_messages(step.prompt + more, None, step.system))


def _rates(short: Entry, long: Entry) -> tuple[float, float]:
    size = len(_SAMPLE)
    nano = 0.0 if short.bound is None or long.bound is None else ceil((long.bound - short.bound) / size * 1000) / 1000
    return nano, round((long.tokens.input - short.tokens.input) / size, 6)


def _node(step: Step, flow: Flow, made: _Made | None, *, reuse: bool) -> dict[str, Any]:
    behind = [each for each in flow.steps if any(parent is step for parent in each.follows)]
    if step.kind == "source":
        # Whoever puts an input in puts its parts in.
        behind = [each for each in behind if each.kind != "source"]
    said: dict[str, Any] = {
        "kind": step.kind,
        "from": [parent.name for parent in step.follows],
        "to": [each.name for each in behind],
    }
    if step.kind == "source":
        ended_by = [each.name for each in flow.steps if each.kind == "reduce" and items_of(each.follows[0]) is step]
        by = {"by": step.follows[0].name} if step.follows and step.follows[0].splits else {}
        return {**said, "closed_by": ended_by, **by}
    if made is not None:
        # A step that makes parts is done for each run: its reply has none of them.
        key = {"key": made.key} if reuse and not step.splits else {}
        said |= {"nano": made.nano, "tokens": made.tokens, **key}
    if step.kind == "reduce":
        over = items_of(step.follows[0])
        said |= {"width": step.width, "on_failure": step.on_failure, "over": over.name if over else ""}
    return said


def _said(step: Step) -> dict[str, Any]:
    """What defines a step, as JSON."""
    said: dict[str, Any] = {"name": step.name, "kind": step.kind, "follows": [each.name for each in step.follows]}
    if step.over is not None:
        said["over"] = step.over.name
    for name in (
        "prompt",
        "system",
        "width",
        "parts",
        "code",
        "code_version",
        "splits",
        "unit",
        "tokens",
        "overlap",
        "judge",
        "rubric",
    ):
        if value := getattr(step, name):
            said[name] = value
    if step.kind == "reduce":
        said["on_failure"] = step.on_failure
    if step.rule is not None:
        said["rule"] = step.rule
    if step.escalate:
        said["escalate"] = list(step.escalate)
    if step.wait is not None:
        said["wait"] = step.wait.encode()
    if step.schema is not None:
        said["schema"] = response_format(step.schema)["json_schema"]["schema"]
    if step.kind in ASKING:
        said["options"] = _plain(step.options)
    return said


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON; what JSON cannot tell by its own words."""
    return {name: value if _is_json(value) else str(value) for name, value in options.items() if value is not None}


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True
