"""A step of a flow, and what the prompts of those behind it may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["source", "map", "reduce"]
#: What a reduce's prompt may name.
GATHERED = ("items", "missing")
#: The name of what a run is given.
INPUTS = "inputs"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step, of a flow that made it."""

    name: str
    kind: Kind
    #: Steps that it follows.
    follows: tuple[Step, ...] = ()
    #: The source whose items it is done for, each once; None: once, for all inputs together.
    over: Step | None = None
    prompt: str = ""
    system: str | None = None
    #: Type or JSON schema of its answers.
    schema: Any = None
    #: Of `Homa.submit`, model among them.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Most answers that one call of a reduce is given.
    width: int = 0
    #: What a reduce does without an answer that failed: skip it, or fail.
    on_failure: str = "skip"
    #: Of a split: the field of an input that has its parts.
    parts: str = ""

    def __repr__(self) -> str:
        return f"<Step {self.name}: {self.kind}>"
