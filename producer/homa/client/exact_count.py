"""Asks a provider's own count of tokens, in a process of its own: a client loads no provider's SDK.

The process gets the account with the question, on its standard input: neither its arguments nor its environment hold a
key, and settings that exist in this process only hold there, too.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from homa.drivers import fake_in_force
from homa.drivers.effects import Flow
from homa.submit.submitter import Submitter
from homa_shared.calls.tokens import Count
from homa_shared.model.errors import CountFailed, InvalidRequest, MissingExtra
from homa_shared.model.targets import Target

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

_COMMAND = ("-m", "homa_workers.process.exact_count")
#: Longest that a provider may take, s.
LONGEST_S = 60.0
#: Exit statuses of the process (homa_workers/process/exact_count.py).
_USAGE, _MISSING = 2, 4
#: What an adapter needs to know of an account, beside its key.
_ACCOUNT = {"kind", "base_url", "timeout_s", "keep_alive_s", "reply_max_bytes", "concurrency", "region", "options"}


def target_of(model: str, submitter: Submitter) -> Flow[Target]:
    """The target that a model's name leads to; the store is asked only where it is an alias."""
    if ":" in model:
        return Target.parse(model)
    view = yield from submitter.view()
    return Target.parse(view.fleet.follow(model)[0])


def count_exactly(settings: Settings, target: Target, content: str | Sequence[Mapping[str, Any]]) -> Count:
    """The provider's own count of the tokens of a text or of messages.

    Raises:
        InvalidRequest: the provider is not configured in this process, or offers no count.
        MissingExtra: its SDK is not installed here.
        CountFailed: it did not answer.
    """
    if fake_in_force.opened:
        return fake_in_force.opened[-1].counted(target, content)
    asked = _question(settings, target, content)
    try:
        run = subprocess.run(
            [sys.executable, *_COMMAND], input=asked, capture_output=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _too_slow(target) from None
    return _answer(target, run.returncode, run.stdout, run.stderr)


async def count_exactly_async(settings: Settings, target: Target, content: str | Sequence[Mapping[str, Any]]) -> Count:
    """The same for an event loop; cancelling it leaves no process behind."""
    if fake_in_force.opened:
        return fake_in_force.opened[-1].counted(target, content)
    asked = _question(settings, target, content)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *_COMMAND, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(LONGEST_S):
            out, err = await process.communicate(asked)
    except TimeoutError:
        raise _too_slow(target) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return _answer(target, process.returncode, out, err)


def _question(settings: Settings, target: Target, content: str | Sequence[Mapping[str, Any]]) -> bytes:
    given = settings.providers.get(target.provider)
    if given is None:
        raise InvalidRequest(
            f"an exact count asks {target.provider} itself, which is not configured here: set its key, "
            "or count without exact"
        )
    account = given.model_dump(mode="json", include=_ACCOUNT) | {"api_key": given.key()}
    messages = [{"role": "user", "content": content}] if isinstance(content, str) else list(content)
    asked = {"provider": target.provider, "model": target.model, "messages": messages, "account": account}
    return orjson.dumps(asked)


def _answer(target: Target, status: int, out: bytes, err: bytes) -> Count:
    if status == _MISSING:
        missing = orjson.loads(out)
        raise MissingExtra(missing["what"], missing["extra"])
    said = err.decode(errors="replace").strip()[-500:]
    if status == _USAGE:
        raise InvalidRequest(said)
    if status:
        raise CountFailed(f"{target.provider} did not count: {said}")
    tokens = orjson.loads(out)["tokens"]
    if tokens is None:
        raise InvalidRequest(f"{target.provider} offers no count: without exact it is counted offline")
    return Count(int(tokens), exact=True)


def _too_slow(target: Target) -> CountFailed:
    return CountFailed(f"{target.provider} did not count within {LONGEST_S:g} s: try again, or count without exact")
