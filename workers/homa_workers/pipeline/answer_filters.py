"""Which filters of a flow an answer does not pass: found out by the worker that has it, told with the reply."""

from __future__ import annotations

from homa_shared.calls.flow_rules import AnswerRules, as_json
from homa_shared.model.errors import HomaError
from homa_workers.pipeline.steps.schema_check import check, ready


async def dropped_by(rules: AnswerRules, answer: str) -> list[str]:
    """Names of filters that an answer does not pass; one that cannot be held against it lets nothing pass."""
    held, dropped = as_json(answer), []
    for name, rule in rules.filters.items():
        try:
            await check(await ready(rule), held)
        except HomaError:
            dropped.append(name)
    return dropped
