"""Keys of the gateway: their rate is asked for before a job is submitted, and their budget is noted in its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from homa.drivers.effects import Flow, ask
from homa_shared.model.errors import KeyRateExceeded
from homa_shared.store.gateway_keys import GatewayKey
from homa_shared.store.keys import Keys
from homa_shared.store.transitions.gateway_rates import Headroom, admit_key
from homa_shared.store.transitions.submit import Common


def within_rate(keys: Keys, key: GatewayKey | None, tokens: Callable[[], int]) -> Flow[Headroom | None]:
    """Counts a job against the rate of its key.

    Args:
        key: None: nobody's.
        tokens: what a call of the job is expected to take; asked only where the key has a rate of tokens.

    Raises:
        KeyRateExceeded: its key has no room for it now.
    """
    if key is None or not key.has_rate:
        return None
    headroom = yield from ask(admit_key(keys, key, 0 if key.tpm is None else tokens()))
    if headroom.wait_ms:
        bounds = ((key.rpm, "requests"), (key.tpm, "tokens"))
        rate = " and ".join(f"{limit} {what} a minute" for limit, what in bounds if limit is not None)
        message = f"this key may have {rate}: there is room for this request in {headroom.wait_ms / 1000:.3f} s"
        raise KeyRateExceeded(message, headroom)
    return headroom


def on_budget_of(key: GatewayKey | None, common: Common) -> Common:
    """The common fields of jobs that spend the budget of a key, where it has one."""
    if key is None or key.cap_nano_usd is None:
        return common
    return replace(common, gateway_key=key.id)
