"""Orders that a test writes into its prompt's last user message.

```
[[fault:500]]            this fault, each time          [[fault:500*2]]   the first two times that this prompt comes
[[fault:429@openai]]     only at this account (or model)
[[tool:NAME {"a": 1}]]   call this tool; without JSON the arguments fit the tool's schema
[[say:TEXT]]             answer exactly this            [[refuse]]        a refusal, billed
[[context]]              the context is too long        [[tokens:N]]      answer with N tokens
[[latency:MS]]           take this long                 [[think:N]]       think for N tokens first, unseen
[[search:N]]             search the web N times,        [[accent:NAME]]   imitate OpenAI loosely (accents.py)
                         where that is offered
[[mark:TEXT]]            what the bill shows of it
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from homa_workers.simulator.accents import accent_of
from homa_workers.simulator.faults import Fault, fault_named
from homa_workers.simulator.wire import ToolCall, compact_json, invalid

_FAULT = re.compile(r"\[\[fault:(\w+)(?:\*(\d+))?(?:@([^\]]+))?\]\]")
_TOOL = re.compile(r"\[\[tool:([\w.-]+)\s*(.*?)\]\](?!\])", re.DOTALL)
_SAY = re.compile(r"\[\[say:(.*?)\]\](?!\])", re.DOTALL)
_MARK = re.compile(r"\[\[mark:(.*?)\]\](?!\])", re.DOTALL)
_TOKENS = re.compile(r"\[\[tokens:(\d+)\]\]")
_THINK = re.compile(r"\[\[think:(\d+)\]\]")
_SEARCH = re.compile(r"\[\[search:(\d+)\]\]")
_LATENCY = re.compile(r"\[\[latency:(\d+)\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOrder:
    fault: Fault
    #: How many times; None: always.
    times: int | None
    #: Account or model that it is for; empty: all.
    only_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a prompt asks of the simulator itself."""

    faults: tuple[FaultOrder, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    say: str | None = None
    refuse: bool = False
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    latency_ms: float | None = None
    #: How the answer's words, and OpenAI's wire, differ from OpenAI's own.
    accent: str = ""
    searches: int = 0
    #: What the bill shows of the call, where its request says nothing for it.
    mark: str = ""


NO_ORDERS = Orders()


def read_orders(text: str) -> Orders:
    """The orders in a text.

    Raises:
        Failure: of kind INVALID, where a fault is unknown or a tool's arguments are not a JSON object.
    """
    if "[[" not in text:
        return NO_ORDERS
    say, tokens, latency = _SAY.search(text), _TOKENS.search(text), _LATENCY.search(text)
    think = _THINK.search(text)
    search = _SEARCH.search(text)
    mark = _MARK.search(text)
    faults = tuple(_fault_order(match) for match in _FAULT.finditer(text))
    if "[[context]]" in text:
        faults += (FaultOrder(fault=Fault.CONTEXT, times=None, only_at=""),)
    return Orders(
        faults=faults,
        tools=tuple(ToolCall(name=m[1], arguments=_arguments(m[1], m[2])) for m in _TOOL.finditer(text)),
        say=say[1] if say else None,
        refuse="[[refuse]]" in text,
        output_tokens=int(tokens[1]) if tokens else None,
        reasoning_tokens=int(think[1]) if think else None,
        latency_ms=float(latency[1]) if latency else None,
        accent=accent_of(text),
        searches=int(search[1]) if search else 0,
        mark=mark[1] if mark else "",
    )


def _fault_order(match: re.Match[str]) -> FaultOrder:
    name, times, only_at = match.groups()
    try:
        fault = fault_named(name)
    except Exception as error:
        raise invalid(f"in marker {match[0]}: {error}") from None
    return FaultOrder(fault=fault, times=int(times) if times else None, only_at=only_at or "")


def _arguments(name: str, text: str) -> str:
    if not text.strip():
        return ""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid(f"in marker [[tool:{name} …]]: {text!r} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid(f"in marker [[tool:{name} …]]: {text!r} is not a JSON object")
    return compact_json(value)
