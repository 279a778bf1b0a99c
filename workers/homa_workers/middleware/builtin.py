"""The order in which a worker's middlewares are told."""

from __future__ import annotations

from collections.abc import Sequence

from homa_shared.store.client import AsyncStore
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.vector_cache import VectorCache
from homa_workers.middleware.attempt_log import AttemptLog
from homa_workers.middleware.base import Middleware
from homa_workers.middleware.media_release import MediaRelease
from homa_workers.middleware.prefix_warmup import PrefixWarmup
from homa_workers.middleware.sentry import SentryReports
from homa_workers.middleware.token_calibration import TokenCalibration
from homa_workers.middleware.vector_keeping import VectorKeeping
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io.media import Media


def in_order(
    log: WorkerLog,
    store: AsyncStore,
    book: FleetBook,
    media: Media,
    vectors: VectorCache,
    others: Sequence[Middleware] = (),
    calls: Sequence[Middleware] = (),
) -> list[Middleware]:
    """Homa's own middlewares with others' among them.

    What tells people of attempts comes first, so that nothing others do keeps a line from being written. What looks at
    calls as they are made comes behind those that adapt them; whoever leads a prefix calls at once.
    """
    return [
        AttemptLog(log),
        SentryReports(),
        *others,
        *calls,
        TokenCalibration(store),
        VectorKeeping(vectors),
        MediaRelease(media),
        PrefixWarmup(book),
    ]
