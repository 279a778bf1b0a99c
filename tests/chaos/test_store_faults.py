"""A store that goes away, loses replies, fails over or is full: nothing is lost, no live call is repeated."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns import CAMPAIGNS

SHORT = {campaign.name: campaign.short for campaign in CAMPAIGNS}


@pytest.mark.parametrize("fault", ["outage-two-leases", "lost-replies", "failover", "full", "settled-together"])
def test_the_store_may_fail(fault: str) -> None:
    outcome = SHORT[fault]()
    assert not outcome.broken
    assert outcome.facts
