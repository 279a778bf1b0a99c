"""Steps of flows that are answered from outside: a person or a webhook is asked, and answers by a token.

A worker fills the question in, as any prompt, and sets the job aside with a token. It meets the job again when that was
answered, or has expired: then the answer, or what the step says for want of one, ends it like a reply without cost.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from homa_shared.calls.flow_place import FlowPlace
from homa_shared.calls.flow_rules import Wait
from homa_shared.model.records import State
from homa_workers.attempt import RunningAttempt
from homa_workers.outcomes.halting import Halted, Unsent, ended, refused
from homa_workers.outcomes.outcomes import Asked, Succeeded
from homa_workers.pipeline.own_reply import own_reply

#: Of a token, bytes: nobody guesses one.
_RANDOM_BYTES = 24
#: Longest question, bytes: somebody is to read it.
MOST_BYTES = 1_000_000
#: Who answered, in the place of a model.
ANSWERED, UNANSWERED = "answer", "default"


def answered_from_outside(attempt: RunningAttempt, wait: Wait) -> Succeeded:
    """The answer of a step that waits.

    Raises:
        Halted: it has to be asked for first; or nobody has answered in time, and there is no default.
    """
    place = attempt.request.flow
    if place is None:
        raise refused("it waits for an answer, and is no step of a flow")
    if not place.asked:
        raise _asked(attempt, place, wait)
    if place.answered is not None:
        return own_reply(attempt, ANSWERED, ANSWERED, place.answered)
    if wait.default is None:
        why = f"nobody has answered it within {wait.expires_ms / 1000:g} s"
        raise ended(Unsent("unanswered", why), State.EXPIRED)
    # Whoever asks the same later may still be answered.
    return replace(own_reply(attempt, UNANSWERED, UNANSWERED, wait.default), alone=True)


def _asked(attempt: RunningAttempt, place: FlowPlace, wait: Wait) -> Halted:
    """The question, with a token of its own.

    A worker that is lost before the store has it leaves nothing: the next one asks with another token.
    """
    request = replace(attempt.request, flow=replace(place, asked=True)).encode()
    if len(request) > MOST_BYTES:
        return refused(
            f"its question has {len(request):,} bytes: expected at most {MOST_BYTES:,}; name less in its prompt"
        )
    token = f"{attempt.claim.id}.{secrets.token_urlsafe(_RANDOM_BYTES)}"
    return Halted(Asked(token, wait.expires_ms, request))
