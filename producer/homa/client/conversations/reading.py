"""Flows that read conversations: turns with what of them lives elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from homa.client.conversations.refusals import forbidden
from homa.client.conversations.turns import StoredTurn, Turn
from homa.drivers.effects import Flow, GetBlob, ask_patiently
from homa_shared.model.constants import IN_STORE
from homa_shared.model.errors import HomaError
from homa_shared.store.keys import Keys
from homa_shared.store.reads.conversations import ConversationPage, conversation
from homa_shared.store.transitions.conversations import Owner
from homa_shared.store.transitions.media import places, stored

#: Turns that are read in one operation.
PAGE = 50


class PartGone(HomaError):
    """A part of a conversation that lives in the blob store is not there."""


def read_page(keys: Keys, found: str, owner: Owner | None, last: int = 0) -> Flow[ConversationPage | None]:
    """A conversation with a page of its turns; None where there is none.

    Args:
        owner: whose it has to be; None: anybody's.
        last: number of the last turn wanted; 0: the latest.

    Raises:
        ConversationForbidden: it is somebody else's.
    """
    page = yield from ask_patiently(conversation(keys, found, last=last, most=PAGE))
    if page is not None and owner is not None and page.facts.owner != owner:
        raise forbidden(found, owner)
    return page


def turns_of(keys: Keys, page: ConversationPage) -> Flow[list[Turn]]:
    """The turns of a page.

    Raises:
        PartGone: something of them is nowhere to be found.
    """
    rows = [StoredTurn.of(page.first + i, row) for i, row in enumerate(page.rows)]
    fetched = yield from fetch(keys, (digest for row in rows for digest in row.elsewhere))
    return [row.turn(fetched) for row in rows]


def all_turns(keys: Keys, found: str, owner: Owner | None) -> Flow[tuple[ConversationPage, list[Turn]] | None]:
    """A conversation and all of its turns; None where there is none."""
    page = yield from read_page(keys, found, owner)
    if page is None:
        return None
    turns, latest = (yield from turns_of(keys, page)), page
    while page.first > 1:
        earlier = yield from read_page(keys, found, owner, page.first - 1)
        if earlier is None:
            return None
        page = earlier
        turns = (yield from turns_of(keys, page)) + turns
    return latest, turns


def fetch(keys: Keys, digests: Iterable[str]) -> Flow[dict[str, bytes]]:
    """Media by their digests.

    Raises:
        PartGone: one of them is nowhere to be found.
    """
    wanted = list(dict.fromkeys(digests))
    if not wanted:
        return {}
    found: dict[str, bytes] = {}
    for digest, place in zip(wanted, (yield from ask_patiently(places(keys, wanted))), strict=True):
        data: bytes | None = None
        if place == IN_STORE:
            data = yield from ask_patiently(stored(keys, digest))
        elif place:
            data = yield GetBlob(place)
        if data is None:
            raise PartGone(
                f"medium {digest[:12]}… of the conversation is not there: it was removed from the blob store"
            )
        found[digest] = data
    return found
