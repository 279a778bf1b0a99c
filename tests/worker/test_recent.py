"""Reports kept for a store that may come back without them."""

from __future__ import annotations

from homa_shared.store.operation import Op, read
from homa_workers.store_io.replay_buffer import Recent


def report(text: str) -> Op[None]:
    return read((("SET", "k", text),), lambda _: None)


def test_reports_are_told_again_in_the_order_in_which_they_were_taken() -> None:
    recent, ops = Recent(), [report("a"), report("b")]
    for op in ops:
        recent.note(op)
    recent.forget()
    assert recent.again() == ops


def test_what_is_old_is_forgotten_only_when_the_store_is_known_to_be_the_same() -> None:
    recent = Recent(keep_s=0)
    recent.note(report("a"))
    recent.note(report("b"))
    assert len(recent.again()) == 2
    recent.forget()
    assert recent.again() == []


def test_the_oldest_give_way_to_what_is_too_much_to_keep() -> None:
    recent = Recent(keep_bytes=1000)
    for letter in "abc":
        recent.note(report(letter * 400))
    assert [op.commands[0][2][0] for op in recent.again()] == ["b", "c"]
