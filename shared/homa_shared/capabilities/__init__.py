"""What targets can do, and what a job needs: why a job cannot go to a target is known before anything is sent.

    features.py      what a job may need, in the words of `capabilities` in the settings
    kinds.py         what each kind of provider offers, and how large media may be, as documented
    models.py        what the names of models tell of them
    needs.py         what a request needs
    media_limits.py  whether its media are taken
    targets.py       what stands in a target's way, by all of these, its context window and its alias

Context windows are those of genai-prices or the settings; `[models.<alias>] capabilities` stands above what is known of
a model. Where nothing is known nothing is refused: the provider then says no itself, and charges nothing for it.
"""

from homa_shared.capabilities.features import SPOKEN, Feature
from homa_shared.capabilities.kinds import KINDS
from homa_shared.capabilities.needs import Needs, needs_of
from homa_shared.capabilities.targets import Capabilities

__all__ = ["KINDS", "SPOKEN", "Capabilities", "Feature", "Needs", "needs_of"]
