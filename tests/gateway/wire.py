"""Requests as no official client would send them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.patience import PATIENCE_S

JSON = {"content-type": "application/json"}


def post(url: str, content: Any, headers: Mapping[str, str] = JSON) -> httpx2.Response:
    """A body as it is."""
    return httpx2.post(url, content=content, headers=dict(headers), timeout=PATIENCE_S)


def raw(url: str, data: bytes, *, close: bool = False) -> bytes:
    """What a connection answers to some bytes."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as connection:
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def told(response: httpx2.Response) -> dict[str, Any]:
    """The error of OpenAI's shape, which it must have in full."""
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return error
