"""One action: what it asks before it does something, and what it then does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from homa.gateway.dashboard.visit import Visit


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody is asked before anything is changed."""

    #: `Cancel this job?`
    title: str
    #: What will happen, and what will not.
    what: str
    #: The same from a shell.
    command: str
    #: The button: how many, and at most what it costs.
    go: str
    #: What it is done to, for the audit stream.
    on: str
    #: The page to go back to.
    back: str
    #: Most that it may cost, nano-dollars; None: it costs nothing.
    bound_nano_usd: int | None = None
    dangerous: bool = False
    #: Jobs that it is about, where filters picked them: these are acted on, and none that fits only later.
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done."""

    #: Reckons the question anew each time; raises ApiError or HomaError where it cannot be done.
    ask: Callable[[Visit], Awaitable[Question]]
    #: Does what the question is about; returns what came of it, for people.
    do: Callable[[Visit, Question], Awaitable[str]]
    #: As the audit trail has it, in the past tense; empty where what it does notes itself.
    noted: str = ""
    #: Whether it is about what belongs to all tenants.
    of_fleet: bool = False
