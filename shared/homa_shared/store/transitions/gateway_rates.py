"""Rates of the gateway's keys: counted in the store, so that all gateways share them."""

from __future__ import annotations

from dataclasses import dataclass

from homa_shared.store.gateway_keys import GatewayKey
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a minute's requests or tokens."""

    limit: int
    left: int
    #: Until all of it is there again, ms.
    reset_ms: int


@dataclass(frozen=True, slots=True)
class Headroom:
    """What the rate of a key leaves to it."""

    #: Until there is room for the request that was asked about; 0: it was counted.
    wait_ms: int
    #: When that was, by the store's clock.
    at_ms: int
    #: Tokens that were counted for it.
    tokens_counted: int
    #: None: no bound.
    requests: Allowance | None
    tokens: Allowance | None


def admit_key(keys: Keys, key: GatewayKey, tokens: int) -> Op[Headroom]:
    """Counts a request, where its key has room for it.

    Args:
        tokens: that it is expected to take.
    """

    def parse(reply: list[int]) -> Headroom:
        wait_ms, now_ms, counted, requests, requests_ms, left, left_ms = map(int, reply)
        return Headroom(
            wait_ms,
            now_ms,
            counted,
            None if key.rpm is None else Allowance(key.rpm, requests, requests_ms),
            None if key.tpm is None else Allowance(key.tpm, left, left_ms),
        )

    return call(keys, "admit_key", (key.id, key.rpm or 0, key.tpm or 0, tokens), parse)


def settle_key(keys: Keys, key: GatewayKey, counted: Headroom, taken: int) -> Op[None]:
    """Replaces the tokens that were counted for a request by those that it took."""
    args = (key.id, key.tpm or 1, counted.tokens_counted, taken, counted.at_ms)
    return call(keys, "settle_key", args, lambda _: None)
