"""Parameters that an account's settings give to calls that leave them open: `[providers.<name>.options.params]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.kinds.output_caps import CHAT_CAP_NAMES

#: Names of the output cap in either of OpenAI's APIs. A call has one cap, whichever of them says it.
CAP_NAMES = (*CHAT_CAP_NAMES, "max_output_tokens")


def with_account_params(params: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    """A call's parameters, and the account's for what they leave open.

    A cap that the call says under one name is not raised by one that the account says under another.

    Args:
        account: in OpenAI's names.
    """
    if any(params.get(name) is not None for name in CAP_NAMES):
        account = {name: value for name, value in account.items() if name not in CAP_NAMES}
    return {**account, **params}
