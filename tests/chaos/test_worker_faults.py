"""Workers killed, frozen, poisoned or wrong about the time: nothing is lost, nothing is paid unseen."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns import CAMPAIGNS

SHORT = {campaign.name: campaign.short for campaign in CAMPAIGNS}


@pytest.mark.parametrize("fault", ["kills", "frozen", "lethal", "clocks"])
def test_workers_may_die_freeze_and_err(fault: str) -> None:
    outcome = SHORT[fault]()
    assert not outcome.broken
    assert outcome.facts
