"""What families of models take of a request's parameters, and what is done about the rest.

A parameter that an answer can do without is left out or given another value, and a note says so. What must not change
silently is a lack of the target: it is passed over, and its reason stands in the job's history. A model that no family
describes takes everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

Params = Mapping[str, Any]
#: Whether a rule holds for a request, by the parameters that are to be sent.
When = Callable[[Params], bool]


class Verdict(StrEnum):
    """What becomes of a parameter that a family does not take as it is."""

    #: An answer can do without it.
    DROPPED = "dropped"
    #: It is sent with another value.
    TRANSLATED = "translated"
    #: It is sent as near as the provider takes it: the nearest number, the first entries of a list.
    LIMITED = "limited"
    #: The job is another one without it, so that the target cannot do it.
    REFUSED = "refused"


def always(_: Params) -> bool:
    """Whatever the request asks for."""
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one parameter."""

    name: str
    verdict: Verdict
    when: When = always
    #: Of a translated one: value as given → as sent; None leaves it out. Other values are sent as they are.
    values: Mapping[str, str | None] | None = None
    #: Of a limited one: the least and the largest number; of a list, its most entries.
    least: float = 0
    most: float = 0
    #: Of a translated one: what is sent whatever was given.
    value: object = None
    #: Of one that is left out: under which circumstances, as the end of a sentence.
    while_: str = ""
    #: Of a refused one: what the model lacks.
    lack: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Models that take the same parameters."""

    #: Found in a model's name in lower case, as `re.search` does.
    pattern: str
    rules: tuple[Rule, ...] = ()
    #: Every name that may be given; None: any.
    takes: frozenset[str] | None = None
    #: Names of other makers' parameters, which are left out.
    foreign: frozenset[str] = frozenset()
    #: Whether a conversation may end with the beginning of the answer, which the model goes on from.
    prefill: bool = True
    #: Whether it takes the schema of its answer as a parameter; others are asked in words.
    schema: bool = True
    #: Where else it is served, as the end of a sentence, of one that its kind lists and cannot call.
    elsewhere: str = ""
    #: When only OpenAI's Responses API does what is asked for.
    by_responses: When | None = None
    #: Where it is documented.
    source: str = ""
    #: When that was read last.
    checked: str = "2026-11-29"
    #: Parameters that its rules leave out or give another value.
    ruled: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = frozenset(rule.name for rule in self.rules if rule.verdict is not Verdict.REFUSED)
        object.__setattr__(self, "ruled", names)


#: What is known of a model that no family describes.
ANY = Family("")


def dropped(*names: str, when: When = always, while_: str = "") -> tuple[Rule, ...]:
    """Rules for parameters that an answer can do without."""
    return tuple(Rule(name, Verdict.DROPPED, when, while_=while_) for name in names)


def translated(name: str, values: Mapping[str, str | None]) -> Rule:
    """A rule for a parameter whose values go by others."""
    return Rule(name, Verdict.TRANSLATED, values=MappingProxyType(dict(values)))


def limited(name: str, least: float, most: float) -> Rule:
    """A rule for a number that is taken within a range, or for a list of so many entries at most."""
    return Rule(name, Verdict.LIMITED, least=least, most=most)


def replaced(name: str, value: object, when: When) -> Rule:
    """A rule for a parameter that is sent with one value."""
    return Rule(name, Verdict.TRANSLATED, when, value=value)


def refused(name: str, lack: str, when: When = always) -> Rule:
    """A rule for a parameter without which the job would be another one."""
    return Rule(name, Verdict.REFUSED, when, lack=lack)


@lru_cache(maxsize=1024)
def family_of(families: tuple[Family, ...], model: str) -> Family:
    """The first family that a model belongs to; `ANY` where it belongs to none."""
    name = model.lower()
    return next((family for family in families if re.search(family.pattern, name)), ANY)


def lack(family: Family, model: str, messages: Sequence[Mapping[str, Any]], params: Params) -> str | None:
    """Why a model cannot do a request; None where it can."""
    return refusal(family, model, params) or prefill_lack(family, model, messages)


def refusal(family: Family, model: str, params: Params) -> str | None:
    """What a request's parameters ask for that a model cannot do; None where it can do all of it."""
    if family.elsewhere:
        return f"{model} is served by {family.elsewhere}"
    for rule in family.rules:
        if rule.verdict is Verdict.REFUSED and params.get(rule.name) is not None and rule.when(params):
            return f"{model} {rule.lack}"
    return None


