"""Pieces of tool calls on their way to a job's stream: joined, whole letters, and without secrets."""

from __future__ import annotations

from typing import Any

import orjson

from homa_workers.providers.secrets import MASK, NO_SECRETS, Secrets
from homa_workers.store_io.call_pieces import CallPieces, joined

KEY = "sk-0123456789abcdefghijklmnopqrstuvwxyz"


def begin(index: int, name: str = "f") -> dict[str, Any]:
    return {"index": index, "id": f"c{index}", "type": "function", "function": {"name": name, "arguments": ""}}


def more(index: int, text: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": text}}


def told(calls: CallPieces, *pieces: dict[str, Any]) -> list[dict[str, Any]]:
    shown = [calls.shown(piece) for piece in pieces]
    return [piece for piece in (*shown, *calls.end()) if piece is not None]


def text_of(found: list[dict[str, Any]], index: int) -> str:
    return "".join(piece["function"].get("arguments", "") for piece in found if piece["index"] == index)


def test_a_secret_that_pieces_cut_in_two_is_told_in_none() -> None:
    calls = CallPieces(Secrets([KEY]).in_pieces)
    found = told(calls, begin(0), more(0, f'{{"key": "{KEY[:12]}'), more(0, f'{KEY[12:]}"}}'))
    assert text_of(found, 0) == f'{{"key": "{MASK}"}}'


def test_calls_that_are_written_side_by_side_hide_each_for_itself() -> None:
    calls = CallPieces(Secrets([KEY]).in_pieces)
    found = told(calls, begin(0), begin(1), more(0, KEY[:10]), more(1, KEY[:10]), more(0, KEY[10:]), more(1, "!"))
    assert text_of(found, 0) == MASK
    assert text_of(found, 1) == f"{KEY[:10]}!"


def test_half_a_letter_waits_for_its_other_half() -> None:
    found = told(CallPieces(NO_SECRETS.in_pieces), begin(0), more(0, "a\ud83d"), more(0, "\ude00b"), more(0, "\ud83d"))
    assert text_of(found, 0) == "a\U0001f600b\ufffd"


def test_pieces_of_one_text_become_one_and_others_stay_apart() -> None:
    pieces = [begin(0), more(0, "{"), more(0, "}"), begin(1, "g"), more(1, "1"), more(0, " ")]
    found = orjson.loads(joined(pieces))
    assert [(piece["index"], piece["function"]["arguments"]) for piece in found] == [(0, "{}"), (1, "1"), (0, " ")]
    assert [piece["function"].get("name") for piece in found] == ["f", "g", None]
    assert pieces[0] == begin(0), "what was given stays as it is"


def test_custom_calls_tell_their_input() -> None:
    piece = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": "sel"}}
    found = told(CallPieces(NO_SECRETS.in_pieces), piece, {"index": 0, "custom": {"input": "ect"}})
    assert orjson.loads(joined(found)) == [{**piece, "custom": {"name": "sql", "input": "select"}}]


def test_a_piece_that_says_nothing_is_not_told() -> None:
    assert told(CallPieces(NO_SECRETS.in_pieces), {"index": 0}, more(0, "")) == []
