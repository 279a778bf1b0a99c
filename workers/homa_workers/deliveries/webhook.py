"""Posts a delivery to a URL, signed as Standard Webhooks says (https://www.standardwebhooks.com, specification 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence

import aiohttp
from aiohttp import ClientConnectorDNSError, ClientConnectorError

from homa_workers.deliveries.addresses import AddressRefused, public_socket
from homa_workers.deliveries.undelivered import Undelivered

#: Longest that one try may take, s, connecting included.
TIMEOUT_S = 30.0
_GONE = 410


def signed_headers(keys: Sequence[bytes], delivery: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows a delivery, and that it is ours.

    The library of that name was not taken: it brings an HTTP client and four other packages for these lines.

    Args:
        keys: the bytes of the secrets, each of which gives a signature of its own; none sends none.
    """
    headers = {"webhook-id": delivery, "webhook-timestamp": str(timestamp_s), "content-type": "application/json"}
    if keys:
        said = f"{delivery}.{timestamp_s}.".encode() + body
        headers["webhook-signature"] = " ".join(f"v1,{_digest(key, said)}" for key in keys)
    return headers


def _digest(key: bytes, said: bytes) -> str:
    return base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()


async def post(url: str, delivery: str, body: bytes, *, keys: Sequence[bytes], private: bool) -> None:
    """Posts it once.

    Args:
        keys: sign it.
        private: addresses that are not public are allowed, too.

    Raises:
        Undelivered: the receiver did not answer with a status of 200 to 299, or may not be asked.
    """
    try:
        status = await _status(url, signed_headers(keys, delivery, int(time.time()), body), body, private=private)
    except ClientConnectorError as error:
        raise _not_connected(error) from None
    except aiohttp.InvalidURL:
        raise Undelivered("its URL cannot be read by what posts to it", is_final=True) from None
    except aiohttp.ClientResponseError as error:
        # Its own words have the URL in them, and a secret in that.
        raise Undelivered(f"the receiver's answer cannot be read: {error.message}") from None
    except TimeoutError:
        raise Undelivered(f"no answer within {TIMEOUT_S:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Undelivered(f"{type(error).__name__}: {error}") from None
    if 300 <= status < 400:
        raise Undelivered(f"the receiver answered {status}, and redirects are not followed: name the address itself")
    if not 200 <= status < 300:
        raise Undelivered(f"the receiver answered {status}", is_final=status == _GONE)


def _not_connected(error: ClientConnectorError) -> Undelivered:
    if isinstance(error.os_error, AddressRefused):
        why = f"{error.host} has no public address; workers may post to it with deliver_private = true"
        return Undelivered(why, is_final=True)
    if isinstance(error, ClientConnectorDNSError):
        return Undelivered(f"its host cannot be found: {error.os_error}")
    return Undelivered(f"{type(error).__name__}: {error}")


async def _status(url: str, headers: dict[str, str], body: bytes, *, private: bool) -> int:
    connector = aiohttp.TCPConnector(use_dns_cache=False, socket_factory=None if private else public_socket)
    # No proxy of the environment: it would resolve the name anew, where nobody looks.
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status
