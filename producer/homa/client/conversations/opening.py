"""What `Homa` and `AsyncHoma` do with conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

# What makes conversations is imported at the first use: clients without any start sooner.
if TYPE_CHECKING:
    from homa.client.aio_stream import Submissions
    from homa.client.conversations.aio_handle import AsyncConversation
    from homa.client.conversations.flows import ConversationFlows
    from homa.client.conversations.handle import Conversation
    from homa.client.conversations.info import ConversationInfo
    from homa.client.conversations.window import Window
    from homa.drivers.aio import AwaitingDriver
    from homa.drivers.blocking import BlockingDriver
    from homa.submit.submitter import Submitter


class Dialogue:
    """Conversations, for threads."""

    _driver: BlockingDriver
    _submitter: Submitter

    def conversation(
        self,
        id: str | None = None,  # noqa: A002 - the field's name
        *,
        owner: str | None = None,
        tenant: str | None = None,
        system: str | None = None,
        model: str | None = None,
        window: Window | None = None,
        max_turns: int | None = None,
    ) -> Conversation:
        """The handle of a conversation, which its first turn begins; nothing is asked of the store.

        Args:
            id: by which it is known in the whole fleet; None: a new one.
            owner: whose it is, such as a user: whoever asks as another one is refused.
            tenant: on whose behalf its jobs are; likewise.
            system: instructions, which stand apart from its turns; None: as they stand.
            model: of turns that name none; None: that of the turn before.
            window: which turns are sent with the next one; None: as it stands, at first all of them.
            max_turns: most turns, up to 1000; None: as it stands, at first 1000.

        Raises:
            InvalidRequest: one of these is none of its kind.
        """
        from homa.client.conversations.handle import Conversation

        return Conversation(self._driver, _flows(self._submitter, id, owner, tenant, system, model, window, max_turns))

    def conversations(
        self, *, owner: str | None = None, tenant: str | None = None, limit: int | None = None
    ) -> list[ConversationInfo]:
        """Conversations by their last use, the latest first; where nothing is said, everybody's.

        Raises:
            InvalidRequest: the limit is no whole number.
        """
        from homa.client.conversations.info import list_conversations

        return self._driver.run(list_conversations(self._submitter.keys, owner, tenant, _checked(limit)))

    def import_conversation(
        self,
        text: str | bytes,
        *,
        id: str | None = None,  # noqa: A002 - the field's name
        owner: str | None = None,
        tenant: str | None = None,
    ) -> Conversation:
        """Put a conversation in the store that `Conversation.export` has written as JSON.

        Args:
            text: what it wrote.
            id: instead of the one that it says.
            owner: likewise.
            tenant: likewise.

        Raises:
            InvalidRequest: it is no such text, or the id is taken.
            ConversationFull: it has more turns or text than a conversation may have.
        """
        from homa.client.conversations.handle import Conversation
        from homa.client.conversations.transfer import import_text

        name, whose = self._driver.run(import_text(self._submitter, text, id, owner, tenant))
        return Conversation(self._driver, _flows(self._submitter, name, whose.name, whose.tenant))


class AsyncDialogue:
    """Conversations, for event loops."""

    _driver: AwaitingDriver
    _submitter: Submitter
    _submissions: Submissions

    def conversation(
        self,
        id: str | None = None,  # noqa: A002 - the field's name
        *,
        owner: str | None = None,
        tenant: str | None = None,
        system: str | None = None,
        model: str | None = None,
        window: Window | None = None,
        max_turns: int | None = None,
    ) -> AsyncConversation:
        """The handle of a conversation, which its first turn begins; as `Homa.conversation`."""
        from homa.client.conversations.aio_handle import AsyncConversation

        flows = _flows(self._submitter, id, owner, tenant, system, model, window, max_turns)
        return AsyncConversation(self._driver, flows, self._submissions)

    async def conversations(
        self, *, owner: str | None = None, tenant: str | None = None, limit: int | None = None
    ) -> list[ConversationInfo]:
        """Conversations by their last use, the latest first; as `Homa.conversations`."""
        from homa.client.conversations.info import list_conversations

        return await self._driver.run(list_conversations(self._submitter.keys, owner, tenant, _checked(limit)))

    async def import_conversation(
        self,
        text: str | bytes,
        *,
        id: str | None = None,  # noqa: A002 - the field's name
        owner: str | None = None,
        tenant: str | None = None,
    ) -> AsyncConversation:
        """Put a conversation in the store that was exported as JSON; as `Homa.import_conversation`."""
        from homa.client.conversations.aio_handle import AsyncConversation
        from homa.client.conversations.transfer import import_text

        name, whose = await self._driver.run(import_text(self._submitter, text, id, owner, tenant))
        flows = _flows(self._submitter, name, whose.name, whose.tenant)
        return AsyncConversation(self._driver, flows, self._submissions)


def _flows(
    submitter: Submitter,
    id: str | None,  # noqa: A002 - the field's name
    owner: str | None,
    tenant: str | None,
    system: str | None = None,
    model: str | None = None,
    window: Window | None = None,
    max_turns: int | None = None,
) -> ConversationFlows:
    from homa.client.conversations.flows import ConversationFlows, Settled
    from homa.client.conversations.refusals import checked_id, checked_owner
    from homa_shared.model.ids import new_conversation_id

    name = new_conversation_id() if id is None else checked_id("id", id)
    settled = Settled.checked(system, model, window, max_turns)
    return ConversationFlows(submitter, name, checked_owner(owner, tenant), settled)


def _checked(limit: int | None) -> int | None:
    from homa.submit.option_checks import Whole

    return None if limit is None else Whole()("limit", limit)
