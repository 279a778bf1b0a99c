"""A step of a flow, and what the prompts of those behind it may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from homa_shared.calls.flow_rules import Wait

Kind = Literal["source", "map", "reduce", "code", "wait", "filter", "join"]
#: Kinds of steps that have jobs of their own.
ASKING: frozenset[Kind] = frozenset({"map", "reduce", "code", "wait"})
#: Those of them that call no model.
UNCALLED: frozenset[Kind] = frozenset({"code", "wait"})
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
    #: What an answer must fit beside its schema; of a filter, what passes. As a JSON schema.
    rule: Mapping[str, Any] | None = None
    #: Models for answers that do not fit, after the others.
    escalate: Sequence[str] = ()
    #: Of a code step: the function's name, and what tells one version of it from another.
    code: str = ""
    code_version: str = ""
    #: Of a split: the field of an input that has its parts.
    parts: str = ""
    #: Of a split into units: page, section, chunk or document; of a chunk most tokens, and those that it repeats.
    unit: str = ""
    tokens: int = 0
    overlap: int = 0
    #: Of a code step whose results are parts: the split that has them.
    splits: str = ""
    #: Of a step that is answered from outside: how long somebody may take, and what is answered if nobody does.
    wait: Wait | None = None

    @property
    def bases(self) -> tuple[Step, ...]:
        """Steps whose answers are this one's: itself, or those behind which filters and joins stand."""
        if self.kind not in ("filter", "join"):
            return (self,)
        return tuple(dict.fromkeys(base for step in self.follows for base in step.bases))

    def __repr__(self) -> str:
        return f"<Step {self.name}: {self.kind}>"
