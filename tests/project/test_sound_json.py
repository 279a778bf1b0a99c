"""What models write becomes JSON that UTF-8 can carry."""

from __future__ import annotations

from datetime import date

from homa_shared.model.json_safe import sound, sound_json, valid_text


def test_valid_values_are_left_as_they_are() -> None:
    value = {"text": "😀", "n": [1, None, 2.5]}
    assert sound(value) is value
    assert sound_json(value) == '{"text":"😀","n":[1,null,2.5]}'.encode()
    assert valid_text("a 😀") == "a 😀"


def test_what_json_cannot_carry_is_put_as_near_as_text_can() -> None:
    assert sound({"half": "x\ud83d", "pair": "\ud83d\ude00", "big": 2**70, "day": date(2026, 1, 2)}) == {
        "half": "x\ufffd",
        "pair": "😀",
        "big": 2**70,
        "day": "2026-01-02",
    }
