"""Whether a target keeps the beginning of a prompt for the next one, by its kind's profile and the fleet's settings.

Only providers that are told something count: where to put a breakpoint, or which requests belong together. Gemini keeps
prefixes by itself and needs no word; what it saves is counted all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from homa_shared.kinds.registry import profile_of

if TYPE_CHECKING:
    from homa_shared.kinds.profile import PromptCaching
    from homa_shared.model.targets import Target
    from homa_shared.settings.fleet import Fleet


def caching_at(fleet: Fleet, target: Target) -> PromptCaching | None:
    """The prompt cache of a target, by what is known of its model and what the fleet's settings say."""
    provider = fleet.providers.get(target.provider)
    if provider is None or not fleet.prompt_cache:
        return None
    said = _said(fleet, target)
    if said is False:
        return None
    known = profile_of(provider.kind).prompt_caching(target.model)
    if known is not None or not said:
        return known
    from homa_shared.kinds.profile import PromptCaching

    return PromptCaching()


def _said(fleet: Fleet, target: Target) -> bool | None:
    wanted = str(target).lower()
    for alias in fleet.models.values():
        if alias.prompt_cache is not None and any(serving.lower() == wanted for serving in alias.targets):
            return alias.prompt_cache
    return None
