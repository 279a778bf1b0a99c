"""Providers that lie, hang or answer anything, and a store that forgets all: work goes on, and the books add up."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns import CAMPAIGNS

SHORT = {campaign.name: campaign.short for campaign in CAMPAIGNS}


@pytest.mark.parametrize("fault", ["headers", "hanging", "hostile", "emptied"])
def test_providers_may_say_anything(fault: str) -> None:
    outcome = SHORT[fault]()
    assert not outcome.broken
    assert outcome.facts
