"""What becomes of what an earlier run left, checked once for the command line and for Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.files.spelling import Spelling
from homa.files.writers.earlier_line import FAILED, RETRIES
from homa.runs.plan import Resumption
from homa_shared.model.errors import InvalidRequest


def is_resumed(given: Mapping[str, Any]) -> bool:
    """Whether a run goes on with an output: what is to be done anew of it says so, too."""
    return bool(given.get("resume") or given.get("retry"))


def resumption_of(given: Mapping[str, Any], spelled: Spelling, *, partial: bool) -> Resumption:
    """From `resume`, `retry`, `changed` and `prune`.

    Args:
        partial: `limit` or `sample` leaves rows out.

    Raises:
        InvalidRequest: one of them is wrong, or they do not go together.
    """
    for name in ("changed", "prune"):
        if given.get(name) and not is_resumed(given):
            raise InvalidRequest(f"{spelled(name)} without {spelled('resume')}: expected both, or neither")
    if given.get("prune") and partial:
        raise InvalidRequest(
            f"{spelled('prune')} with {spelled('limit')} or {spelled('sample')}: what is not among these rows would be "
            "dropped; expected one of them"
        )
    return Resumption(_retried(given.get("retry"), spelled), bool(given.get("changed")), bool(given.get("prune")))


def _retried(said: Any, spelled: Spelling) -> frozenset[str]:
    kinds = [said] if isinstance(said, str) else said or [FAILED]
    if not isinstance(kinds, list | tuple | set | frozenset) or any(kind not in RETRIES for kind in kinds):
        raise InvalidRequest(f"{spelled.is_wrong('retry', said)}: expected some of {', '.join(RETRIES)}")
    return frozenset(kinds)
