"""What `homa ask --conversation` submits: a turn instead of a job by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.client.session import Session
from homa.drivers.effects import Flow
from homa.submit.asked import Asked
from homa_shared.model.errors import InvalidRequest

#: Options that say something of a conversation.
_OF_A_CONVERSATION = {"owner": "--owner", "window": "--window", "expect_turn": "--expect-turn"}


def submission_of(here: Session, options: Mapping[str, Any], asked: Asked) -> Flow[str]:
    """What submits the job, as a turn where a conversation is named.

    Args:
        options: of the command.
        asked: what it asks, in a conversation without its system prompt.

    Raises:
        InvalidRequest: a turn's options without a conversation, or wrong ones.
    """
    if options["conversation"] is None:
        for name, flag in _OF_A_CONVERSATION.items():
            if options[name] is not None:
                raise InvalidRequest(f"{flag} is said of no conversation: expected --conversation ID, too")
        return here.submitter.submit(asked)
    # With what reads and writes conversations, which other commands do without.
    from homa.client.conversations.flows import ConversationFlows, Settled
    from homa.client.conversations.refusals import checked_id, checked_owner
    from homa.client.conversations.window import Window
    from homa.files import read_argument

    system = None if options["system"] is None else read_argument(options["system"], "--system")
    window = None if options["window"] is None else Window.parse(options["window"])
    flows = ConversationFlows(
        here.submitter,
        checked_id("--conversation", options["conversation"]),
        checked_owner(options["owner"], options["tenant"]),
        Settled(system=system, window=window),
    )
    return flows.submit_asked(options["expect_turn"], asked)
