"""What can be made to go wrong, and the drawing of it.

A fault is chosen in this order: a marker in the request's own words (`[[fault:NAME]]`), the script (`POST /control
{"script": [...]}`, consumed in order of arrival), the rates, by a seeded generator of their own. It is chosen only for
requests that the limits admit, so that a script is never eaten up by refusals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import StrEnum
from random import Random

from homa_shared.model.errors import ConfigError
from homa_workers.simulator.wire import FailureKind


class Fault(StrEnum):
    """A fault by its name; the status number of an error is another name of it."""

    OK = "ok"
    # Refused before any work: never billed.
    INVALID = "invalid"
    UNPROCESSABLE = "unprocessable"
    UNSUPPORTED = "unsupported"  # the model lacks a parameter of the request
    CONTEXT = "context"
    CONTENT_FILTER = "content_filter"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    DROP_BEFORE = "drop_before"  # the connection is cut before any work
    # The work is done; a share of them is billed (error_billed_share).
    ERROR = "error"
    BAD_GATEWAY = "bad_gateway"
    GATEWAY_TIMEOUT = "gateway_timeout"
    # The work is done and billed.
    DROP = "drop"  # the connection is cut before the reply
    HANG = "hang"  # never answers, until the client goes away or hang_s is over
    SLOW = "slow"  # the reply is complete but late
    MALFORMED = "malformed"  # 200 with one of the next four
    GARBAGE = "garbage"  # a page of HTML
    EMPTY = "empty"  # {}
    TRUNCATED_JSON = "truncated_json"  # half a reply; its length is stated correctly
    ERROR_BODY = "error_body"  # an error's body under status 200
    CUT = "cut"  # the connection is cut in the middle of the reply
    SILENT_END = "silent_end"  # a stream ends cleanly in the middle, with no last word
    ENDLESS = "endless"  # a reply without an end, until the client goes away
    BOMB = "bomb"  # a third of a gigabyte of zeros, in gzip
    STREAM_ERROR = "stream_error"  # an error event in the middle of a stream


#: What an error fault fails with.
FAILURES: Mapping[Fault, FailureKind] = {
    fault: FailureKind(fault.value) for fault in Fault if fault.value in FailureKind._value2member_map_
}
#: Faults that strike before any work is done: these are never billed.
REFUSALS = (frozenset(FAILURES) | {Fault.DROP_BEFORE}) - {Fault.ERROR, Fault.BAD_GATEWAY, Fault.GATEWAY_TIMEOUT}
#: Faults that strike after the work, of which a share is billed.
ERRORS = frozenset({Fault.ERROR, Fault.BAD_GATEWAY, Fault.GATEWAY_TIMEOUT})
#: What `malformed` chooses from.
MALFORMED = (Fault.GARBAGE, Fault.EMPTY, Fault.TRUNCATED_JSON, Fault.ERROR_BODY)

ALIASES: Mapping[str, Fault] = {
    "200": Fault.OK,
    "400": Fault.INVALID,
    "401": Fault.UNAUTHORIZED,
    "402": Fault.QUOTA,
    "403": Fault.FORBIDDEN,
    "404": Fault.NOT_FOUND,
    "408": Fault.TIMEOUT,
    "409": Fault.CONFLICT,
    "422": Fault.UNPROCESSABLE,
    "429": Fault.RATE_LIMITED,
    "500": Fault.ERROR,
    "502": Fault.BAD_GATEWAY,
    "503": Fault.OVERLOADED,
    "504": Fault.GATEWAY_TIMEOUT,
    "529": Fault.OVERLOADED,
}


def fault_named(name: str) -> Fault:
    """The fault of a name or status number.

    Raises:
        ConfigError: the name is unknown.
    """
    fault = ALIASES.get(name) or Fault._value2member_map_.get(name)
    if not isinstance(fault, Fault):
        names = ", ".join([*Fault, *ALIASES])
        raise ConfigError(f"{name!r} is not a fault; expected one of {names}")
    return fault


#: What errors say that no request gave a reason for.
MESSAGES = {
    FailureKind.INVALID: "Invalid request (simulated).",
    FailureKind.UNSUPPORTED: "temperature is not supported for this model. (simulated)",
    FailureKind.UNPROCESSABLE: "The request was well-formed but could not be followed (simulated).",
    FailureKind.CONTEXT: "prompt is too long: this model's maximum context length is exceeded (simulated).",
    FailureKind.CONTENT_FILTER: "The request was rejected by the safety system (simulated).",
    FailureKind.UNAUTHORIZED: "Incorrect API key provided (simulated).",
    FailureKind.FORBIDDEN: "Your key may not use this resource (simulated).",
    FailureKind.NOT_FOUND: "The model does not exist or you do not have access to it (simulated).",
    FailureKind.TIMEOUT: "Request timed out (simulated).",
    FailureKind.CONFLICT: "The request conflicts with another one (simulated).",
    FailureKind.RATE_LIMITED: "Rate limit reached (simulated).",
    FailureKind.QUOTA: "You exceeded your current quota, please check your plan and billing details (simulated).",
    FailureKind.ERROR: "The server had an error while processing your request (simulated).",
    FailureKind.BAD_GATEWAY: "Bad gateway (simulated).",
    FailureKind.OVERLOADED: "The service is overloaded (simulated).",
    FailureKind.GATEWAY_TIMEOUT: "The upstream timed out (simulated).",
}


class Faults:
    """Draws faults: the script first, then by rate."""

    def __init__(self, seed: int, rates: Mapping[str, float]) -> None:
        self._random = Random(f"faults:{seed}")
        self._script: deque[Fault] = deque()
        self.rates(rates)

    def rates(self, rates: Mapping[str, float]) -> None:
        """Draw by these rates from now on; the generator goes on where it is."""
        self._thresholds: list[tuple[float, Fault]] = []
        total = 0.0
        for name, rate in rates.items():
            if rate > 0:
                total += rate
                self._thresholds.append((total, fault_named(name)))

    def script(self, names: Iterable[str]) -> None:
        """Add to the script.

        Raises:
            ConfigError: a name is unknown; nothing was added.
        """
        self._script.extend([fault_named(str(name)) for name in names])

    def clear_script(self) -> None:
        self._script.clear()

    @property
    def scripted(self) -> list[str]:
        """What is left of the script."""
        return [str(fault) for fault in self._script]

    def draw(self) -> Fault:
        if self._script:
            return self.concrete(self._script.popleft())
        if not self._thresholds:
            return Fault.OK
        point = self._random.random()
        for threshold, fault in self._thresholds:
            if point < threshold:
                return self.concrete(fault)
        return Fault.OK

    def concrete(self, fault: Fault) -> Fault:
        """The fault itself, or one of those that it stands for."""
        return self._random.choice(MALFORMED) if fault is Fault.MALFORMED else fault

    def chance(self, share: float) -> bool:
        return self._random.random() < share
