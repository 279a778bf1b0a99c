"""One namespace of the real store with conversations in it, and the verbs by which tests drive them."""

from __future__ import annotations

import itertools
from typing import Any

import orjson

from homa_shared.model.tokens import Tokens
from homa_shared.store.connection import StoreAddress
from homa_shared.store.reads.conversations import ConversationPage, conversation
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.conversations import Answer, NewTurn, Owner, begin_turn, branch, delete
from homa_shared.store.transitions.submit import Common, Entry
from tests.transitions.cell import BOUND, MODEL, Cell


def said(text: str) -> bytes:
    return orjson.dumps([{"role": "user", "content": text}])


class Talk(Cell):
    """A cell whose jobs answer turns of conversations."""

    def __init__(self, address: StoreAddress, namespace: str) -> None:
        super().__init__(address, namespace)
        self._numbers = itertools.count(1)

    def say(
        self,
        text: str = "hello",
        expected: int = 0,
        *,
        to: str = "c",
        job: str = "",
        owner: Owner = Owner(),  # noqa: B008 - frozen
        facts: dict[str, str] | None = None,
        key: str = "",
        deadline_ms: int = 0,
        due_ms: int = 0,
        seen: str = "",
        **common: Any,
    ) -> Answer:
        """A turn, and its job; `common` goes there."""
        found = Common("p", "default", common.pop("target", MODEL), owner.tenant, **common)
        name = job or f"j{next(self._numbers)}"
        entry = Entry(name, b"{}", key=key, bound=BOUND, tokens=Tokens(9, 5, 4), deadline_ms=deadline_ms, due_ms=due_ms)
        turn = NewTurn(to, owner, expected, said(text), facts or {}, seen)
        return self.run(begin_turn(self.keys, turn, found, entry))

    def answered(self, text: str = "hello", expected: int = 0, **more: Any) -> str:
        """A turn that has its answer; returns its job."""
        job = self.say(text, expected, **more).detail
        self.settle(self.claim())
        return job

    def page(self, name: str = "c") -> ConversationPage:
        found = self.run(conversation(self.keys, name))
        assert found is not None, name
        return found

    def states(self, name: str = "c") -> str:
        """A letter a turn: p, a or f."""
        return "".join(row.told[0] for row in self.page(name).rows)

    def stored_states(self, name: str = "c") -> str:
        """The same as it stands, without looking after it."""
        count = int(self.redis("HGET", self.keys.conversation(name), "n") or 0)
        return "".join(chr(self.redis("HGET", self.keys.turns(name), i)[0]) for i in range(1, count + 1))

    def branched(self, at: int | None = None, *, new: str = "b", owner: Owner = Owner()) -> Answer:  # noqa: B008
        return self.run(branch(self.keys, "c", new, owner, at))

    def deleted(self, name: str = "c", owner: Owner | None = None) -> tuple[str, str]:
        return self.run(delete(self.keys, name, owner))

    def retried(self, job: str, new: str) -> str:
        return self.run(admin.retry(self.keys, job, new)).answer

    def error_of(self, turn: int, name: str = "c") -> dict[str, Any]:
        row = self.page(name).rows[turn - 1]
        found: dict[str, Any] = orjson.loads(row.error)["error"]
        return found

    def everything(self) -> dict[bytes, bytes]:
        """Every key, as the store dumps it."""
        pattern = self.keys.prefix.replace("{", r"\{") + "*"
        return {key: self.redis("DUMP", key) for key in self.redis("KEYS", pattern)}
