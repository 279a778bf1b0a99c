"""What a call takes that says more than its job's client knew."""

from __future__ import annotations

from homa_shared.calls.reply import Call
from homa_shared.calls.request import Option
from homa_shared.quota.need_calculator import NeedCalculator
from homa_shared.quota.prompt import Prompt
from homa_workers.fleet.fleet_cache import FleetBook


def need_of_call(book: FleetBook, target: str, call: Call) -> Option | None:
    """What a call to a target takes; None where the settings no longer know its provider."""
    plan = book.plan(target)
    if plan is None:
        return None
    calculator = NeedCalculator(book.prices, call.params, call.api)
    return calculator.chat(plan, Prompt.of_sent(call.messages), book.factor(target))
