"""Races, bursts and dead providers: never over a budget, never a call too many, the ledger is the bill."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns import CAMPAIGNS

SHORT = {campaign.name: campaign.short for campaign in CAMPAIGNS}


@pytest.mark.parametrize("fault", ["bill", "budget-race", "equal-burst", "dead-provider"])
def test_money_is_spent_once_and_within_its_cap(fault: str) -> None:
    outcome = SHORT[fault]()
    assert not outcome.broken
    assert outcome.facts
