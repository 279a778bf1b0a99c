"""The provider's bill: what was charged, to the nano-dollar, whether or not the caller ever saw a reply."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from homa_shared.calls.reply import Usage


@dataclass(frozen=True, slots=True)
class Charge:
    """One request on the bill."""

    request_id: str
    account: str
    model: str
    #: What the caller wrote onto the request: header x-homa-attempt, metadata or user, else `[[mark:…]]` in its prompt.
    marker: str
    #: Seconds since the epoch.
    time_s: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    #: None where the model has no price.
    nano_usd: int | None
    #: The fault that the reply met, `ok` where none.
    fault: str


@dataclass(slots=True)
class Line:
    """All charges of one account and model."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    nano_usd: int = 0
    #: Requests of a model without a price: they are in the counts, not in nano_usd.
    unpriced_requests: int = 0

    def add(self, usage: Usage, nano_usd: int | None) -> None:
        self.requests += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        self.cache_write_tokens += usage.cache_write_tokens
        if nano_usd is None:
            self.unpriced_requests += 1
        else:
            self.nano_usd += nano_usd


class Bill:
    """Sums by account and model, and the last charges one by one.

    Args:
        charges_kept: how many charges to keep; older ones stay in the sums only.
    """

    def __init__(self, charges_kept: int) -> None:
        self._kept = charges_kept
        self.reset()

    def reset(self) -> None:
        self._lines: dict[tuple[str, str], Line] = {}
        self._total = Line()
        # A tuple each: a benchmark writes a hundred thousand of them.
        self._charges: deque[tuple[Any, ...]] = deque(maxlen=self._kept)

    def charge(
        self,
        account: str,
        model: str,
        usage: Usage,
        nano_usd: int | None,
        *,
        request_id: str,
        marker: str,
        time_s: float,
        fault: str,
    ) -> None:
        line = self._lines.get((account, model))
        if line is None:
            line = self._lines[account, model] = Line()
        line.add(usage, nano_usd)
        self._total.add(usage, nano_usd)
        self._charges.append((request_id, account, model, marker, time_s, usage, nano_usd, fault))

    @property
    def total(self) -> Line:
        return self._total

    def charges(self) -> list[Charge]:
        """The charges kept, oldest first."""
        return [
            Charge(
                request_id,
                account,
                model,
                marker,
                time_s,
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_tokens,
                usage.cache_write_tokens,
                nano_usd,
                fault,
            )
            for request_id, account, model, marker, time_s, usage, nano_usd, fault in self._charges
        ]

    def as_json(self) -> dict[str, Any]:
        """Accounts and their models with sums, and the total."""
        accounts: dict[str, Any] = {}
        for (account, model), line in self._lines.items():
            entry = accounts.setdefault(account, {"models": {}, **asdict(Line())})
            entry["models"][model] = asdict(line)
            for name, value in asdict(line).items():
                entry[name] += value
        return {"accounts": accounts, "total": asdict(self._total)}

    def charges_as_json(self) -> dict[str, Any]:
        charges = [asdict(charge) for charge in self.charges()]
        return {"count": self._total.requests, "kept": len(charges), "charges": charges}
