"""Jobs that their own budget, or their batch's, could never pay for are refused before anything is sent."""

from __future__ import annotations

from homa.submit.asked import Asked
from homa.submit.template import Template
from homa_shared.calls.openai_apis import NO_PRICE_LISTED
from homa_shared.model.errors import BudgetExceeded, InvalidRequest
from homa_shared.model.money import usd


def check_cost(template: Template, bound: int | None, asked: Asked) -> None:
    """Refuses a job that could cost anything, or more than its budget; raises as `check_affordable`."""
    if bound is None:
        template.check_bounded(asked.prepared)
    check_affordable(template, bound, asked.options.job_budget)


def check_affordable(template: Template, bound: int | None, *budgets: int | None) -> None:
    """Refuses a job whose own budget, or its batch's, can never allow its first call.

    Args:
        template: of the job.
        bound: what one call may cost, nano-dollars; None: nobody knows.
        budgets: nano-dollars; None is no budget.

    Raises:
        BudgetExceeded: one call may cost more than a budget.
        InvalidRequest: nobody knows what it costs.
    """
    target = template.targets[0]
    for budget in budgets:
        if budget is None:
            continue
        if bound is None:
            what, setting = template.no_price(target)
            raise InvalidRequest(
                f"budget_usd is {usd(budget)}, but {what} has no known price: "
                f"set [{setting}] ({NO_PRICE_LISTED}), or leave the budget out"
            )
        if bound > budget:
            raise BudgetExceeded(
                f"budget_usd is {usd(budget)}, but one call of {target} may cost {usd(bound)}: "
                "lower max_tokens, or raise the budget"
            )
