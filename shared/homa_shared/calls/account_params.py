"""Parameters that settings give to calls which leave them open: an account's `params`, an alias's `defaults`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.kinds.output_caps import CHAT_CAP_NAMES

#: Names of the output cap in either of OpenAI's APIs. A call has one cap, whichever of them says it.
CAP_NAMES = (*CHAT_CAP_NAMES, "max_output_tokens")


def with_defaults(params: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A call's parameters, and the settings' for what they leave open.

    A cap that the call says under one name is not raised by one that the settings say under another.

    Args:
        defaults: in OpenAI's names.
    """
    if any(params.get(name) is not None for name in CAP_NAMES):
        defaults = {name: value for name, value in defaults.items() if name not in CAP_NAMES}
    return {**defaults, **params}
