"""What the work on all batches of files shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from homa.drivers.aio import AwaitingDriver
from homa.gateway.batches.line_format import LineFormat
from homa.gateway.files.kept_files import KeptFiles
from homa.submit.submitter import Submitter
from homa_shared.store.gateway_batches import GatewayBatch
from homa_shared.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the work on all batches shares."""

    keys: Keys
    driver: AwaitingDriver
    submitter: Submitter
    files: KeptFiles
    #: (API, endpoint) -> how its lines look.
    forms: Mapping[tuple[str, str], LineFormat]

    def form_of(self, batch: GatewayBatch) -> LineFormat:
        return self.forms[batch.api, batch.raw["endpoint"]]
