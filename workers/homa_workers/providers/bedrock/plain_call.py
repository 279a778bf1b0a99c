"""Converse of texts alone, straight to the wire: aiobotocore's hooks, run for each call, cost ten times the exchange.

What does not change from call to call (address, region, user agent, which signature) is taken from a request that
aiobotocore makes and that is not sent. Its own parts do the rest: the validator checks arguments, SigV4 signs, the
parser reads the reply. An account that signs in another way, such as with a bearer token, keeps aiobotocore's way.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import httpx2
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserFactory
from botocore.validate import ParamValidator

from homa_workers.providers.direct_exchange import DirectExchange, goes_in_one_piece
from homa_workers.providers.json_body import encoded
from homa_workers.providers.recording import Recordings, seen_of

#: Arguments of a plain call; all others are aiobotocore's to write.
_PLAIN = frozenset({"modelId", "messages", "system", "inferenceConfig"})
#: The region and the service that a signature is for.
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request,")
#: Headers of the one request that they stand in.
_OF_ONE_REQUEST = frozenset(
    "authorization content-length x-amz-date x-amz-security-token x-amz-content-sha256 amz-sdk-invocation-id".split()
)


class _Shape(NamedTuple):
    """What the calls of one model share."""

    url: str
    headers: dict[str, str]
    region: str
    service: str
    exchange: DirectExchange
    #: For errors to name.
    request: httpx2.Request


class PlainConverse:
    """Plain Converse calls of one account.

    Args:
        client: aiobotocore's.
        credentials: aiobotocore's, which renews them where they end.
        exchange: makes the way to an address; None where it has to be aiobotocore's.
    """

    def __init__(self, client: Any, credentials: Any, exchange: Callable[[str], DirectExchange | None]) -> None:
        self._client = client
        self._credentials = credentials
        self._exchange_to = exchange
        self._exchange: DirectExchange | None = None
        self._shapes: Recordings[_Shape] = Recordings()
        model = client.meta.service_model
        self._operation = model.operation_model("Converse")
        self._parser = ResponseParserFactory().create_parser(model.resolved_protocol)

    async def call(self, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply as `client.converse` gives it; None where the call is not a plain one.

        Raises:
            ClientError, ResponseParserError: as `client.converse`.
            httpx2.HTTPError: there is no reply.
        """
        if self._credentials is None or not _is_plain(arguments):
            return None
        model = arguments["modelId"]
        shape = self._shapes.get(model)
        if shape is None:
            shape = await self._shapes.made(model, partial(self._shape, model))
        if shape is None or ParamValidator().validate(arguments, self._operation.input_shape).has_errors():
            return None
        content = encoded({name: value for name, value in arguments.items() if name != "modelId"})
        if not goes_in_one_piece(content) or (head := await self._head(shape, content)) is None:
            return None
        reply = await shape.exchange.send(head, content, shape.request)
        return self._parsed(reply.status, reply.headers, reply.content)

    async def aclose(self) -> None:
        """Closes every connection."""
        if self._exchange is not None:
            await self._exchange.aclose()

    async def _head(self, shape: _Shape, content: bytes) -> bytes | None:
        headers = {**shape.headers, "amz-sdk-invocation-id": str(uuid.uuid4())}
        request = AWSRequest("POST", shape.url, headers=headers, data=content)
        credentials = await self._credentials.get_frozen_credentials()
        SigV4Auth(credentials, shape.service, shape.region).add_auth(request)
        return shape.exchange.head(httpx2.Request("POST", shape.request.url, headers=list(request.headers.items())))

    def _parsed(self, status: int, headers: dict[str, str], content: bytes) -> dict[str, Any]:
        told = {"status_code": status, "headers": HeadersDict(headers), "body": content, "context": {}}
        reply: dict[str, Any] = self._parser.parse(told, self._operation.output_shape)
        if status >= 300:
            raise ClientError(reply, "Converse")
        return reply

    async def _shape(self, model: str) -> _Shape | None:
        """What aiobotocore would send, but for what is of one request."""
        sample = [{"role": "user", "content": [{"text": "a"}]}]
        seen = await seen_of(lambda: self._client.converse(modelId=model, messages=sample))
        if len(seen.requests) != 1:
            return None
        url, given = seen.requests[0]
        scope = _SCOPE.match(given.get("authorization", ""))
        self._exchange = self._exchange or self._exchange_to(url)
        request = httpx2.Request("POST", url)
        # The signature is for the path as it stands.
        is_kept = url.endswith(request.url.raw_path.decode("ascii"))
        if scope is None or self._exchange is None or not is_kept:
            return None
        headers = {name: value for name, value in given.items() if name not in _OF_ONE_REQUEST}
        return _Shape(url, headers, scope[1], scope[2], self._exchange, request)


def _is_plain(arguments: Mapping[str, Any]) -> bool:
    return arguments.keys() <= _PLAIN and all(
        block.keys() == {"text"} for turn in arguments["messages"] for block in turn["content"]
    )
