"""What each adapter sends for a call, compared with what was recorded: field by field, and in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Delta
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.golden_calls import CASES, MODELS, OF_OTHER_MODELS, STREAMED, call_of
from tests.providers.stub import Stub, reply, serving

GOLDEN = Path(__file__).parent / "golden"
#: The SDK of a kind that an extra brings.
EXTRAS = {"bedrock": "aiobotocore", "gemini": "google.genai"}
OPTIONS = {"bedrock": {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}}
#: One answer is an error for all, since only requests count here.
REFUSED = reply(400, {"error": {"message": "seen"}})


@asynccontextmanager
async def adapter(kind: str, stub: Stub) -> AsyncIterator[Provider]:
    served = "openai" if kind == "responses" else kind
    base_url = f"{stub.url}/v1" if served == "openai" else stub.url
    provider = create(ProviderConfig(served, served, SecretStr("any"), base_url, options=OPTIONS.get(kind, {})))
    try:
        yield provider
    finally:
        await provider.aclose()


async def ignore(_: Delta) -> None:
    """Takes pieces of a stream."""


async def sent(provider: Provider, stub: Stub, call: Call, *, streamed: bool = False) -> dict[str, Any]:
    """Path and body of the request that a call becomes, or the kind of its refusal where nothing is sent."""
    stub.requests.clear()
    with pytest.raises(ProviderError) as caught:
        await (provider.stream(call, ignore) if streamed else provider.complete(call))
    if not stub.requests:
        return {"refused": caught.value.kind.value}
    return {"path": stub.request.path, "body": stub.request.json}


async def recorded(kind: str) -> dict[str, Any]:
    """Every case of a kind, by its name."""
    wanted = [(case, "") for case in CASES]
    wanted += [(case, model) for of_kind, model, case in OF_OTHER_MODELS if of_kind == kind]
    found: dict[str, Any] = {}
    async with serving(REFUSED) as stub, adapter(kind, stub) as provider:
        for case, model in wanted:
            name = f"{case} {model}".rstrip()
            call = call_of(kind, case, model)
            before = deepcopy(call)
            found[name] = await sent(provider, stub, call)
            assert call == before, f"{name}: the call itself was changed"
        for case in STREAMED:
            found[f"{case}, streamed"] = await sent(provider, stub, call_of(kind, case), streamed=True)
    return found


def _lines(cases: dict[str, Any]) -> bytes:
    """One JSON object with a line for each case, so that a change shows which requests it changes."""
    lines = (b'"%b": %b' % (name.encode(), orjson.dumps(request)) for name, request in cases.items())
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


@pytest.mark.filterwarnings("ignore:default is not a valid ServiceTier")
@pytest.mark.parametrize("kind", MODELS)
async def test_requests_are_those_that_were_recorded(kind: str) -> None:
    if find_spec(EXTRAS.get(kind, "openai")) is None:
        pytest.skip(f"the {kind} extra is not installed")
    golden = orjson.loads((GOLDEN / f"requests_{kind}.json").read_bytes())
    found = await recorded(kind)
    assert found.keys() == golden.keys()
    for name, request in found.items():
        # Bytes, not objects: a prompt cache tells prompts apart by the order of their fields, too.
        assert orjson.dumps(request) == orjson.dumps(golden[name]), f"{kind}: {name}"


async def record() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for kind in MODELS:
        (GOLDEN / f"requests_{kind}.json").write_bytes(_lines(await recorded(kind)))


if __name__ == "__main__":
    asyncio.run(record())
