"""The flows that ask about documents in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from homa.files.spelling import Spelling
from homa.flows.checks import OF_THE_RUN
from homa.flows.flow import Flow
from homa.runs.long.division import FIRST, Division
from homa.runs.long.ways import MAP_REDUCE, TRUNCATE
from homa.submit.job_options import JobOptions
from homa_shared.calls.prompt_templates import PLACEHOLDER, TAG
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.model.errors import InvalidRequest

#: Options that all jobs of a flow share, and the one that is its `reuse`.
SHARED, REUSE = ("tenant", "tags", "lane"), "cache"


def check_step_options(
    way: str, given: Mapping[str, Any], spelled: Spelling, stored: StoredTemplate | None = None
) -> None:
    """Raises InvalidRequest for options of a run that the steps of a flow cannot have."""
    for name in OF_THE_RUN:
        if name not in (REUSE, "template") and given.get(name) is not None:
            raise InvalidRequest(
                f"{spelled(name)} with {spelled('long', way)}: a document takes several calls, some behind others; "
                "leave it out"
            )
    if stored is not None and stored.system_varies:
        raise InvalidRequest(
            f"{spelled('template', stored.ref)} with {spelled('long', way)}: its system text has variables, and all "
            f"calls of a flow share one; expected a template whose system text has none, or {spelled('long', TRUNCATE)}"
        )
    if PLACEHOLDER.search(given.get("system") or ""):
        raise InvalidRequest(
            f"{spelled('system')} has a {{{{name}}}}, which {spelled('long', way)} would take for a field: expected "
            "plain text"
        )


def step_options(given: Mapping[str, Any], stored: StoredTemplate | None) -> Mapping[str, Any]:
    """Options of a run as its flow has them: a stored template's system text, and the tag of its jobs, by themselves.

    Args:
        given: options of the run's jobs.
    """
    if stored is None:
        return given
    said = {name: value for name, value in given.items() if name != "template"}
    system = {} if stored.system is None else {"system": stored.system}
    return {**said, **system, "tags": {**given.get("tags", {}), TAG: stored.ref}}


def flow_of(division: Division, given: Mapping[str, Any], parts: int) -> Flow:
    """The flow of documents of so many parts; with MAP_REDUCE it is the same for any number.

    Args:
        given: options of the run's jobs, model among them.
    """
    said = {name: value for name, value in given.items() if name not in (*SHARED, REUSE, "model", "schema")}
    options = cast(JobOptions, {**said, "max_tokens": division.room.cap})
    model, schema = given["model"], given.get("schema")
    if division.way == MAP_REDUCE:
        flow = Flow("map_reduce")
        each = flow.map(flow.split("parts"), prompt="{{prompt}}", model=model, schema=schema, name="part", **options)
        flow.reduce(
            each,
            prompt=division.together,
            model=model,
            schema=schema,
            name="whole",
            fan_in=division.width,
            on_failure="fail",
            **options,
        )
        return flow
    flow = Flow(f"refine_{parts}")
    step = flow.map(prompt=f"{{{{{FIRST}}}}}", model=model, schema=schema, name="part1", **options)
    for number in range(2, parts + 1):
        step = flow.map(
            [step, flow.inputs],
            prompt=division.next_prompt(number),
            model=model,
            schema=schema,
            name=f"part{number}",
            **options,
        )
    return flow
