"""A chat completion that was cut before it said anything, which OpenAI tells as a refused request.

Where thinking takes the whole output cap, models answer either with an empty reply of `finish_reason` `length`, or with
status 400 and a message. Both are the same: tokens were generated up to the cap. What the second has cost is not told:
it stands unresolved at its bound.
"""

from __future__ import annotations

import re
import time
from typing import Any

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Completion, Usage
from homa_workers.providers.chat_completion import choice

#: Seen of gpt-6-sol, o3-mini and later, at OpenAI and Azure, without a code.
_CUT_UNSAID = re.compile(r"max_tokens or model output limit was reached", re.IGNORECASE)


def cut_unsaid(call: Call, error: ProviderError) -> Completion:
    """The empty reply that an error tells. Raises the error where it tells anything else."""
    if error.status not in (None, 400) or error.partial_text or not _CUT_UNSAID.search(error.message):
        raise error
    message = {"role": "assistant", "content": ""}
    body: dict[str, Any] = {
        "id": error.request_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": call.model,
        "choices": [choice(message, "length", logprobs=None)],
    }
    return Completion(body, Usage(), error.request_id, metered=False)
