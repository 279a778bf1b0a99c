"""Cohere's models."""

from __future__ import annotations

from homa_shared.kinds.retirement import Retirement, Retirements

COHERE = Retirements(
    checked="2026-11-29",
    source="docs.cohere.com/docs/deprecations",
    rows={
        # Deprecated on 16 September 2025, without a day on which they end.
        r"command|command-light|command-r(?:-03-2024)?": Retirement("", "command-a-03-2025"),
        r"command-r-plus(?:-04-2024)?": Retirement("", "command-a-03-2025"),
    },
)
