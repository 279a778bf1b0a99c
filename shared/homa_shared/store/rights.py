"""Whether the store's user may run what Homa runs: keys, commands and channels of its ACL.

Users of Redis 7 may use no channel unless they are told so, and hosted stores leave out categories of commands. A
script that is refused a command in its middle leaves what it wrote before, so that such a user is refused at the start.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.address import StoreAddress
from homa_shared.store.errors import GRANTED
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text

_KEY, _CHANNEL = "<key>", "<channel>"
#: Commands of scripts and clients, with arguments from which the store reads their keys.
COMMANDS: tuple[tuple[str, ...], ...] = (
    *(("COPY", _KEY, _KEY), ("DEL", _KEY), ("EXISTS", _KEY), ("GET", _KEY), ("INCR", _KEY), ("INCRBY", _KEY, "1")),
    *(("HDEL", _KEY, "f"), ("HEXISTS", _KEY, "f"), ("HGET", _KEY, "f"), ("HGETALL", _KEY), ("HLEN", _KEY)),
    *(("HINCRBY", _KEY, "f", "1"), ("HMGET", _KEY, "f"), ("HSET", _KEY, "f", "v"), ("HSETNX", _KEY, "f", "v")),
    *(("BLPOP", _KEY, "1"), ("LLEN", _KEY), ("LRANGE", _KEY, "0", "1"), ("MGET", _KEY), ("MSET", _KEY, "v")),
    *(("PERSIST", _KEY), ("PEXPIRE", _KEY, "1"), ("PTTL", _KEY), ("RENAME", _KEY, _KEY), ("RPUSH", _KEY, "v")),
    *(
        ("HKEYS", _KEY),
        ("SADD", _KEY, "v"),
        ("SET", _KEY, "v"),
        ("SISMEMBER", _KEY, "v"),
        ("SMEMBERS", _KEY),
        ("SCARD", _KEY),
    ),
    *(("SRANDMEMBER", _KEY), ("SREM", _KEY, "v"), ("HSCAN", _KEY, "0"), ("ZSCAN", _KEY, "0")),
    *(("XADD", _KEY, "*", "f", "v"), ("XRANGE", _KEY, "-", "+"), ("XREVRANGE", _KEY, "+", "-"), ("TYPE", _KEY)),
    *(
        ("XINFO", "STREAM", _KEY),
        ("XINFO", "GROUPS", _KEY),
        ("XINFO", "CONSUMERS", _KEY, "g"),
        ("XGROUP", "CREATE", _KEY, "g", "0"),
        ("XGROUP", "DELCONSUMER", _KEY, "g", "c"),
        ("XGROUP", "DESTROY", _KEY, "g"),
        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", _KEY, ">"),
    ),
    *(("XACK", _KEY, "g", "0-1"), ("XDEL", _KEY, "0-1"), ("XLEN", _KEY)),
    *(("XPENDING", _KEY, "g"), ("XCLAIM", _KEY, "g", "c", "1", "0-1")),
    *(("XREAD", "STREAMS", _KEY, "0"), ("XTRIM", _KEY, "MINID", "0"), ("ZADD", _KEY, "1", "v"), ("ZCARD", _KEY)),
    *(("ZINCRBY", _KEY, "1", "v"), ("ZMSCORE", _KEY, "v"), ("ZRANGE", _KEY, "0", "1"), ("ZRANK", _KEY, "v")),
    *(("ZRANGEBYSCORE", _KEY, "0", "1"), ("ZREM", _KEY, "v"), ("ZREVRANGE", _KEY, "0", "1"), ("ZSCORE", _KEY, "v")),
    *(("ZREVRANGEBYSCORE", _KEY, "1", "0"), ("ZPOPMIN", _KEY), ("INFO", "server"), ("TIME",), ("PING",)),
    *(("SCRIPT", "LOAD", "x"), ("ZRANDMEMBER", _KEY), ("HSTRLEN", _KEY, "f")),
    *(("STRLEN", _KEY), ("GETRANGE", _KEY, "0", "1"), ("LTRIM", _KEY, "0", "1")),
    *(("SMISMEMBER", _KEY, "v"), ("ZCOUNT", _KEY, "0", "1")),
    *(("EVALSHA", "x", "1", _KEY), ("PUBLISH", _CHANNEL, "v"), ("SUBSCRIBE", _CHANNEL)),
)


def denied_commands(keys: Keys) -> Op[Sequence[str]]:
    """Names of commands that the user may not run on the namespace's keys and channels."""
    return call(keys, "rights", _questions(keys), lambda reply: tuple(text(name) for name in reply or ()))


def require_rights(denied: Sequence[str], address: StoreAddress, keys: Keys) -> None:
    """Refuses a user who lacks a right.

    Raises:
        StoreUnavailable: with the command that grants what is missing.
    """
    if denied:
        raise StoreUnavailable(lack_of_rights(denied, address, keys))


def lack_of_rights(denied: Sequence[str], address: StoreAddress, keys: Keys) -> str:
    """What a user lacks, and the command that grants it."""
    shown = ", ".join(denied[:6]) + (f" and {len(denied) - 6} more" if len(denied) > 6 else "")
    return (
        f"the user {address.username or 'default'!r} of the store at {address} may not run {shown} on {keys.prefix}*: "
        f"grant it with `{acl_line(address, keys)}`"
    )


def acl_line(address: StoreAddress, keys: Keys) -> str:
    """The command by which a user gets all rights that Homa needs, to the namespace's keys and channels alone."""
    return (
        f"ACL SETUSER {address.username or 'default'} resetkeys ~{keys.prefix}* resetchannels &{keys.prefix}* {GRANTED}"
    )


def _questions(keys: Keys) -> list[str]:
    names = {_KEY: f"{keys.prefix}x", _CHANNEL: f"{keys.prefix}end:x"}
    return [json.dumps([names.get(part, part) for part in command]) for command in COMMANDS]
