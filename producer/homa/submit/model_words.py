"""What is said once of the models that this process submits to: that they end, or that no table knows them."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from homa.submit.fleet_view import FleetView
from homa_shared.capabilities.model_ends import word
from homa_shared.kinds.retirement import SOON_DAYS

#: What the client tells an application; its level is WARNING, so that it is seen where nothing is configured.
LOG = logging.getLogger("homa")
_told: set[str] = set()


def tell(view: FleetView, targets: Iterable[str]) -> None:
    """Warns of models, each thing once in a process.

    Args:
        targets: as a chain names them, pools among them.
    """
    for target in (member for name in targets for member in view.members(name)):
        said = word(view.fleet, view.prices, target, SOON_DAYS)
        if said is not None and said not in _told:
            _told.add(said)
            LOG.warning("%s", said)
