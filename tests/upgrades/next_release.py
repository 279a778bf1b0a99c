"""A worker of a release that does not exist yet: it reads and writes the next version of records and requests."""

from __future__ import annotations

import sys

from homa_shared.calls import request
from homa_shared.model import records

records.RECORD_VERSION += 1
request.REQUEST_VERSION += 1

if __name__ == "__main__":
    # Imported late: whatever it imports sees the versions above.
    from homa_workers.process.main import main

    sys.exit(main(sys.argv[1:]))
