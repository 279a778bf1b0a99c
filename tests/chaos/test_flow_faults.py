"""Workers and the client of a run killed: no step is lost, made twice, paid unseen or over the budget."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns import CAMPAIGNS

SHORT = {campaign.name: campaign.short for campaign in CAMPAIGNS}


@pytest.mark.parametrize("fault", ["flow"])
def test_a_run_outlives_its_workers_and_its_client(fault: str) -> None:
    outcome = SHORT[fault]()
    assert not outcome.broken
    assert outcome.overshoot == 0
