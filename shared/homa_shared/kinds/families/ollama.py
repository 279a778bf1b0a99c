"""Models that Ollama runs: its server reads few parameters, and says nothing of those that it does not read."""

from __future__ import annotations

from homa_shared.kinds.families import makers
from homa_shared.kinds.parameter_rules import Family, asks_for_several, forces_tool, refused

_SOURCE = "github.com/ollama/ollama, openai/openai.go: ChatCompletionRequest"

#: All of them.
OTHERS = Family(
    "",
    (
        *makers.LEGACY,
        refused("n", "gives one answer a call", asks_for_several),
        refused("tool_choice", "cannot be made to call a tool (tool_choice)", forces_tool),
    ),
    foreign=makers.OPENAI
    | makers.ANTHROPIC
    | makers.GOOGLE
    | makers.AMAZON
    | makers.MISTRAL
    | frozenset("metadata parallel_tool_calls prompt_cache_key safety_identifier service_tier store user".split()),
    source=_SOURCE,
)
