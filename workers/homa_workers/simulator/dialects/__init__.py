"""Wire shapes, a provider each. The order is the one in which a path is tried."""

from __future__ import annotations

from homa_workers.simulator.dialect import Dialect
from homa_workers.simulator.dialects.anthropic import AnthropicDialect
from homa_workers.simulator.dialects.openai import OpenAIDialect


def all_dialects() -> tuple[Dialect, ...]:
    return (OpenAIDialect(), AnthropicDialect())
