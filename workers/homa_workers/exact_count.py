"""Asks a provider how many tokens a prompt has: `python -m homa_workers.exact_count`, run by `homa count --exact`.

Reads `{"provider", "model", "messages"}` on stdin and writes `{"tokens"}` on stdout, null where the provider offers no
count. The key comes from this process's settings. Exit status 2: the provider is not configured here, 3: it did not
answer; the reason stands on stderr.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson

from homa_shared.errors import HomaError
from homa_shared.failures import ProviderError
from homa_shared.reply import Call
from homa_shared.settings.model import load_settings
from homa_workers.process import provider_config
from homa_workers.providers.registry import create

USAGE, NO_ANSWER = 2, 3


async def ask(provider: str, model: str, messages: list[dict[str, Any]]) -> int | None:
    """Input tokens of messages by the provider's own count; None where it offers none.

    Raises:
        ConfigError: the provider is not configured here.
        ProviderError: it did not answer.
    """
    adapter = create(provider_config(load_settings(), provider))
    try:
        return await adapter.count(Call(model, messages))
    finally:
        await adapter.aclose()


def main() -> int:
    asked = orjson.loads(sys.stdin.buffer.read())
    try:
        tokens = asyncio.run(ask(asked["provider"], asked["model"], asked["messages"]))
    except (HomaError, ProviderError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE if isinstance(error, HomaError) else NO_ANSWER
    sys.stdout.write(orjson.dumps({"tokens": tokens}).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
