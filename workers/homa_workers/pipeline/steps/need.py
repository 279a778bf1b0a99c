"""What a call takes that says more than its job's client knew."""

from __future__ import annotations

from homa_shared.calls.reply import Call
from homa_shared.calls.request import Option
from homa_shared.model.errors import InvalidRequest
from homa_shared.quota.need_calculator import NeedCalculator
from homa_shared.quota.prompt import Prompt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.outcomes.halting import refused


def need_of_call(book: FleetBook, target: str, call: Call) -> Option | None:
    """What a call to a target takes; None where the settings no longer know its provider.

    Raises:
        Halted: nobody can say, as where middleware made its parameters unreadable.
    """
    plan = book.plan(target)
    if plan is None:
        return None
    try:
        calculator = NeedCalculator(book.prices, call.params, call.api)
        return calculator.chat(plan, Prompt.of_sent(call.messages), book.factor(target), book.answer_tokens(target))
    except (InvalidRequest, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Nothing is in flight: an attempt that ended as a defect would leave its bound unresolved.
        raise refused(f"what its next call takes cannot be calculated: {type(error).__name__}: {error}") from error
