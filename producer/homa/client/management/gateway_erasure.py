"""Files and batches of files that a tenant gave the gateway, erased: their parts go with a gateway's next sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from homa.drivers.effects import Flow, ask_patiently
from homa_shared.model.constants import SLICE
from homa_shared.store.gateway_batches import APIS, batches_after, drop_batch
from homa_shared.store.gateway_files import Index, drop_file, files_after
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op


def erase_files(keys: Keys, tenant: str, *, look_only: bool) -> Flow[Counter[str]]:
    """Drops a tenant's batches of files, wherever they are, and then its files; tells how many.

    No further line of such a batch becomes a job; those that are jobs are cancelled with the tenant's others.

    Args:
        look_only: count, and change nothing.
    """
    counts: Counter[str] = Counter()
    for api in APIS:
        batches = partial(batches_after, keys, api, tenant, limit=SLICE, newest_first=False)
        counts["file_batches"] += yield from _each(batches, None if look_only else partial(drop_batch, keys))
    files = partial(files_after, keys, tenant, limit=SLICE, newest_first=False)
    counts["files"] += yield from _each(files, None if look_only else partial(drop_file, keys))
    return +counts


def _each(page_behind: Callable[..., Op[Index]], drop: Callable[[str], Op[Any]] | None) -> Flow[int]:
    count = 0
    row: str | None = None
    while True:
        page = yield from ask_patiently(page_behind(row=row))
        for name in page.ids:
            if drop is not None:
                yield from ask_patiently(drop(name))
        count += len(page.ids)
        if not page.more:
            return count
        row = page.last
