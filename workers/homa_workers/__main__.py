"""`python -m homa_workers` is `homa worker`."""

import gc
import sys

# What is imported and made at the start stays: the collector would walk through it again and again, for a fifth of the
# time that a worker takes to start. `collect_rarely` switches it on again.
gc.disable()

from homa_workers.process.main import main  # noqa: E402

sys.exit(main())