def prefill_lack(family: Family, model: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Says so where a conversation ends with the beginning of an answer that a model does not go on from."""
    if family.prefill or not messages or messages[-1].get("role") != "assistant":
        return None
    return f"{model} takes no conversation that ends with an assistant's message"


def fits(family: Family, params: Params) -> bool:
    """Whether a model surely takes parameters as they are: none is ruled, and all are known."""
    return params.keys().isdisjoint(family.ruled) and _knows_all(family, params)


def fitted(family: Family, model: str, params: Params) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Parameters as a model takes them, and what was changed about them, for people."""
    kept, notes = _taken(family, model, params)
    for rule in family.rules:
        if rule.verdict is Verdict.REFUSED or kept.get(rule.name) is None or not rule.when(kept):
            continue
        if rule.verdict is Verdict.DROPPED:
            del kept[rule.name]
            notes.append(f"{rule.name} left out: {model} does not take it{rule.while_ and ' ' + rule.while_}")
        elif rule.verdict is Verdict.LIMITED:
            notes += _limit(rule, model, kept)
        else:
            notes += _translate(rule, model, kept)
    return kept, tuple(notes)


def _knows_all(family: Family, params: Params) -> bool:
    names = params.keys()
    return (family.takes is None or names <= family.takes) and names.isdisjoint(family.foreign)


def _taken(family: Family, model: str, params: Params) -> tuple[dict[str, Any], list[str]]:
    if _knows_all(family, params):
        return dict(params), []
    kept = {
        name: value
        for name, value in params.items()
        if name not in family.foreign and (family.takes is None or name in family.takes)
    }
    unknown = (name for name, value in params.items() if name not in kept and value is not None)
    return kept, [f"{name} left out: {model} does not take it" for name in unknown]


def _limit(rule: Rule, model: str, kept: dict[str, Any]) -> list[str]:
    given = kept[rule.name]
    if isinstance(given, list | tuple):
        if len(given) <= rule.most:
            return []
        kept[rule.name] = list(given[: int(rule.most)])
        return [f"{rule.name}: {len(given) - int(rule.most)} of {len(given)} left out: {model} takes {rule.most:g}"]
    if isinstance(given, bool) or not isinstance(given, int | float) or rule.least <= given <= rule.most:
        return []
    nearest = rule.least if given < rule.least else rule.most
    kept[rule.name] = int(nearest) if nearest == int(nearest) else nearest
    return [f"{rule.name} {given:g} sent as {nearest:g}: {model} takes {rule.least:g} to {rule.most:g}"]


def _translate(rule: Rule, model: str, kept: dict[str, Any]) -> list[str]:
    given = kept[rule.name]
    if rule.value is not None:
        kept[rule.name] = rule.value
        return [f"{rule.name} {given!r:.80} sent as {rule.value!r}: {model} does not take it"]
    if rule.values is None or not isinstance(given, str) or given not in rule.values:
        return []
    value = rule.values[given]
    if value is None:
        del kept[rule.name]
        return [f"{rule.name} {given!r} left out: {model} does not take it"]
    kept[rule.name] = value
    return [f"{rule.name} {given!r} sent as {value!r}: {model} does not take it"]


# -- circumstances that several families ask for ---------------------------------------------------------------------


def forces_tool(params: Params) -> bool:
    """Whether a tool must be called."""
    match params.get("tool_choice"):
        case "required" | {"type": "function" | "custom" | "tool" | "any"}:
            return True
        case {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}:
            return True
    return False


def asks_for_several(params: Params) -> bool:
    """Whether several answers are asked for at once."""
    return params.get("n") not in (None, 1)


def thinks(params: Params) -> bool:
    """Whether a model that thinks by default thinks."""
    return params.get("reasoning_effort") != "none"


def thinks_if_asked(params: Params) -> bool:
    """Whether a model that does not think by default thinks."""
    return params.get("reasoning_effort") not in (None, "none")
