"""Which requests are the same: under an idempotency key, and for the cache of replies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson

from homa.submit.encoded_messages import Prepared
from homa.submit.options import Options
from homa_shared.calls.request import StepRules
from homa_shared.model.pools import Hop, Pool

#: Part of each cache key: replies of another way to ask are not this one's.
_CACHE_VERSION = 1
#: Fields of the stored request that no answer depends on.
_WITHOUT_EFFECT = frozenset({"stream"})
#: Those that stand in cache keys without their names, as the first ones did.
_UNNAMED = ("steps", "api")


def digest(options: Options, prepared: Prepared) -> str:
    """What tells one request from another under the same idempotency key: 32 hex digits.

    It is made of what the application said, not of what settings made of it, which may change between two tries.
    """
    said = {
        "model": options.model,
        "fallbacks": options.fallbacks,
        "params": options.params,
        "messages": prepared.messages,
    }
    if prepared.inputs is not None:
        said["inputs"] = prepared.inputs
    said.update(_asked_beside(options))
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def cache_key(options: Options, params_json: bytes, hops: Sequence[Hop], prepared: Prepared) -> str:
    """What equal requests have in common, whose replies may stand for each other: SHA-256 in hex.

    Args:
        params_json: all that goes to the provider beside the messages, defaults included, keys sorted.
        hops: the chain of targets.
    """
    asked = b"%d\n%b\n%b\n%b\n" % (
        _CACHE_VERSION,
        options.tenant.encode(),
        orjson.dumps([hop.described if isinstance(hop, Pool) else str(hop) for hop in hops]),
        params_json,
    )
    for name, value in _asked_beside(options).items():
        asked += value.encode() if name in _UNNAMED else f"{name}={value}\n".encode()
    if prepared.inputs is not None:
        return hashlib.sha256(asked + prepared.json).hexdigest()
    messages = orjson.dumps(prepared.messages, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(asked + messages).hexdigest()


def _asked_beside(options: Options) -> dict[str, str]:
    """What the stored request says beside messages and provider options, as text."""
    asked = {
        name: value.encode().decode() if isinstance(value, StepRules) else str(value)
        for name, value in options.request.items()
        if name not in _WITHOUT_EFFECT
    }
    return {name: asked[name] for name in (*_UNNAMED, *sorted(asked.keys() - {*_UNNAMED})) if name in asked}
