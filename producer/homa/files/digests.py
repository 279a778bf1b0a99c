"""A set of ids for millions of rows, however long the ids are.

Ids that count up, as `rows.jsonl:17`, `r17` and `row-0017` do, take about a bit each. Of any other the set keeps 16
bytes, about 0.1 GB for a million.
"""

from __future__ import annotations

from hashlib import blake2b

#: Bytes kept of each id: by the birthday bound two of 10⁹ ids meet with a probability below 10⁻²⁰.
DIGEST_BYTES = 16
_DIGITS = "0123456789"
#: Most digits of a number, and most different beginnings of ids that are counted: hashes end in digits, too.
_MOST_DIGITS = 15
_MOST_COUNTED = 4096
#: How many numbers there may be to each that was seen, and at first.
_SPARSE, _FIRST = 64, 4096


class _Numbers:
    """Numbers seen behind one beginning, a bit each, while they are dense."""

    __slots__ = ("beyond", "bits", "count")

    def __init__(self) -> None:
        self.bits = bytearray()
        self.count = 0
        #: Some were too large to be dense: they are kept as other ids are.
        self.beyond = False

    def takes(self, number: int) -> bool:
        return number < _FIRST + _SPARSE * self.count

    def add(self, number: int) -> bool:
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self.bits):
            self.bits.extend(bytes(place + 1 - len(self.bits)))
        if self.bits[place] & bit:
            return False
        self.bits[place] |= bit
        self.count += 1
        return True

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self.bits) and bool(self.bits[place] & 1 << (number & 7))


class Digests:
    """Ids seen so far; answers membership, cannot list them."""

    __slots__ = ("_counted", "_numbers", "_seen")

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._numbers: dict[str, _Numbers] = {}
        #: Ids among the numbers.
        self._counted = 0

    def add(self, custom_id: str) -> bool:
        """Remember an id; False when it was known already."""
        begin, number = _counted(custom_id)
        if number >= 0:
            numbers = self._numbers.get(begin)
            if numbers is None and len(self._numbers) < _MOST_COUNTED:
                numbers = self._numbers[begin] = _Numbers()
            if numbers is not None:
                if numbers.takes(number):
                    is_new = not (numbers.beyond and digest(custom_id) in self._seen) and numbers.add(number)
                    self._counted += is_new
                    return is_new
                # What is dense now need not have been so when it was seen.
                if number in numbers:
                    return False
                numbers.beyond = True
        before = len(self._seen)
        self._seen.add(digest(custom_id))
        return len(self._seen) > before

    def __contains__(self, custom_id: object) -> bool:
        if not isinstance(custom_id, str):
            return False
        begin, number = _counted(custom_id)
        numbers = self._numbers.get(begin) if number >= 0 else None
        return (numbers is not None and number in numbers) or (bool(self._seen) and digest(custom_id) in self._seen)

    def __len__(self) -> int:
        return len(self._seen) + self._counted


def _counted(custom_id: str) -> tuple[str, int]:
    """An id as its beginning and the number behind it; -1 where it ends in none. No two ids are the same pair."""
    begin = custom_id.rstrip(_DIGITS)
    digits = len(custom_id) - len(begin)
    if not 0 < digits <= _MOST_DIGITS:
        return begin, -1
    tail = custom_id[-digits:]
    # Numbers with zeros before them are counted apart, by their length.
    return (f"{begin}\0{digits}" if tail[0] == "0" and digits > 1 else begin), int(tail)


def digest(custom_id: str) -> bytes:
    """16 bytes that stand for an id."""
    return blake2b(custom_id.encode(), digest_size=DIGEST_BYTES).digest()
