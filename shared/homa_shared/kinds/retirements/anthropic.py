"""Anthropic's models; Bedrock has days of its own."""

from __future__ import annotations

from homa_shared.kinds.retirement import Retirement, Retirements

#: At its own platforms "requests to retired models will fail". Successors are those that the page recommended then.
ANTHROPIC = Retirements(
    checked="2026-11-29",
    source="platform.claude.com/docs/en/about-claude/model-deprecations",
    rows={
        r"claude-(?:v?1|instant).*": Retirement("2024-11-06", unreachable=True),
        r"claude-(?:v?2(?:\.\d)?|3-sonnet)": Retirement("2025-07-21", unreachable=True),
        r"claude-3-5-sonnet": Retirement("2025-10-28", unreachable=True),
        r"claude-3-opus": Retirement("2026-01-05", unreachable=True),
        r"claude-3-7-sonnet": Retirement("2026-02-19", "claude-sonnet-4-6", unreachable=True),
        r"claude-3-5-haiku": Retirement("2026-02-19", "claude-haiku-4-5", unreachable=True),
        r"claude-3-haiku": Retirement("2026-04-20", "claude-haiku-4-5", unreachable=True),
        r"claude-sonnet-4(?:-0)?|claude-4-sonnet": Retirement("2026-06-15", "claude-sonnet-4-6", unreachable=True),
        r"claude-opus-4(?:-0)?|claude-4-opus": Retirement("2026-06-15", "claude-opus-4-8", unreachable=True),
        r"claude-mythos-preview": Retirement("2026-06-30", "claude-mythos-5", unreachable=True),
        r"claude-opus-4-1": Retirement("2026-08-05", "claude-opus-4-8", unreachable=True),
        r"claude-sonnet-4-5": Retirement("2026-11-30", "claude-sonnet-5-5"),
    },
)

BEDROCK = Retirements(
    checked="2026-11-29",
    source="docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle.html",
    rows={r"claude-3-5-haiku": Retirement("2026-06-19", "anthropic.claude-haiku-5-5")},
)
