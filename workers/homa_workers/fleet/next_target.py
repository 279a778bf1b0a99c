"""Where a job goes when it leaves its target: the next one of its chain that can do it."""

from __future__ import annotations

from homa_shared.calls.request import JobRequest
from homa_shared.kinds.parameter_rules import lack
from homa_shared.model.errors import HomaError
from homa_shared.model.pools import Pool, members_of, queue_of
from homa_shared.model.targets import Target
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.next_target import NextTarget
from homa_workers.fleet.fleet_cache import FleetBook


def next_target(
    book: FleetBook,
    claim: Claim,
    request: JobRequest,
    *,
    wider: bool = False,
    skipped: list[tuple[str, str]] | None = None,
) -> NextTarget | None:
    """The next target of a job's chain, None where the chain ends.

    A target whose provider the fleet no longer has is passed over.

    Args:
        book: the fleet as the worker sees it.
        wider: only to a target whose context window is larger, as far as settings and price lists say.
        skipped: targets that are passed over are added to it, with the reason.
    """
    behind = request.options[len(request.options) - claim.fallbacks_left :] if claim.fallbacks_left else ()
    for i, option in enumerate(behind):
        hop = book.hop(option.target)
        why = _lack(book, option.target, claim.target, claim.tenant, request, wider=wider)
        if why is not None:
            if skipped is not None:
                skipped.append((option.target, why))
        elif hop is not None:
            return NextTarget.of(option, queue_of(hop), len(behind) - i - 1)
    return None


def _lack(book: FleetBook, target: str, than: str, tenant: str, request: JobRequest, *, wider: bool) -> str | None:
    """Why a job cannot go on to a target; None where it can.

    Media and features were looked at when it came; what families of models take may be better known by now.
    """
    hop = book.hop(target)
    if hop is None:
        return "the fleet has no such provider or pool any more"
    try:
        known = [book.known(str(member)) for member in members_of(hop)]
    except HomaError as error:
        # As where the package that brings its kind cannot be loaded.
        return str(error)
    barred = (book.fleet.region_lack(member, tenant, request.regions) for member in members_of(hop))
    if why := next(filter(None, barred), None):
        return why
    if isinstance(hop, Pool):
        return None
    if why := lack(known[0].family, hop.model, request.messages, request.params):
        return why
    if not wider:
        return None
    mine, theirs = (book.prices.context_window(Target.parse(name)) for name in (target, than))
    if mine is None or theirs is None or mine > theirs:
        return None
    return f"its context window of {mine} tokens is no larger than the {theirs} of {than}"
