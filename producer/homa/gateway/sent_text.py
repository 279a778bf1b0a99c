"""What a client has been sent and cannot be told to forget, while another attempt begins the answer anew."""

from __future__ import annotations

from homa.client.streams import Piece


class SentText:
    """What has been sent of one answer.

    Args:
        with_calls: pieces of calls are sent, too.
    """

    def __init__(self, *, with_calls: bool = True) -> None:
        self._sent, self._with_calls = "", with_calls
        #: Whether pieces of calls were sent: another attempt's have other ids.
        self._has_calls = False
        #: The new attempt's text, as long as it only repeats what was sent.
        self._again: str | None = None
        #: Whether the new attempt says something else: what was sent is not its answer.
        self.is_void = False

    @property
    def is_held(self) -> bool:
        """Whether the new attempt has said less than was sent."""
        return self._again is not None

    def next(self, piece: Piece) -> Piece | None:
        """What of a piece is to be sent; None for nothing."""
        if piece.event == "restarted":
            self._again = ""
            self.is_void = self._has_calls
            if self.is_void:
                return None
        if piece.tool_calls:
            self._has_calls = self._with_calls
        if self._again is None:
            self._sent += piece
            return piece
        self._again += piece
        if self._again.startswith(self._sent):
            rest, self._sent, self._again = self._again[len(self._sent) :], self._again, None
            return Piece(rest, id=piece.id, attempt=piece.attempt) if rest else None
        self.is_void = not self._sent.startswith(self._again)
        return None
