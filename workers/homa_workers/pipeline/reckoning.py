"""What a call takes, reckoned again before it is sent: no call goes out under a bound that it may exceed.

What take reserved was reckoned when the job was submitted. It holds while the call says what the client knew, at the
prices that the client knew; the request names these (`priced`). Two comparisons tell a plain job so. All others are
reckoned again, by the call as it is sent; the store is asked for more only where that is more than was reserved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from homa_shared.calls.prompt_templates import of_tags
from homa_shared.calls.reply import Call
from homa_shared.calls.request import Option
from homa_shared.kinds.output_caps import PLAIN
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.call_parts import most_replies, output_cap, parameter_parts
from homa_shared.quota.need_calculator import NeedCalculator
from homa_shared.quota.parameter_costs import OUTPUT_CAPS, REPLIES
from homa_shared.quota.prompt import Prompt
from homa_shared.quota.unbounded import unbounded_parameter
from homa_shared.store.transitions.attempts import Claim
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.outcomes.halting import refused

#: Why a bound does not hold any more, for people.
OTHER_PRICES = "prices or settings have changed since it was submitted"
#: Parameters that multiply what a call may write: their product is compared.
_COUNTED = frozenset({*OUTPUT_CAPS, *REPLIES})


class Reckoned(NamedTuple):
    """What a call takes, and why that was reckoned again."""

    need: Option
    why: str


def reckoned(book: FleetBook, attempt: RunningAttempt, call: Call, changed: str) -> Reckoned | None:
    """What a call takes; None where what was reserved for it holds.

    Args:
        changed: what has made the call another than the client knew; empty: nothing has.

    Raises:
        Halted: nobody can say.
    """
    claim = attempt.claim
    if changed:
        return need_of_call(book, claim, call, changed)
    # Without a bound no budget can have let it through: there is none to be kept.
    if claim.bound is None or attempt.request.priced == book.price_stamp:
        return None
    found = need_of_call(book, claim, call, OTHER_PRICES)
    if found.need.bound is not None and found.need.bound <= claim.bound:
        return None
    # Quotas are as they were: an estimate that has been learned better since is settled after the reply.
    return found._replace(need=Option(claim.target, found.need.bound, claim.tokens))


def need_of_call(book: FleetBook, claim: Claim, call: Call, why: str = "") -> Reckoned:
    """What a call of a job takes at its target, by present prices.

    Raises:
        Halted: nobody can say, as where middleware made its parameters unreadable.
    """
    target, template = claim.target, of_tags(claim.tags) if claim.tags else ""
    plan = book.plan(target)
    if plan is None:
        raise refused(f"what its call takes cannot be calculated: no provider serves {target} any more")
    try:
        calculator = NeedCalculator(book.prices, call.params, call.api)
        prompt = Prompt.of_sent(call.messages)
        need = calculator.chat(plan, prompt, book.factor(target), book.answer_tokens(target, template))
        unbounded = "" if need.bound is not None else calculator.why_unbounded(plan.target, prompt)
    except (InvalidRequest, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Nothing is in flight: an attempt that ended as a defect would leave its bound unresolved.
        raise refused(f"what its next call takes cannot be calculated: {type(error).__name__}: {error}") from error
    return Reckoned(need, unbounded or why)


def says_more(params: Mapping[str, Any], than: Mapping[str, Any], prices: PriceBook, target: Target) -> bool:
    """Whether parameters may cost more at a target than others that they were made from."""
    if params is than:
        return False
    added = {n: value for n, value in params.items() if n not in than or (than[n] is not value and than[n] != value)}
    if not added:
        return False
    before = (output_cap(than) or PLAIN) * most_replies(than)
    if output_cap(params) * most_replies(params) > before:
        return True
    # As a rule a cap has changed its name, and that is all.
    others = {name: value for name, value in added.items() if name not in _COUNTED}
    if not others:
        return False
    if any(prices.chooses_price(target, name) for name in others) or unbounded_parameter(others):
        return True
    return any(part.text_bytes for part in parameter_parts(others))
