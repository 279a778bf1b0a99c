"""The job that sums up what a window leaves out: begun beside a turn, never waited for."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from homa.client.conversations.rendering import History
from homa.client.conversations.turns import Turn
from homa.client.conversations.window import Window
from homa.drivers.effects import Flow, ask
from homa.submit.asked import ask_for
from homa.submit.submitter import Submitter
from homa_shared.model.errors import HomaError
from homa_shared.store.reads.conversations import ConversationFacts
from homa_shared.store.transitions import conversations as transitions
from homa_shared.store.transitions.conversations import Owner

_SYSTEM = (
    "Sum up this conversation for the assistant who goes on with it: what was asked, found, decided and promised, with "
    "names and numbers, in the conversation's language. Answer with the summary alone."
)


def begin_summary(
    submitter: Submitter,
    conversation: str,
    facts: ConversationFacts,
    window: Window,
    history: History,
    owner: Owner,
    regions: Sequence[str],
) -> Flow[None]:
    """Submits the job, once for as many turns, where so many are left out that one is worth its price: half a window.

    The turn that was accepted stands whatever becomes of this: what goes wrong is logged.

    Args:
        regions: that the turn is pinned to, which is sent the same words.
    """
    if window.summary_model is None or len(history.unsummed) < max(1, history.kept // 2):
        return
    upto = history.unsummed[-1].number
    options = {
        "model": window.summary_model,
        "system": _SYSTEM,
        "prompt": _transcript(history),
        "tenant": owner.tenant or None,
        "metadata": {"conversation": conversation, "upto": upto},
        "regions": regions or None,
    }
    # One that had this name before had summaries of its own.
    told = hashlib.sha256(f"{conversation} {facts.created_ms} {upto}".encode()).hexdigest()[:32]
    try:
        common, entry = yield from submitter.ready(ask_for(options), f"summary:{conversation}:{upto} {told}")
        op = transitions.begin_summary(submitter.keys, conversation, upto, facts.turns, common, entry)
        yield from ask(op)
    except HomaError as error:
        logging.getLogger("homa").warning(
            "conversation %s has no summary of its first %d turns, which are sent as they are: %s",
            conversation,
            upto,
            error,
        )


def _transcript(history: History) -> str:
    before = [f"What was said before, summed up: {history.summary}"] if history.summary else []
    return "\n\n".join([*before, *(line for turn in history.unsummed for line in _lines(turn))])


def _lines(turn: Turn) -> list[str]:
    return [f"User: {turn.prompt}", f"Assistant: {turn.text}"]
