"""Three middlewares around calls that do nothing: what a job of theirs takes is what such functions cost."""

from __future__ import annotations

from homa_workers.middleware import CallNext, Completion, Request, around


@around
async def first(request: Request, call_next: CallNext) -> Completion:
    return await call_next(request)


@around
async def second(request: Request, call_next: CallNext) -> Completion:
    return await call_next(request)


@around
async def third(request: Request, call_next: CallNext) -> Completion:
    return await call_next(request)
