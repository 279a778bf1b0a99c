"""What a call takes that says more than its job's client knew."""

from __future__ import annotations

import orjson

from homa_shared.calls.reply import Call
from homa_shared.calls.request import Option
from homa_shared.quota.needs import Asking
from homa_workers.fleet.fleet_cache import FleetBook

#: Output cap that needs are reckoned with where a request has none.
_DEFAULT_MAX_TOKENS = 4096


def need_of_call(book: FleetBook, target: str, call: Call) -> Option | None:
    """What a call to a target takes; None where the settings no longer know its provider."""
    plan = book.plan(target)
    if plan is None:
        return None
    cap = call.params.get("max_completion_tokens") or call.params.get("max_tokens") or _DEFAULT_MAX_TOKENS
    asking = Asking(book.prices, call.params, int(cap), call.api)
    return asking.need(plan, call.messages, len(orjson.dumps(call.messages)))
