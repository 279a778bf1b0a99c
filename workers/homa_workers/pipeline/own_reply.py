"""A reply that no provider wrote: of a step that a function or somebody outside has answered."""

from __future__ import annotations

import time

from homa_shared.calls.reply import Completion, Usage
from homa_workers.attempt import RunningAttempt
from homa_workers.outcomes.outcomes import Succeeded, succeeded


def own_reply(attempt: RunningAttempt, kind: str, by: str, said: str) -> Succeeded:
    """What was said, in the shape of a completion that cost nothing.

    Args:
        kind: what its id begins with.
        by: who said it, in the model's place.
    """
    message = {"role": "assistant", "content": said}
    body = {
        "id": f"{kind}-{attempt.claim.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": by,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    attempt.answered_by = by
    return succeeded(Completion(body, Usage()), by)
