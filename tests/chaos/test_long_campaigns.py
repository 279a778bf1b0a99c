"""All campaigns at full length, some minutes each; `make chaos` runs the same ones and prints their table."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns import CAMPAIGNS, Campaign


@pytest.mark.chaos
@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_every_promise_holds_under_fire(campaign: Campaign) -> None:
    assert not campaign.long().broken
