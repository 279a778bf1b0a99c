"""Why the store took no turn, and names that no conversation can have."""

from __future__ import annotations

import re

from homa.submit.option_checks import check_tenant, wrong
from homa_shared.model.errors import (
    ConversationForbidden,
    ConversationFull,
    ConversationNotFound,
    HomaError,
    InvalidRequest,
    StaleTurn,
    TurnPending,
)
from homa_shared.store.transitions.conversations import Answer, Owner

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}")
_OWNER_BYTES = 256


def checked_id(name: str, given: object) -> str:
    """Raises InvalidRequest for what cannot name a conversation."""
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise wrong(name, given, "1 to 128 letters, digits and . _ : @ / + -, a letter or digit first")
    return given


def checked_owner(owner: object, tenant: object) -> Owner:
    """Whose a conversation is.

    Raises:
        InvalidRequest: one of them is none of its kind.
    """
    name = "" if owner is None else owner
    if not isinstance(name, str) or len(name.encode(errors="replace")) > _OWNER_BYTES or not name.isprintable():
        raise wrong("owner", owner, f"text of at most {_OWNER_BYTES} bytes without control characters")
    return Owner(name, "" if tenant is None else check_tenant("tenant", tenant))


def not_found(conversation: str) -> ConversationNotFound:
    return ConversationNotFound(
        f"conversation {conversation} is not in the store: it was not begun, was deleted, or its retention has ended; "
        "`homa conversations list` shows all"
    )


def forbidden(conversation: str, owner: Owner) -> ConversationForbidden:
    whose = f"owner {owner.name!r}" if owner.name else "no owner"
    tenant = f"tenant {owner.tenant!r}" if owner.tenant else "no tenant"
    return ConversationForbidden(
        f"conversation {conversation} belongs to somebody else than {whose} with {tenant}: expected owner= and tenant= "
        "as it was begun with, or another id"
    )


def pending(conversation: str, turn: int, job_id: str) -> TurnPending:
    return TurnPending(
        f"turn {turn} of conversation {conversation} still waits for its answer, by job {job_id}: wait for that job, "
        "or cancel it",
        turn=turn,
        job_id=job_id,
    )


def refused(conversation: str, owner: Owner, expected: int, answer: Answer) -> HomaError:
    """The error that an answer of the store stands for."""
    match answer.word:
        case "forbidden":
            return forbidden(conversation, owner)
        case "unknown":
            return not_found(conversation)
        case "stale":
            return StaleTurn(
                f"conversation {conversation} has {answer.number} turns, expect_turn is {expected}: another client has "
                "gone on with it; read its turns, and ask again",
                expected=expected,
                turns=answer.number,
            )
        case "pending":
            return pending(conversation, answer.number, answer.detail)
        case "full":
            what = f"{answer.number:,} {answer.detail}, which is as many as it may have"
            return ConversationFull(
                f"conversation {conversation} has no room for this turn among {what}: begin another one, or "
                "branch an earlier turn of it" + (", or raise max_turns" if answer.detail == "turns" else "")
            )
        case "beyond":
            return InvalidRequest(f"conversation {conversation} has {answer.number} turns: expected at among them")
        case _:
            return InvalidRequest(f"conversation {conversation}: {answer.word}")
