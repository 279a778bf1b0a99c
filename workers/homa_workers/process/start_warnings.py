"""What a worker says at its start of the accounts that it serves: too new an SDK, models that end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from homa_shared.capabilities.model_ends import endings
from homa_shared.kinds.registry import profile_of
from homa_shared.kinds.retirement import SOON_DAYS
from homa_shared.kinds.sdk_versions import remedy, too_new
from homa_shared.settings.model import Settings


def start_warnings(settings: Settings, providers: Sequence[str]) -> Iterator[str]:
    """Sentences for people.

    Args:
        providers: accounts that are served.
    """
    for kind in sorted({settings.providers[name].kind for name in providers}):
        profile = profile_of(kind)
        found = too_new(profile)
        if found is not None:
            yield f"{found}: {remedy(profile)}"
    for ending in endings(settings.fleet(), (), SOON_DAYS):
        if ending.target.provider in providers:
            yield f"{ending}, named by {', '.join(ending.named_by)}: {ending.what_follows}"
