"""Numbers and lists that Python and the store's scripts go by alike.

A script gets what it names, `C.SLACK_MS`, written into its prelude (store/scripts/prelude.py). What one script alone
goes by stands there, as a local with a name.
"""

from __future__ import annotations

from homa_shared.model.records import ENDED, Lane

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS

# jobs

#: Lanes in the order of service.
LANES = tuple(map(str, Lane))
LANE_RANK = {lane: rank for rank, lane in enumerate(LANES, start=1)}
#: States that a job does not leave.
ENDED_STATES = frozenset(map(str, ENDED))
#: The target under which ordinary Dramatiq messages wait: they stand under no provider's limits.
ACTOR_TARGET = "actor"
#: Dramatiq's priorities are told apart up to so far from 0; one beyond counts as that.
MOST_PRIORITY = 1000
#: Places in a lane that each priority has: more than jobs are ever submitted, and few enough that the last place of the
#: last priority is a whole number which a sorted set's score, a double, holds exactly (2^53).
PLACES_PER_PRIORITY = 8_000_000_000_000
#: Begins the names of queues and targets of pools.
POOL_PREFIX = "pool-"
#: Wait that a job accepts before it goes to its next target, where it does not say.
SLACK_MS = 30_000
#: The same in the bulk lane.
BULK_SLACK_MS = 10 * _MINUTE_MS
#: A wait of so long is written into the record, with what held the job meanwhile.
WAIT_TOLD_MS = 1000
#: From so many expired leases on a job is suspected of killing workers: none runs beside another in one process.
SUSPECT_LEASES = 2
#: With so many expired leases a job fails as poisoned.
POISON_LEASES = 3
#: Failures are counted by the hour.
HOUR_MS = _HOUR_MS
#: How long their counts are kept.
FAILURES_KEPT_MS = 2 * _DAY_MS

#: A stored request that begins so lacks what is kept beside its batch (calls/batch_beginning.py); the name follows.
REQUEST_MARK = '{"v":6,"in":"'

# event handlers

#: Most events that a handler's worker is handed at once.
EVENTS_PAGE = 256
#: Most events that a handler's worker holds: those that run, those that are next, those that wait for their next try.
EVENTS_HELD = 2000
#: So many events at most are counted one by one to find out where a handler's group stands.
EVENTS_PLACED = 1000

# batches of files

#: A batch of a file that no gateway has gone on with for so long is gone on with by a worker's process.
UNTENDED_MS = 10_000
#: A batch whose input nobody reaches ends as failed so long after its window: until then it may be brought back.
INPUT_LOST_MS = _DAY_MS

# leases and workers

#: Length of a lease where nothing else is set.
LEASE_MS = 30_000
#: How long a good reply waits for others to be stored with, ms.
SETTLE_GATHER_MS = 10
#: A worker beats about each second; one that has not for so long counts as gone.
LIVE_MS = 5000
#: What is known of a worker is kept for so long after its last beat.
WORKER_KEPT_MS = _HOUR_MS
#: Orders to a worker that does not fetch them are dropped after this.
ORDERS_KEPT_MS = _MINUTE_MS
#: A doorbell that nobody answers falls silent after this.
BELL_KEPT_MS = _MINUTE_MS
#: Most rings that lie on a doorbell's list: more workers than these are not woken at once.
BELL_RINGS = 8
#: A worker that found no job to send on to its next target does not look for one again for so long.
LOOK_EACH_MS = 100
#: Housekeeping of the fleet is done so often, however many workers ask.
SWEEP_EACH_MS = 500
#: Jobs that one script handles at most, so that it keeps the store busy for a few milliseconds only.
SLICE = 500

# schedules

#: A tick whose work begins so much later than it was due is late.
LATE_MS = _MINUTE_MS
#: Runs of a schedule that its history keeps.
RUNS_KEPT = 100
#: Runs that wait for the one before, at most; further ticks are skipped.
RUNS_QUEUED = 100
#: Runs by which is told what a schedule's usually cost, and how long they take.
RUNS_USUAL = 10
#: The queue of deliveries of what runs came to.
DELIVERIES = "homa-deliveries"
#: A delivery is tried again for so long.
DELIVERY_MS = _DAY_MS
#: The queue of batches that schedules have due: each is filled by a process that reads its input.
BATCH_RUNS = "homa-batch-runs"
#: Queues of Homa's own, which every worker process serves once the fleet has them.
OWN_QUEUES = (DELIVERIES, BATCH_RUNS)
#: A batch that could not be filled is tried again for so long.
FILL_MS = _HOUR_MS
#: Lines of a batch among which its first failure is looked for.
LINES_LOOKED_AT = 100
#: Deliveries of a schedule that are told of.
DELIVERIES_KEPT = 200
#: Webhooks of a tenant's jobs and batches that are told of: those that have not arrived, and those that have.
WEBHOOKS_KEPT = 2000
WEBHOOKS_DELIVERED_KEPT = 500

# conversations

#: Turns of a conversation, at most, and where nothing else is said.
MOST_TURNS = 1000
#: Text of a conversation that the store keeps, messages and replies, bytes; larger messages are in the blob store.
CONVERSATION_BYTES = 4 * 1024 * 1024

# limits

#: Quota that may be used at once, ms, where nothing else is set.
BURST_MS = 500
#: The least that it is made after refusals below the limit, ms.
LEAST_BURST_MS = 20
#: Answers that a target takes before their mean is gone by.
LEAST_ANSWERS = 5
#: How long after its last use a shared prefix is taken to be in its target's prompt cache: providers keep it for five
#: minutes.
PREFIX_KEPT_MS = 4 * _MINUTE_MS

# retention, where the settings say nothing

#: Records and replies, after the end of their job.
RESULTS_KEPT_MS = 7 * _DAY_MS
#: Lines of the ledger.
LEDGER_KEPT_MS = 30 * _DAY_MS
#: Media that nothing refers to yet.
UPLOADS_KEPT_MS = _HOUR_MS
#: Conversations, after their last turn.
CONVERSATIONS_KEPT_MS = 90 * _DAY_MS
#: Replies and vectors in the cache.
CACHE_KEPT_MS = _DAY_MS
#: Instances of budgets, after they were last charged.
BUDGETS_KEPT_MS = 400 * _DAY_MS
#: Least time for which a job's record is kept after the last of its costs was settled.
SETTLED_KEPT_MS = 60_000
#: Newest events that are kept, and newest dead letters of each event handler.
EVENTS_KEPT = 100_000
DEAD_LETTERS_KEPT = 10_000

# money and media

#: What the ledger and its totals count.
MEASURES = ("requests", "input", "output", "cached", "nano", "unres", "unpriced", "saved")
#: What stands as a medium's place where its bytes are in the store itself.
IN_STORE = "store"
#: Percent of the store's maxmemory that used memory and the replies owed to accepted jobs may take.
FULL_PERCENT = 80
