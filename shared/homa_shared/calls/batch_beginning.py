"""What the requests of a batch begin with alike, kept once beside the batch (keys.py: batch_beginnings).

Parameters, targets, a system prompt: a line says little more of itself than its prompt. Its request is stored without
its beginning, and put together again where it is read, by take (scripts/lib/whole_request.lua) or a client:

    {"v":6,"in":"<name>","p":[{"c":      in the place of all in front of the content of the first message of its own
    {"v":6,"in":"<name>","m":            … in front of its messages, or inputs

What is stored stays JSON with a version: a worker of a release that knows no beginnings hands such a job back.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256

from homa_shared.model.constants import REQUEST_MARK

#: The first version of a request that may lack its beginning.
BEGINNING_VERSION = 6
_MARK = REQUEST_MARK.encode()
#: Bytes of a digest, and characters of it in base 64. Submit holds texts of one name against each other.
_DIGEST_BYTES, _NAME = 6, 8
_CONTENT, _MESSAGES = b'","p":[{"c":', b'","m":'


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of some requests.

    Args:
        text: up to the content of the first message of their own, or to their messages.
        in_message: whether it is the former.
    """

    text: bytes
    in_message: bool = False
    name: str = field(init=False)
    _lead: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name = urlsafe_b64encode(sha256(self.text).digest()[:_DIGEST_BYTES])
        object.__setattr__(self, "name", name.decode())
        object.__setattr__(self, "_lead", _MARK + name + (_CONTENT if self.in_message else _MESSAGES))

    def cut(self, request: bytes) -> bytes:
        """A request as it is stored: without this beginning, where it has it."""
        return self._lead + request[len(self.text) :] if request.startswith(self.text) else request


def name_of_beginning(stored: bytes) -> str | None:
    """The name of the beginning that a stored request lacks; None where it is whole."""
    return stored[len(_MARK) : len(_MARK) + _NAME].decode() if stored.startswith(_MARK) else None


def put_together(stored: bytes, beginning: bytes) -> bytes:
    """A request that lacks its beginning, with it."""
    end_of_name = len(_MARK) + _NAME
    in_message = stored.startswith(_CONTENT, end_of_name)
    return beginning + stored[end_of_name + len(_CONTENT if in_message else _MESSAGES) :]
