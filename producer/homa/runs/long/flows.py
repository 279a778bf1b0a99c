"""The flows that ask about documents in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from homa.flows.checks import OF_THE_RUN
from homa.flows.flow import Flow
from homa.runs.long.division import FIRST, Division
from homa.runs.long.ways import MAP_REDUCE
from homa.submit.job_options import JobOptions
from homa_shared.calls.prompt_templates import PLACEHOLDER
from homa_shared.model.errors import InvalidRequest

#: Options that all jobs of a flow share, and the one that is its `reuse`.
SHARED, REUSE = ("tenant", "tags", "lane"), "cache"


def check_step_options(way: str, given: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for options of a run that the steps of a flow cannot have."""
    for name in OF_THE_RUN:
        if name != REUSE and given.get(name) is not None:
            flag = name.removesuffix("_s").replace("_", "-")
            raise InvalidRequest(
                f"--{flag} with --long {way}: a document takes several calls, some behind others; leave it out"
            )
    if PLACEHOLDER.search(given.get("system") or ""):
        raise InvalidRequest(
            f"--system has a {{{{name}}}}, which --long {way} would take for a field: expected plain text"
        )


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
