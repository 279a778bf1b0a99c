"""What may become of a document that does not fit the window."""

from __future__ import annotations

#: Refused.
ERROR = "error"
#: Asked about in parts, whose answers are brought together; read part by part, with the answer so far.
MAP_REDUCE, REFINE = "map-reduce", "refine"
#: Cut at its end.
TRUNCATE = "truncate"
WAYS = (ERROR, MAP_REDUCE, REFINE, TRUNCATE)
#: Those that take several calls, which a flow makes.
DIVIDING = frozenset({MAP_REDUCE, REFINE})
#: Under this name the request of a document says that it is asked about in parts, and how.
DIVIDED = "long"
