"""`python -m homa_workers` is `homa worker`."""

import sys

from homa_workers.process.main import main

sys.exit(main())
