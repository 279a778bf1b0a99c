"""Which models keep the beginning of a prompt for the next one, from how many tokens on, and what keeping it costs.

Only providers that are told something are listed: where to put a breakpoint, or which requests belong together. Gemini
keeps prefixes by itself and needs no word; what it saves is counted all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homa_shared.model.targets import Target
    from homa_shared.settings.fleet import Fleet


@dataclass(frozen=True, slots=True)
class PromptCaching:
    """What a model's prompt cache asks for."""

    #: Shorter prefixes are not kept. Marking one all the same does no harm.
    least_tokens: int = 1024
    #: Whether writing to it costs more than plain input.
    writes_cost: bool = True


#: Least tokens of Claude models: platform.claude.com/docs/en/build-with-claude/prompt-caching.
_CLAUDE_4096 = re.compile(r"claude-(?:haiku-4-5|opus-4-[56])")
_CLAUDE_2048 = re.compile(r"claude-3(?:-5)?-haiku")
#: Claude models of Bedrock that refuse a cache point; all later ones take it, as Nova does, and no other model.
#: docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
_BEDROCK = re.compile(
    r"(?:^|[./])(?:anthropic\.claude-(?!v\d|instant|3-(?:haiku|sonnet|opus)|3-5-sonnet)"
    r"|amazon\.nova-(?!canvas|reel|sonic|\d+-sonic|embed))"
)
#: Models of OpenAI that charge for writes, and take breakpoints: GPT-5.6 and later.
#: developers.openai.com/api/docs/guides/prompt-caching
_OPENAI_BREAKPOINTS = re.compile(r"^(?:ft:)?gpt-(?:5\.(?:[6-9]|\d\d)|[6-9]|\d\d)")


def takes_cache_points(model: str) -> bool:
    """Whether a model of Bedrock is known to take a cache point; all others refuse the request for it."""
    return _BEDROCK.search(model) is not None


def takes_breakpoints(model: str) -> bool:
    """Whether a model of OpenAI's takes breakpoints, and charges for what it writes."""
    return _OPENAI_BREAKPOINTS.search(model) is not None


def caching_of(kind: str, model: str) -> PromptCaching | None:
    """The prompt cache of a model at a kind of provider; None where nothing is to be said to it."""
    match kind:
        case "anthropic":
            return PromptCaching(_claude_tokens(model))
        case "bedrock":
            return PromptCaching(_claude_tokens(model)) if takes_cache_points(model) else None
        case "openai" | "azure":
            return PromptCaching(writes_cost=takes_breakpoints(model))
    return None


def caching_at(fleet: Fleet, target: Target) -> PromptCaching | None:
    """The prompt cache of a target, by what is known of its model and what the fleet's settings say."""
    provider = fleet.providers.get(target.provider)
    if provider is None or not fleet.prompt_cache:
        return None
    said = _said(fleet, target)
    if said is False:
        return None
    known = caching_of(provider.kind, target.model)
    return PromptCaching() if known is None and said else known


def _said(fleet: Fleet, target: Target) -> bool | None:
    wanted = str(target).lower()
    for alias in fleet.models.values():
        if alias.prompt_cache is not None and any(serving.lower() == wanted for serving in alias.targets):
            return alias.prompt_cache
    return None


def _claude_tokens(model: str) -> int:
    if _CLAUDE_4096.search(model):
        return 4096
    return 2048 if _CLAUDE_2048.search(model) else 1024
