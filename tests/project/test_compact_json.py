"""What a process keeps for long takes no more memory than its bytes."""

from __future__ import annotations

import ctypes
from typing import Any

import orjson
import pytest

from homa_shared.model.json_safe import compact_json, sound_json
from homa_workers.providers.json_body import encoded

#: Longer than what Python keeps in pools of its own, and shorter than orjson's first buffer.
VALUE: dict[str, Any] = {"model": "m", "text": "x" * 1000}


def allocated(data: bytes) -> int:
    """Bytes that the allocator holds for an object."""
    libc = ctypes.CDLL(None)
    size = getattr(libc, "malloc_usable_size", None) or libc.malloc_size
    size.argtypes, size.restype = [ctypes.c_void_p], ctypes.c_size_t
    return int(size(id(data)))


@pytest.mark.parametrize("write", [compact_json, sound_json, encoded])
def test_a_kept_value_has_no_spare_buffer(write: Any) -> None:
    data = write(VALUE)
    assert data == orjson.dumps(VALUE)
    assert allocated(data) < len(data) + 200


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(TypeError):
        compact_json({"x": object()})
