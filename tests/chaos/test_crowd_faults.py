"""Huge batches and many tenants: a cancel stops everything at once, nobody waits for a crowd."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns import CAMPAIGNS

SHORT = {campaign.name: campaign.short for campaign in CAMPAIGNS}


@pytest.mark.parametrize("fault", ["cancel", "small-tenant", "tenants"])
def test_crowds_hold_nobody_up(fault: str) -> None:
    outcome = SHORT[fault]()
    assert not outcome.broken
    assert outcome.facts
