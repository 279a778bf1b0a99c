"""What is asked of a conversation, for the sync and the async client."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from homa.client.conversations.reading import all_turns, read_page
from homa.client.conversations.refusals import checked_id, forbidden, not_found, pending, refused
from homa.client.conversations.rendering import History, read_history, render
from homa.client.conversations.summaries import begin_summary
from homa.client.conversations.turns import Turn
from homa.client.conversations.window import Window
from homa.client.management.retries import retry_one
from homa.drivers.effects import Flow, ask, ask_patiently
from homa.submit.acceptance_errors import key_conflict, uncertain
from homa.submit.asked import Asked, ask_for
from homa.submit.encoded_messages import Prepared
from homa.submit.option_checks import Whole, check_model, wrong
from homa.submit.request_digests import digest
from homa.submit.submitter import Submitter
from homa_shared.calls.shared_prefix import SYSTEM_ROLES
from homa_shared.model.constants import MOST_TURNS
from homa_shared.model.errors import InvalidRequest, StoreUnavailable
from homa_shared.model.ids import new_conversation_id
from homa_shared.model.pools import members_of
from homa_shared.model.targets import Target
from homa_shared.store.keys import Keys
from homa_shared.store.reads.conversations import ConversationFacts, ConversationPage
from homa_shared.store.transitions import conversations as transitions
from homa_shared.store.transitions.conversations import NewTurn, Owner

#: How often a turn is made anew, where those before it have changed meanwhile.
_ROUNDS = 5
_NOBODY = ConversationFacts("", Owner(), 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a handle says of its conversation; None: as it stands."""

    system: str | None = None
    model: str | None = None
    window: Window | None = None
    max_turns: int | None = None

    @classmethod
    def checked(cls, system: object, model: object, window: object, max_turns: object) -> Settled:
        """Raises InvalidRequest for the first wrong one."""
        if system is not None and not isinstance(system, str):
            raise wrong("system", system, "text")
        if window is not None and not isinstance(window, Window):
            raise wrong("window", window, "a homa.Window, such as Window(turns=20)")
        most = None if max_turns is None else Whole()("max_turns", max_turns)
        if most is not None and most > MOST_TURNS:
            raise wrong("max_turns", max_turns, f"at most {MOST_TURNS:,}")
        return cls(system, None if model is None else check_model("model", model), window, most)

    def facts(self) -> dict[str, str]:
        """What is written anew with the next turn."""
        said = {
            "system": self.system,
            "window": None if self.window is None else self.window.encode(),
            "most": None if self.max_turns is None else str(self.max_turns),
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ConversationFlows:
    """Flows of one conversation."""

    submitter: Submitter
    id: str
    owner: Owner
    settled: Settled = Settled()

    @property
    def keys(self) -> Keys:
        return self.submitter.keys

    def named(self, other: str) -> ConversationFlows:
        """Flows of another conversation of the same owner, as it stands."""
        return ConversationFlows(self.submitter, other, self.owner)

    def submit(self, expect_turn: int | None, options: Mapping[str, Any]) -> Flow[str]:
        """Accepts a turn; returns the job that is to answer it, the first one's where its key was used before.

        Args:
            expect_turn: turns that the conversation is expected to have; None: those that are read.
            options: of `submit`, without `system` and `tenant`, which are the conversation's.

        Raises:
            StaleTurn, TurnPending, ConversationForbidden, ConversationFull: nothing was stored.
            Else as `Submitter.submit`.
        """
        _check_apart(options)

        def asked(facts: ConversationFacts) -> Asked:
            return ask_for({**options, "model": options.get("model") or self.settled.model or facts.model or None})

        return (yield from self.submitter.bounded(self._submit(expect_turn, asked)))

    def submit_asked(self, expect_turn: int | None, asked: Asked) -> Flow[str]:
        """The same of a request that was made before, without a system prompt."""
        return (yield from self.submitter.bounded(self._submit(expect_turn, lambda _: asked)))

    def _submit(self, expect_turn: int | None, make: Callable[[ConversationFacts], Asked]) -> Flow[str]:
        if expect_turn is not None:
            Whole(0)("expect_turn", expect_turn)
        for _ in range(_ROUNDS):
            if (job := (yield from self._submit_once(expect_turn, make))) is not None:
                return job
        raise InvalidRequest(
            f"the last turn of conversation {self.id} ended or was retried {_ROUNDS} times while this one was made: "
            "ask again"
        )

    def _submit_once(self, expect_turn: int | None, make: Callable[[ConversationFacts], Asked]) -> Flow[str | None]:
        """The job; None where a turn that was read has ended, or was retried, meanwhile."""
        page = yield from read_page(self.keys, self.id, self.owner)
        facts = _NOBODY if page is None else page.facts
        expected = facts.turns if expect_turn is None else expect_turn
        asked = self._as_turn((yield from self.submitter.filled(make(facts))))
        if page is not None and asked.key is None:
            self._check(page, expected)
        window = Window.decode(facts.window) if self.settled.window is None else self.settled.window
        system = facts.system if self.settled.system is None else self.settled.system
        targets = yield from self._targets(asked, window)
        history = History((), "", (), 0)
        if page is not None and facts.turns == expected and not facts.pending:
            history = yield from read_history(self.keys, page, window, targets, asked.prepared.messages)
        whole = yield from render(self.keys, history, system, asked.prepared, targets)
        job = yield from self._accept(asked, whole, expected, facts.seen)
        if job is not None:
            pinned = asked.options.request.get("regions", ())
            yield from begin_summary(self.submitter, self.id, facts, window, history, self.owner, pinned)
        return job

    def _check(self, page: ConversationPage, expected: int) -> None:
        """Refuses early what the store would refuse. Whether a turn's key was used before is the store's to know."""
        facts = page.facts
        if facts.turns != expected:
            raise refused(self.id, self.owner, expected, transitions.Answer("stale", facts.turns, ""))
        if facts.pending:
            raise pending(self.id, facts.pending, page.rows[-1].told.split(" ")[1])

    def _as_turn(self, asked: Asked) -> Asked:
        """A request of a turn's own messages alone."""
        if any(message.get("role") in SYSTEM_ROLES for message in asked.prepared.messages):
            raise InvalidRequest(
                "a turn has a system message: expected the system prompt apart, as conversation(…, system=…)"
            )
        options = asked.options
        record = {**options.record, "tenant": self.owner.tenant} if self.owner.tenant else options.record
        return replace(asked, options=replace(options, record=record, request={**options.request, "turn": True}))

    def _targets(self, asked: Asked, window: Window) -> Flow[tuple[Target, ...]]:
        """What the first hop of the chain calls.

        Raises:
            UnknownModel: the fleet does not know it, or what is to sum up.
        """
        view = yield from self.submitter.view_for(asked.options)
        if window.summary_model is not None:
            view.fleet.resolve(window.summary_model, ())
        return members_of(view.fleet.hops(asked.options.model, ())[0])

    def _accept(self, asked: Asked, whole: Prepared, expected: int, seen: str) -> Flow[str | None]:
        key = f"{asked.key} {self._digest(asked)}" if asked.key else ""
        uploads = self.submitter.uploads()
        said = uploads.keep(self.keys.turns(self.id).removeprefix(self.keys.prefix), asked.prepared)
        common, entry = yield from self.submitter.ready(replace(asked, prepared=whole), key, uploads)
        facts = {**self.settled.facts(), "model": asked.options.model}
        turn = NewTurn(self.id, self.owner, expected, said.stored or said.json, facts, seen)
        try:
            answer = yield from ask(transitions.begin_turn(self.keys, turn, common, entry))
        except StoreUnavailable as error:
            raise uncertain(error, entry.id, asked.key) from error
        match answer.word:
            case "ok" | "known":
                return answer.detail
            case "moved":
                return None
            case "conflict":
                raise key_conflict(asked.key, answer.detail)
            case _:
                raise refused(self.id, self.owner, expected, answer)

    def _digest(self, asked: Asked) -> str:
        """What tells one turn from another under a key: not what was said before, which goes on meanwhile."""
        told = f"{digest(asked.options, asked.prepared)} {self.id}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def turns(self) -> Flow[list[Turn]]:
        """All of its turns; none where it was not begun."""
        found = yield from all_turns(self.keys, self.id, self.owner)
        return [] if found is None else found[1]

    def facts(self) -> Flow[ConversationFacts]:
        """It without its turns.

        Raises:
            ConversationNotFound, ConversationForbidden
        """
        return (yield from self._page()).facts

    def retry(self) -> Flow[str]:
        """Retries its last turn, which has failed; returns the job that is to answer it now.

        Raises:
            InvalidRequest: it has not failed, or its request is no longer kept.
            ConversationNotFound, ConversationForbidden
        """
        page = yield from self._page()
        state, job, *_ = page.rows[-1].told.split(" ")
        if state == "p":
            raise pending(self.id, page.facts.turns, job)
        if state != "f" or job == "-":
            raise InvalidRequest(
                f"turn {page.facts.turns} of conversation {self.id} was answered: expected a failed one"
            )
        return (yield from retry_one(self.keys, job))

    def branch(self, at: int | None, new: str | None) -> Flow[str]:
        """Begins a conversation with its first `at` turns; returns its id.

        Raises:
            InvalidRequest: it has fewer turns, or `new` exists.
            TurnPending, ConversationNotFound, ConversationForbidden
        """
        if at is not None:
            Whole()("at", at)
        name = new_conversation_id() if new is None else checked_id("id", new)
        op = transitions.branch(self.keys, self.id, name, self.owner, at)
        answer = yield from ask_patiently(op)
        if answer.word == "taken":
            raise InvalidRequest(f"id is {name!r}, which another conversation has: expected a new one")
        if answer.word != "ok":
            raise refused(self.id, self.owner, 0, answer)
        return name

    def delete(self) -> Flow[bool]:
        """Forgets it, and cancels the job that was to answer its last turn; False where there is none.

        Raises:
            ConversationForbidden: it is somebody else's.
        """
        word, _ = yield from ask_patiently(transitions.delete(self.keys, self.id, self.owner))
        if word == "forbidden":
            raise forbidden(self.id, self.owner)
        return word == "ok"

    def _page(self) -> Flow[ConversationPage]:
        page = yield from read_page(self.keys, self.id, self.owner)
        if page is None:
            raise not_found(self.id)
        return page


def _check_apart(options: Mapping[str, Any]) -> None:
    for name in ("system", "tenant"):
        if options.get(name) is not None:
            raise InvalidRequest(f"{name} is the conversation's own: expected it as conversation(…, {name}=…)")
