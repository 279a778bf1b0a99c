"""Additions to a request that is encoded already (request.py)."""

from __future__ import annotations

from homa_shared.calls.flow_rules import AnswerRules


def sharing(request: bytes, mark: bytes) -> bytes:
    """An encoded request with the encoded mark of what it shares."""
    return b'%b,"shared":%b}' % (request[:-1], mark)


def ruled(request: bytes, rules: AnswerRules) -> bytes:
    """An encoded request with what is asked of its answer."""
    return b'%b,"rules":%b}' % (request[:-1], rules.encode())


def traced(request: bytes, traceparent: str) -> bytes:
    """An encoded request with the context of its job's trace; older workers leave it alone."""
    return b'%b,"trace":"%b"}' % (request[:-1], traceparent.encode())
