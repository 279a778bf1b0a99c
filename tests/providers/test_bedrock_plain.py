"""A plain Converse call is the one that aiobotocore would have made, and ends as that would have ended."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiobotocore")

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.bedrock.plain_call import PlainConverse
from homa_workers.providers.registry import create
from tests.providers.certificates import self_signed
from tests.providers.stub import Request, Stub, reply
from tests.providers.test_direct_calls import REFUSALS, assert_alike, facts

KEY, SECRET, TOKEN = "AKIAEXAMPLE", "example-secret", "example-token"
OPTIONS = {"region": "eu-west-1", "aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
MODEL = "eu.amazon.nova-lite-v1:0"
CALL = Call(
    MODEL, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße"}], {"max_tokens": 50}
)
#: What differs from one request to the next.
OF_ONE = {"authorization", "x-amz-date", "amz-sdk-invocation-id", "content-length"}
#: What aiohttp adds.
OF_AIOHTTP = {"accept", "accept-encoding", "connection"}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hallo"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    "metrics": {"latencyMs": 1},
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


async def asked(stub: Stub, call: Call = CALL, **options: Any) -> Any:
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options={**OPTIONS, **options}))
    try:
        return await provider.complete(call)
    except ProviderError as error:
        return error
    finally:
        await provider.aclose()


def by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        """No call is a plain one."""

    monkeypatch.setattr(PlainConverse, "call", never)


def sent_by_the_sdk(request: Request) -> bool:
    return "accept" in request.headers


@pytest.mark.parametrize("token", [None, TOKEN])
async def test_the_request_is_that_of_the_sdk(stub: Stub, token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"aws_session_token": token} if token else {}
    stub.answer = reply(200, CONVERSED)
    assert (await asked(stub, **options)).text == "Hallo"
    direct = stub.requests.pop()
    by_the_sdk(monkeypatch)
    assert (await asked(stub, **options)).text == "Hallo"
    own = stub.requests.pop()
    assert not sent_by_the_sdk(direct)
    assert sent_by_the_sdk(own)
    assert (direct.method, direct.path) == (own.method, own.path)
    assert_alike(direct, own)
    assert direct.headers.keys() - OF_AIOHTTP == own.headers.keys() - OF_AIOHTTP
    assert {n: v for n, v in direct.headers.items() if n not in OF_ONE} == {
        n: v for n, v in own.headers.items() if n not in OF_ONE | OF_AIOHTTP
    }


async def test_each_request_is_signed_with_its_own_body(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.answer = reply(200, CONVERSED)
    await asked(stub, aws_session_token=TOKEN)
    sent = stub.request
    signed = sent.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(signed)
    headers = {name: sent.headers[name] for name in signed if not name.startswith("x-amz")}
    again = AWSRequest("POST", stub.url + sent.path, headers=headers, data=sent.content)
    moment = datetime.datetime.strptime(sent.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007  as botocore's
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
    SigV4Auth(Credentials(KEY, SECRET, TOKEN), "bedrock", "eu-west-1").add_auth(again)
    assert again.headers["Authorization"] == sent.headers["authorization"]


@pytest.mark.parametrize(
    "refusal",
    [
        *sorted(REFUSALS.keys() - {"compressed"}),
        "of Amazon's",
        "by its header",
    ],
)
async def test_a_failure_is_that_of_the_sdk(stub: Stub, refusal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own_refusals = {
        "of Amazon's": reply(400, {"message": "too long", "__type": "com.amazon#ValidationException"}),
        "by its header": reply(429, {"message": "slow"}, {"x-amzn-errortype": "ThrottlingException:http://x"}),
    }
    stub.answer = own_refusals.get(refusal) or REFUSALS[refusal]
    direct = await asked(stub)
    by_the_sdk(monkeypatch)
    own = await asked(stub)
    # What a connection's failure is called differs with who connects.
    unnamed = {"ReadError", "RemoteProtocolError"}
    assert (facts(direct)[:3], facts(direct)[4:]) == (facts(own)[:3], facts(own)[4:])
    assert direct.code == own.code or direct.code in unnamed


@pytest.mark.parametrize(
    ("params", "content"),
    [
        ({"max_tokens": 50, "top_k": 5}, "a"),
        ({"max_tokens": 50, "service_tier": "priority"}, "a"),
        ({"max_tokens": 50}, [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]),
        ({"max_tokens": 50}, "x" * 300_000),
    ],
)
async def test_what_is_not_plain_is_left_to_the_sdk(stub: Stub, params: dict[str, Any], content: Any) -> None:
    stub.answer = reply(200, CONVERSED)
    assert (await asked(stub, Call(MODEL, [{"role": "user", "content": content}], params))).text == "Hallo"
    assert sent_by_the_sdk(stub.request)


async def test_arguments_that_the_sdk_refuses_are_never_sent(stub: Stub) -> None:
    error = await asked(stub, Call(MODEL, [{"role": "user", "content": "a"}], {"temperature": "warm"}))
    assert (error.kind, stub.requests) == ("invalid_request", [])


async def test_a_name_that_the_url_does_not_keep_is_left_to_the_sdk(stub: Stub) -> None:
    stub.answer = reply(200, CONVERSED)
    await asked(stub, Call(".", CALL.messages, CALL.params))
    # The signature is for the path with the name in it.
    assert (stub.request.path, sent_by_the_sdk(stub.request)) == ("/model/./converse", True)


async def test_another_signature_is_left_to_the_sdk(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bearer-token")
    stub.answer = reply(200, CONVERSED)
    no_keys = {"aws_access_key_id": None, "aws_secret_access_key": None}
    assert (await asked(stub, **no_keys)).text == "Hallo"
    assert stub.request.headers["authorization"] == "Bearer bearer-token"
    assert sent_by_the_sdk(stub.request)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
async def test_authorities_of_botocores_settings_are_left_to_it(
    stub: Stub, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(self_signed(tmp_path)))
    stub.answer = reply(200, CONVERSED)
    await asked(stub)
    assert sent_by_the_sdk(stub.request)
