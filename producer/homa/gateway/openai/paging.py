"""Pages of OpenAI's listings: `after`, `limit`, `order`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for of a listing."""

    #: Id of the last one of the page before; None: from the beginning.
    after: str | None
    limit: int
    newest_first: bool

    def document(self, rows: Sequence[Mapping[str, Any]], *, more: bool) -> dict[str, Any]:
        """The page as the API tells it."""
        first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
        return {"object": "list", "data": list(rows), "first_id": first, "last_id": last, "has_more": more}


def page_of(query: Mapping[str, str], *, default: int, most: int) -> Page:
    """The page that a query asks for.

    Raises:
        InvalidRequest: a parameter is wrong.
    """
    limit = query.get("limit", str(default))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 7 and 1 <= int(limit) <= most):
        raise InvalidRequest(f"limit is {limit!r:.80}: expected 1 to {most}")
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest(f"order is {order!r:.80}: expected asc or desc")
    return Page(query.get("after") or None, int(limit), order == "desc")
