"""Many pieces in one text, each with its first place.

Every n-th stretch of n characters of the text is looked up among the stretches of the pieces: a piece of at least
2n - 1 characters has, wherever it stands, one stretch that lies on these borders. So the time goes with the text and
the pieces and not with their product (sampled q-grams; rsync finds its blocks like this). A piece whose stretches are
everywhere is given up after so many looks in vain, and found by `str.find`, whose time is linear for one piece.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

#: Lengths of stretches, the longest first.
_STRETCHES = (8, 4)
#: So few pieces are found faster one by one.
_FEW = 24
#: Looks in vain that take about as long as one search of its own.
_MOST_VAIN = 2_000


def first_places(text: str, pieces: Iterable[str]) -> dict[str, int]:
    """Where each piece first stands; those that stand nowhere are left out."""
    left = set(pieces)
    found: dict[str, int] = {}
    for length in _STRETCHES:
        group = {piece for piece in left if len(piece) >= 2 * length - 1}
        if len(group) > _FEW:
            found |= _sampled(text, group, length)
            left -= group
    for piece in left:
        if (at := text.find(piece)) >= 0:
            found[piece] = at
    return found


def _sampled(text: str, pieces: Collection[str], length: int) -> dict[str, int]:
    due = _Due(pieces, length)
    found: dict[str, int] = {}
    for at in range(0, len(text), length):
        candidates = due.by_stretch.get(text[at : at + length])
        if candidates is None:
            continue
        for piece, before in candidates:
            if piece in due.settled:
                continue
            if at >= before and text.startswith(piece, at - before):
                found[piece] = at - before
                due.settle(piece)
            elif due.in_vain(piece) and (place := text.find(piece, max(0, at - length))) >= 0:
                found[piece] = place
        if not due.by_stretch:
            break
    return found


class _Due:
    """Pieces that are looked for, by the stretches that tell of them."""

    def __init__(self, pieces: Collection[str], length: int) -> None:
        self._length = length
        #: Those that are found or given up.
        self.settled: set[str] = set()
        #: Stretch -> pieces, and how many of their characters come before it. Those that begin earlier come first.
        self.by_stretch: dict[str, list[tuple[str, int]]] = {}
        self._vain: dict[str, int] = {}
        for before in reversed(range(length)):
            for piece in pieces:
                self.by_stretch.setdefault(piece[before : before + length], []).append((piece, before))

    def settle(self, piece: str) -> None:
        """It is looked for no more."""
        self.settled.add(piece)
        for before in range(self._length):
            stretch = piece[before : before + self._length]
            if (candidates := self.by_stretch.get(stretch)) is None:
                continue
            left = [each for each in candidates if each[0] != piece]
            if left:
                self.by_stretch[stretch] = left
            else:
                del self.by_stretch[stretch]

    def in_vain(self, piece: str) -> bool:
        """Notes that it was not there; true where it is given up."""
        count = self._vain[piece] = self._vain.get(piece, 0) + 1
        if count < _MOST_VAIN:
            return False
        self.settle(piece)
        return True
