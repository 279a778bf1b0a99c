"""Bedrock's replies, streams and failures, as tests send and meet them."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import orjson
import pytest

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Delta
from homa_workers.providers.base import Provider
from tests.providers.stub import Answer, reply

ACCOUNT = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}


USAGE = {
    "inputTokens": 35,
    "outputTokens": 40,
    "totalTokens": 140,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 5,
}


REQUEST_ID = {"x-amzn-requestid": "req_1"}


def answer(*blocks: dict[str, Any], reason: str = "end_turn") -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": reason,
        "usage": USAGE,
        "metrics": {"latencyMs": 5},
    }


def frame(kind: str, payload: dict[str, Any], *, message: str = "event") -> bytes:
    """A message of AWS's event stream: prelude, headers, payload, each followed by its checksum."""
    names = {":event-type" if message == "event" else ":exception-type": kind, ":message-type": message}
    names[":content-type"] = "application/json"
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in names.items()
    )
    body = orjson.dumps(payload)
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    content = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return content + struct.pack(">I", crc32(content))


def streamed(*frames: bytes) -> Answer:
    return reply(200, b"".join(frames), {"content-type": "application/vnd.amazon.eventstream", **REQUEST_ID})


def delta(index: int, **piece: Any) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": piece})


async def _ignore(_: Delta) -> None:
    """Takes pieces of a stream."""


async def failure(provider: Provider, way: str, call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await (provider.complete(call) if way == "complete" else provider.stream(call, _ignore))
    return caught.value
