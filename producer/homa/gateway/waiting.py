"""A request waits for its job: it is cancelled where the client goes away, unless it is to be kept."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from homa.client.results import Failure, Reply
from homa.client.streams import Piece
from homa.gateway import errors
from homa.gateway.departure import ClientGone, unless_gone
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.job_headers import is_kept
from homa.gateway.sent_calls import CallPart, CallsDiffer, SentCalls
from homa.gateway.sent_text import SentText
from homa.submit.asked import AcceptedJob
from homa_shared.model.errors import HomaError, JobEnded, ResultTimeout, StoreUnavailable

_log = logging.getLogger("homa.gateway")


async def answer_of(inquiry: Inquiry, job: AcceptedJob) -> Reply[Any]:
    """The reply of a job.

    Raises:
        ApiError: it ended without one, or not in time.
        ClientGone: the client went away; the job is cancelled unless it is kept.
    """
    waiting = inquiry.jobs.outcome(job, inquiry.services.limits.wait_s)
    try:
        outcome = await unless_gone(inquiry.request.receive, waiting)
    except ClientGone:
        await cancelling(inquiry, job.job_id)()
        raise
    except ResultTimeout as error:
        await cancelling(inquiry, job.job_id)()
        raise ApiError(504, str(error), "timeout", retry=False, job_id=job.job_id) from None
    except StoreUnavailable as error:
        told = errors.of_error(error)
        told.job_id = job.job_id
        raise told from error
    if isinstance(outcome, Failure):
        raise await _failed(inquiry, outcome)
    await inquiry.settle(job, _tokens(outcome))
    return outcome


async def _failed(inquiry: Inquiry, failure: Failure) -> ApiError:
    """What a client is told; when to come again, where the provider said so."""
    told = errors.of_failure(failure)
    if told.code == "rate_limit_exceeded" and failure.provider:
        with suppress(HomaError):
            told.retry_after_s = await inquiry.jobs.frozen_s(failure.provider)
    return told


async def pieces_of(
    inquiry: Inquiry, job: AcceptedJob, give_up: Callable[[], Awaitable[None]], *, with_calls: bool = True
) -> AsyncGenerator[Piece | CallPart | Reply[Any] | ApiError, None]:
    """Pieces of a job's answer and then its reply; what goes wrong on the way comes last, as a value.

    What was sent cannot be taken back: an attempt that answers otherwise than the one before ends the stream.

    Args:
        give_up: is called where it does: nobody waits for its answer.
        with_calls: calls of tools are told as they are written, else by the reply alone.
    """
    text, calls = SentText(with_calls=with_calls), SentCalls()
    try:
        async for item in inquiry.jobs.follow(job):
            if not isinstance(item, Piece):
                for told in await _ending(inquiry, job, item, text, calls):
                    yield told
                return
            if piece := text.next(item):
                yield piece
            if text.is_void:
                await give_up()
                yield _broken_off(job.job_id)
                return
            if item.tool_calls and with_calls:
                for part in calls.next(item.tool_calls):
                    yield part
    except Exception as error:
        yield await _went_wrong(inquiry, job.job_id, error)


async def _went_wrong(inquiry: Inquiry, job_id: str, error: Exception) -> ApiError:
    """What a stream that cannot go on tells."""
    if isinstance(error, CallsDiffer):
        return _broken_off(job_id)
    if isinstance(error, JobEnded):
        outcome = await inquiry.jobs.ended(job_id)
        return errors.of_failure(outcome) if isinstance(outcome, Failure) else errors.internal()
    if isinstance(error, HomaError):
        return errors.of_error(error)
    _log.error("the stream of job %s failed", job_id, exc_info=error)
    return errors.internal()


async def _ending(
    inquiry: Inquiry, job: AcceptedJob, reply: Reply[Any], text: SentText, calls: SentCalls
) -> list[CallPart | Reply[Any] | ApiError]:
    """What is told last: what calls lack, and the reply; raises CallsDiffer where it has others."""
    await inquiry.settle(job, _tokens(reply))
    if text.is_held:
        return [_broken_off(job.job_id)]
    return [*(calls.rest(_calls_of(reply)) if calls else ()), reply]


def _calls_of(reply: Reply[Any]) -> list[dict[str, Any]]:
    choices = reply.body.get("choices") or [{}]
    return list((choices[0].get("message") or {}).get("tool_calls") or ())


def _tokens(reply: Reply[Any]) -> int:
    """What a reply counts for against its key's rate."""
    return 0 if reply.cached else reply.usage.input_tokens + reply.usage.output_tokens


def cancelling(inquiry: Inquiry, job_id: str) -> Callable[[], Awaitable[None]]:
    """What is done where nobody waits for a job's answer any more."""

    async def cancel() -> None:
        if is_kept(inquiry.request.headers):
            return
        try:
            await inquiry.jobs.cancel(job_id)
        except HomaError as error:
            _log.warning("job %s could not be cancelled when its client went away: %s", job_id, error)

    return cancel


async def leave() -> None:
    """What is done where a job goes on, whoever waits for it."""


def _broken_off(job_id: str) -> ApiError:
    message = "the attempt that wrote this broke off, and another one answers otherwise: what came is void"
    return ApiError(502, f"{message}; GET /v1/jobs/{job_id} tells how it ends", "stream_restarted", job_id=job_id)
