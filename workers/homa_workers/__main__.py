"""`python -m homa_workers` is `homa worker`."""

import sys

from homa_workers.main import main

sys.exit(main())
