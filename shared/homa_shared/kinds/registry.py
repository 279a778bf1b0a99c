"""Kinds of providers: those that Homa brings, and those that installed packages add by an entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator

#: Third parties add a kind by an entry point of this group: its name is the kind, its object makes the adapter.
ENTRY_POINT_GROUP = "homa.providers"
Builtin = Literal["openai", "azure", "anthropic", "gemini", "ollama", "bedrock", "cohere"]
BUILTIN_KINDS: tuple[str, ...] = get_args(Builtin)


def is_kind(name: str) -> bool:
    """Whether a provider may be of this kind here. What is installed is looked through only for a name of others'."""
    return name in BUILTIN_KINDS or bool(entry_points(group=ENTRY_POINT_GROUP, name=name))


def known_kinds() -> list[str]:
    """Every kind that a provider may have in this environment."""
    others = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)} - {*BUILTIN_KINDS}
    return [*BUILTIN_KINDS, *sorted(others)]


def _known(name: str) -> str:
    if not is_kind(name):
        *most, last = (repr(kind) for kind in known_kinds())
        raise ValueError(f"expected {', '.join(most)} or {last}; a kind of another package needs that package here")
    return name


#: As settings give it. The fleet's settings keep plain text: who reads them need not have the package.
Kind = Annotated[Builtin | str, AfterValidator(_known)]
