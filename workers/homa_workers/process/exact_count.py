"""Asks a provider how many tokens a prompt has: `python -m homa_workers.process.exact_count`.

Clients run it for `homa count --exact` and `count(…, exact=True)`, since they load no provider's SDK.

Reads `{"provider", "model", "messages", "account"}` on stdin and writes `{"tokens"}` on stdout, null where the provider
offers no count. Exit status 2: the account's settings are wrong, 3: the provider did not answer; the reason stands on
stderr. 4: its SDK is not installed; stdout is `{"what", "extra"}`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call
from homa_shared.model.errors import HomaError, MissingExtra
from homa_shared.settings.sections import ProviderSettings
from homa_workers.process.accounts import account_config, account_secrets
from homa_workers.providers.registry import create
from homa_workers.providers.secrets import Secrets

USAGE, NO_ANSWER, MISSING = 2, 3, 4


async def ask(provider: str, account: ProviderSettings, call: Call) -> int | None:
    """Input tokens of a call by the provider's own count; None where it offers none.

    Raises:
        ConfigError: the account's settings are wrong.
        MissingExtra: its SDK is not installed.
        ProviderError: the provider did not answer.
    """
    adapter = create(account_config(provider, account))
    try:
        return await adapter.count(call)
    finally:
        await adapter.aclose()


def main() -> int:
    asked = orjson.loads(sys.stdin.buffer.read())
    account = ProviderSettings.model_validate(asked["account"])
    try:
        tokens = asyncio.run(ask(asked["provider"], account, Call(asked["model"], asked["messages"])))
    except MissingExtra as error:
        _tell({"what": error.what, "extra": error.extra})
        return MISSING
    except (HomaError, ProviderError) as error:
        sys.stderr.write(f"{Secrets(account_secrets(account)).hidden(str(error))}\n")
        return USAGE if isinstance(error, HomaError) else NO_ANSWER
    _tell({"tokens": tokens})
    return 0


def _tell(document: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(document).decode() + "\n")


if __name__ == "__main__":
    sys.exit(main())
