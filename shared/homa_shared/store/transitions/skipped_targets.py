"""Targets that a job was not sent to, in its history: who wonders why a fallback was passed over finds the reason."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op


def note_skipped(keys: Keys, job_id: str, skipped: Sequence[tuple[str, str]]) -> Op[None]:
    """Writes into a live job's history which targets were passed over, and why; repeating it changes nothing."""
    commands = []
    for target, why in skipped:
        past = {"target": target, "outcome": "skipped", "charge": "none", "nano": "0", "unres": "0"}
        line = orjson.dumps(past | {"note": orjson.dumps({"error": why}).decode()})
        commands.append(("HSET", keys.attempts(job_id), f"skipped.{target}", line))
    return Op(commands, lambda _: None)
