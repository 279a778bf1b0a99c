"""Names the prices and rules that a bound was reckoned by, so that whoever sends the call sees whether they still hold.

Prices change with the fleet's settings, with genai-prices' release, and with the day (UTC): some begin or end on a
date. The rules of the bound change with Homa's release.
"""

from __future__ import annotations

import time
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from homa_shared.store.versions import release

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet

_SECONDS_OF_DAY = 86_400


def price_stamp(fleet: Fleet) -> str:
    """The stamp of bounds that are reckoned now by a fleet's settings: equal stamps, equal bounds."""
    return f"{fleet.version}/{int(time.time() // _SECONDS_OF_DAY)}/{_releases()}"


@cache
def _releases() -> str:
    return f"{release()}/{version('genai-prices')}"
