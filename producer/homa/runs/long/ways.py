"""What may become of a document that does not fit the window."""

from __future__ import annotations

#: Refused; cut at its end.
ERROR, TRUNCATE = "error", "truncate"
WAYS = (ERROR, TRUNCATE)
