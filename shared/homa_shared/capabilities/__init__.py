"""What targets can do, and what a job needs: why a job cannot go to a target is known before anything is sent.

    request_needs.py   what a request needs
    media_limits.py    whether its media are taken
    prompt_caching.py  whether a target keeps a prompt's beginning
    catalogue.py       the models that are known by name
    offers.py          what stands in a target's way, by all of these, its context window and its alias

What each kind of provider offers, and what the names of models tell of them, stands in `homa_shared.kinds`.

Context windows are those of genai-prices or the settings; `[models.<alias>] capabilities` stands above what is known of
a model. Where nothing is known nothing is refused: the provider then says no itself, and charges nothing for it.
"""

from homa_shared.capabilities.offers import Capabilities
from homa_shared.capabilities.request_needs import Needs, needs_of
from homa_shared.kinds.features import SPOKEN, Feature

__all__ = ["SPOKEN", "Capabilities", "Feature", "Needs", "needs_of"]
