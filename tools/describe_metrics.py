#!/usr/bin/env python3
"""Writes docs/metrics.md from the catalogue of metrics: name, type, labels, meaning.

python tools/describe_metrics.py            writes the page
python tools/describe_metrics.py --check    exit status 1 when the page is not what it would write
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "shared"))

from homa_shared.metrics.catalogue import CATALOGUE, Source  # noqa: E402
from homa_shared.metrics.metric import MODELS_SHOWN, OTHER, QUEUES_SHOWN, Metric  # noqa: E402

PAGE = ROOT / "docs" / "metrics.md"

INTRODUCTION = f"""\
# Metrics

For Prometheus, and whatever reads its format. This page is written by `tools/describe_metrics.py` from
`shared/homa_shared/metrics/`: change that, then run it.

```sh
homa metrics                            # the store's, at http://127.0.0.1:9464/metrics
homa metrics --once                     # printed once
homa worker openai --metrics-port 9465  # those of a worker's own attempts
```

One `homa metrics` does for a fleet, or the gateway's `/metrics`, which shows it to keys of any role but tenant; each
worker serves its own. The two commands listen on loopback, unless `HOMA_METRICS_HOST`
says otherwise, and answer probes: `/livez` (503: only a restart helps) and `/readyz` (503: no work can be done now,
with the reason). `pip install 'homa-queue[metrics]'` is the part that they need; the parts `workers` and `gateway`
bring it.

Labels are names of the settings, models and a few fixed words. The first {MODELS_SHOWN} models of a provider that
are met and the first {QUEUES_SHOWN} queues have series of their own, all others share the label `{OTHER}`. No
metric names a tenant, a tag or a job, and none holds anything of a prompt, a reply or a key. Dollars and tokens are
what attempts told as they ended; the ledger (`homa costs`) also has what was corrected later.

A scrape of the store takes the same few commands for a million jobs as for none, and scrapes within a second share
one. `homa_queue_oldest_seconds` looks at the jobs that head their tenants' backlogs, 500 at most. `k8s/monitoring/`
has alert rules and a Grafana dashboard over these metrics.

**Needed workers** are what autoscaling should go by ([Kubernetes](kubernetes.md)):

```
homa_needed_workers = ceil(min(backlog, quota x latency) / concurrency)
```

*Backlog* is what may run now, or runs. *Quota x latency* is how many calls in flight the quota can feed: over the
models that jobs wait for, calls a second (of the limit that allows the fewest; answers count as long as those of
the model have been) times seconds a call, as live workers tell; 10 s before any has. A model that nothing may be
sent to for more than a minute feeds none, and the account's `concurrency` bounds the sum. *Concurrency* is what one
worker process does at once, as live workers tell. Never fewer than what runs needs, nor less than one while
anything waits.
"""

HEADINGS = {
    Source.STORE: ("The fleet's", "Exported by `homa metrics`, from the store."),
    Source.WORKER: (
        "A worker's",
        "Exported by each `homa worker --metrics-port`, of its own attempts. Counters begin at 0 with the process.",
    ),
}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for source, (heading, sentence) in HEADINGS.items():
        rows = [_row(entry.metric) for entry in CATALOGUE.values() if entry.source is source]
        parts += [
            f"## {heading}\n",
            f"{sentence}\n",
            "| metric | type | labels | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    return "\n".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |"


def main() -> int:
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(f"{PAGE.relative_to(ROOT)} is not current: run python tools/describe_metrics.py", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
