"""Commands go out as redis-py would send them, each in one piece."""

from __future__ import annotations

import pytest
from redis._parsers.encoders import Encoder
from redis.connection import PythonRespSerializer
from redis.exceptions import DataError

from homa_shared.store.connection import StoreAddress, connect_async, connect_sync
from homa_shared.store.wire import packed

THEIRS = PythonRespSerializer(6000, Encoder("utf-8", "strict", decode_responses=False).encode)
COMMANDS = [
    ("GET", "é"),
    (b"GET", b"\0\r\n"),
    ("SCRIPT LOAD", "return 1"),
    (b"CONFIG GET", "a b"),
    ("EVALSHA", "0" * 40, 1, "{n}:", 0, -7, 2**63, 1.5, 1e300, "", b"", bytearray(b"x"), memoryview(b"y")),
    ("SET", "k", b"x" * 100_000, "PX", 5),
    ("PING",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
def test_a_command_is_packed_as_redis_py_packs_it(command: tuple[object, ...]) -> None:
    assert packed(*command) == b"".join(bytes(part) for part in THEIRS.pack(*command))


@pytest.mark.parametrize("word", [None, True, [1], {"a": 1}])
def test_what_is_no_word_is_refused(word: object) -> None:
    with pytest.raises(DataError, match="a word of a command"):
        packed("SET", "k", word)


def test_half_a_letter_is_refused() -> None:
    with pytest.raises(UnicodeError):
        packed("SET", "k", "\ud800")


async def test_both_clients_send_commands_of_any_size(store_address: StoreAddress, namespace: str) -> None:
    large = b"x" * 3_000_000
    client, loop_client = connect_sync(store_address), connect_async(store_address)
    assert client.execute_command("SET", namespace, large) in (True, b"OK")
    assert await loop_client.execute_command("GET", namespace) == large
    pipe = loop_client.pipeline(transaction=False)
    for i in range(50):
        pipe.execute_command("SET", f"{namespace}:{i}", large[: 1000 * i])
    await pipe.execute()
    assert client.execute_command("STRLEN", f"{namespace}:49") == 49_000
    client.close()
    await loop_client.aclose()
