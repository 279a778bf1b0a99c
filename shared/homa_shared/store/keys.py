"""The one place that spells a key of the store.

Every key begins with the namespace as a hash tag, `{homa}:`, so that all keys of a namespace live in one cluster slot
and scripts may touch any of them. Python asks `Keys`; in Lua `K.job(id)` is written out when a script is put together
(`lua_key`), so that neither side spells a key by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homa_shared.encryption.cipher import Cipher


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One family of keys: how it is spelled, what it is and how long it lives."""

    pattern: str
    type: str
    lifetime: str
    meaning: str

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(re.findall(r"<(\w+)>", self.pattern))


KEYS: dict[str, KeySpec] = {
    # jobs
    "job": KeySpec("j:<id>", "hash", "retention.results after the end", "the record: fields in record_fields.py"),
    "request": KeySpec("p:<id>", "string", "until success", "the request as JSON"),
    "reply": KeySpec(
        "o:<id>", "string", "retention.results", "the outcome as JSON: reply, or error of the last attempt"
    ),
    "attempts": KeySpec("a:<id>", "hash", "as the record", "attempt number -> ended attempt; `step.<n>` -> paid reply"),
    "steps": KeySpec("e:<id>", "hash", "until the end", "`<n>` -> what to go on from; `<n>.<i>` -> tool call"),
    "template": KeySpec("tpl", "hash", "within one script", "fields that the jobs of one submission share"),
    "deltas": KeySpec("d:<id>", "stream", "an hour after the end", "streamed text of the job"),
    "idempotency": KeySpec(
        "k:<tenant>:<key>", "string", "retention.keys after the end", "`job digest` of the first request with this key"
    ),
    # where a job waits: exactly one of backlog, due, leases, waiting
    "lane": KeySpec("x:<queue>:<lane>", "zset", "-", "targets with a backlog -> when last served (us)"),
    "group": KeySpec("g:<queue>:<lane>:<target>", "zset", "-", "tenants with a backlog -> virtual time"),
    "backlog": KeySpec(
        "b:<queue>:<lane>:<target>:<tenant>", "zset", "-", "job -> its place: sequence number, by priority"
    ),
    "due": KeySpec("due", "zset", "-", "job -> when it becomes ready (ms)"),
    "leases": KeySpec("l", "zset", "-", "job:attempt -> expiry (ms)"),
    "waiting": KeySpec(
        "w:<reason>",
        "zset",
        "-",
        "job -> its place; reason is batch:<id>, budget:<instance>, follow:<key> or, job -> expiry (ms), token:<run>",
    ),
    "reasons": KeySpec("wr", "zset", "-", "reasons for which something waits -> since (ms)"),
    "deadlines": KeySpec("dl", "zset", "-", "live jobs with a deadline -> deadline (ms)"),
    # counters
    "counters": KeySpec(
        "n", "hash", "-", "submitted, live, succeeded, failed, cancelled, expired; replies, reply_bytes"
    ),
    "sequence": KeySpec("seq", "string", "-", "order of submission"),
    "queues": KeySpec("q", "set", "-", "every queue ever used"),
    "queue": KeySpec(
        "qc:<queue>",
        "hash",
        "-",
        "`lane.state` -> number of jobs; `paused` -> since (ms); `was_paused` -> from and till (ms)",
    ),
    # batches
    "batches": KeySpec("bs", "zset", "retention.results after the end", "batch -> created (ms)"),
    "batch": KeySpec("ba:<id>", "hash", "retention.results after the end", "state, total, counts, costs, cap, flags"),
    "batch_done": KeySpec("bd:<id>", "list", "as the batch", "jobs in the order in which they ended"),
    "batch_lines": KeySpec("bl:<id>", "hash", "as the batch", "line -> latest job, for lines that were retried"),
    "batch_beginnings": KeySpec(
        "bh:<id>",
        "hash",
        "as the batch, or its jobs' requests",
        "name -> what requests of its lines begin with alike (calls/batch_beginning.py)",
    ),
    # limits and money
    "target": KeySpec("t:<target>", "hash", "its scope's", "the plan of a target: its scopes; of a pool: its members"),
    "targets": KeySpec("ts", "set", "-", "every target with a plan"),
    "scope": KeySpec("s:<scope>", "hash", "retention.ledger after its last use", "limits and state of a scope"),
    "scopes": KeySpec("ss", "set", "-", "every scope"),
    "shared_prefix": KeySpec(
        "px:<target>:<digest>",
        "string",
        "four minutes after its last use",
        "a prefix that the prompt cache of a target holds",
    ),
    "breaker": KeySpec("m:<name>", "hash", "its scope's or target's", "circuit breaker of an account or a target"),
    "budget": KeySpec(
        "bu:<instance>", "hash", "400 days, a total for ever", "spent, unresolved, reserved (nano-dollars)"
    ),
    "budgets": KeySpec("bus", "set", "-", "every instance of the settings' budgets"),
    "ledger": KeySpec(
        "led", "stream", "retention.ledger, and as results", "a line an attempt, and a line a correction"
    ),
    "unresolved": KeySpec("un", "zset", "-", "job:attempt -> since (ms)"),
    "day": KeySpec("day:<day>", "hash", "for ever", "`row|measure` -> totals of a day; row is target|tenant or #tag"),
    "days": KeySpec("days", "set", "for ever", "days with totals"),
    # cache
    "cached": KeySpec("cc:<key>", "string", "the entry's time to live", "job whose reply answers equal requests"),
    "cache_index": KeySpec("ci", "zset", "-", "cache key -> last used (ms)"),
    "cache_stats": KeySpec(
        "cs", "hash", "-", "hits, misses, followers, stored; of single texts: vector_hits, vector_misses, …"
    ),
    "vector": KeySpec(
        "cv:<name>", "string", "as a cached reply", "a text's vector: 32-bit floats behind their model and a checksum"
    ),
    "vector_index": KeySpec("vi", "zset", "-", "`name:bytes` of a cached vector -> last used (ms)"),
    "leader": KeySpec(
        "cl:<key>", "string", "while the leader lives or followers end by its reply", "the job that equal jobs follow"
    ),
    # media: images and documents by digest, wherever their bytes are
    "media": KeySpec(
        "md:<digest>", "string", "while a job needs it", "bytes of a medium, where no blob store holds it"
    ),
    "media_places": KeySpec("mp", "hash", "-", "digest -> path in the blob store; `store` for bytes under media"),
    "media_uploads": KeySpec("mw", "zset", "-", "path of an upload under way -> until when it has time (ms)"),
    "media_litter": KeySpec(
        "ml",
        "zset",
        "until it is deleted",
        "path in the blob store that nothing refers to -> when a worker gets it (ms)",
    ),
    "media_until": KeySpec("mu", "zset", "-", "digest -> when somebody looks whether it is still needed (ms)"),
    "media_users": KeySpec(
        "mj:<digest>", "set", "while a job needs it", "ends of keys that refer to it: it lives as long as one of them"
    ),
    "moved_by": KeySpec("mv", "string", "-", "in fake fleets, whose clock tests move: how far ahead it is (ms)"),
    "learned": KeySpec(
        "tl:<target>",
        "hash",
        "for ever",
        "estimated and actual input tokens: what estimates are scaled by, and still miss",
    ),
    "written": KeySpec(
        "to:<target>", "hash", "for ever", "output tokens of some replies: what is expected of the next"
    ),
    # prompt templates
    "prompts": KeySpec("pr", "set", "-", "names of the prompt templates"),
    "prompt": KeySpec(
        "pr:<name>",
        "hash",
        "for ever",
        "`<version>` -> what it says; `current` version and its digest; `last` number that was given",
    ),
    "prompt_answers": KeySpec(
        "pr.to:<version>", "hash", "as the version", "`<target>|tokens`, `<target>|answers`: its answers' output tokens"
    ),
    # fleet
    "fleet": KeySpec("fleet", "string", "for ever", "the fleet's settings as JSON"),
    "config": KeySpec("cfg", "hash", "for ever", "what scripts need of them: retention, budgets, weights, version"),
    "workers": KeySpec("wks", "zset", "-", "worker -> last beat (ms)"),
    "worker": KeySpec("wk:<worker>", "hash", "an hour after the last beat", "what it is, and its last take"),
    "control": KeySpec("c:<worker>", "list", "a minute", "orders to one worker: cancel job attempt"),
    "bell": KeySpec("bell:<queue>", "list", "a minute", "wakes workers that wait for this queue"),
    "beat": KeySpec("beat", "hash", "-", "last renewal of leases, until when none is judged, whose server it was"),
    "events": KeySpec("ev", "stream", "the last ones, events.kept", "what happened, past tense"),
    "audit": KeySpec("au", "stream", "for ever", "what people changed by hand, each entry chained to the one before"),
    # handlers of events; each has a consumer group of its name in both streams
    "handlers": KeySpec("eh", "zset", "-", "event handler -> when a worker looked after it last (ms)"),
    "handler": KeySpec(
        "eh:<handler>", "hash", "until it is forgotten", "where its group stands, what it missed, letters dropped"
    ),
    "handler_events": KeySpec("er:<handler>", "stream", "until they are handled", "events put back for it alone"),
    "dead_letters": KeySpec("ed:<handler>", "hash", "the last ones, events.dead", "dead letter as JSON, by its name"),
    "dead_index": KeySpec("ei:<handler>", "zset", "as the letters", "dead letter -> when its event died (ms)"),
    "failures": KeySpec(
        "fc:<hour>",
        "hash",
        "two days",
        "failures by cause: `cause|target|count`, and `first`, `last` (ms), `sample` (job)",
    ),
    "batch_failures": KeySpec("bf:<id>", "hash", "as the batch", "the same of a batch, of lines as they stand"),
    "ended": KeySpec("ended", "zset", "retention.results", "jobs that failed, expired or were cancelled -> when (ms)"),
    # schedules
    "schedules": KeySpec("sc", "zset", "-", "schedule -> when its next tick's work is due (ms)"),
    "schedule": KeySpec(
        "sc:<id>",
        "hash",
        "until it is deleted; its cap 400 days longer",
        "definition, next and last tick, counts, alarm",
    ),
    "schedule_names": KeySpec("sc.names", "hash", "-", "name -> schedule"),
    "schedule_look": KeySpec(
        "sc.look", "string", "seconds", "the worker that fires ticks at present; any other may, too"
    ),
    "schedule_runs": KeySpec(
        "sc.runs:<id>", "zset", "as the schedule", "ticks of its latest runs that have ended -> when (ms)"
    ),
    "schedule_history": KeySpec("sc.history:<id>", "hash", "as the schedule", "tick -> its run as JSON"),
    "schedule_spans": KeySpec(
        "sc.spans:<id>",
        "zset",
        "as the schedule",
        "first tick of a row of ticks that all had a run -> the last one; `<id>~<gen>`: by times that were replaced",
    ),
    "schedule_definitions": KeySpec(
        "sc.was:<id>",
        "hash",
        "while runs of it wait",
        "generation -> a definition that was replaced while runs of it waited, as JSON",
    ),
    "schedule_queue": KeySpec("sc.queue:<id>", "zset", "as the schedule", "ticks that wait for the run before -> tick"),
    "schedule_ended": KeySpec(
        "sc.ended", "zset", "-", "`schedule:tick job` of runs that have ended and are to be summed up -> when (ms)"
    ),
    "schedule_watch": KeySpec(
        "sc.watch", "zset", "-", "`schedule:tick job` of runs that go on -> when they are late (ms)"
    ),
    "backfills": KeySpec("sc.backfills", "zset", "-", "backfill that has ticks left -> when it was moved on last (ms)"),
    "backfill": KeySpec("sc.backfill:<id>", "hash", "as its batch", "schedule, range, cursor, counts"),
    "schedule_deliveries": KeySpec(
        "sc.deliveries:<id>", "hash", "as the schedule", "its latest deliveries -> what became of each, as JSON"
    ),
    "schedule_delivered": KeySpec(
        "sc.delivered:<id>", "zset", "as the schedule", "its latest deliveries -> when each was asked for (ms)"
    ),
    "deliveries_ended": KeySpec(
        "sc.undelivered", "zset", "-", "jobs of deliveries that ended undelivered and are to be told of -> when (ms)"
    ),
    "webhooks_due": KeySpec(
        "wh.due", "zset", "-", "job, or `batch:<id>`, that has ended and whose webhook is to be told -> when (ms)"
    ),
    "webhook_tenants": KeySpec(
        "wh.tenants", "set", "-", "tenants that had webhooks; what became of these stands in `sc.deliveries:@<tenant>`"
    ),
    # conversations
    "conversations": KeySpec("cn", "zset", "-", "conversation -> last used (ms)"),
    "conversation": KeySpec(
        "cn:<id>",
        "hash",
        "retention.conversations after its last turn",
        "owner, tenant, system prompt, model, window; `n` turns, of which the last may be `pending`",
    ),
    "turns": KeySpec(
        "cn.turns:<id>",
        "hash",
        "as the conversation",
        "`<n>` -> p, a or f (pending, answered, failed), job, times; `<n>.u` messages; `<n>.a` reply; `<n>.e` error; "
        "`sum` the summary of turns that its window leaves out; `media` what they show",
    ),
    # flows: a run is a batch of the same id
    "flow": KeySpec(
        "fl:<run>",
        "hash",
        "retention.results after the end",
        "`graph` of its steps as JSON; definition, digests; `<step>|record`, `<step>|request` of their jobs; "
        "`<step>|made`, `<step>|succeeded`, … counts",
    ),
    "flow_nodes": KeySpec(
        "fl.n:<run>",
        "hash",
        "as the flow",
        "`<step> <path>` -> line of its job, or `x` and why it has no answer; `+ …`, `^ …`, `# …` counts "
        "(scripts/lib/flow_nodes.lua)",
    ),
    "flow_item": KeySpec("fl.i:<run>:<source>:<path>", "string", "twice retention.results", "an item's fields as JSON"),
    # files and batch files of the gateway
    "gateway_file": KeySpec(
        "gf:<id>", "hash", "until it expires or is deleted", "name, purpose, bytes, times, readers"
    ),
    "gateway_file_parts": KeySpec("gf.parts:<id>", "list", "as the file", "`name bytes` of its parts, in order"),
    "gateway_files": KeySpec("gf.of:<tenant>", "zset", "-", "`created file` of a tenant's files, in that order"),
    "gateway_file_ends": KeySpec(
        "gf.ends", "zset", "until its parts are deleted", "file that ends, or an upload under way -> when (ms)"
    ),
    "gateway_batch": KeySpec(
        "gb:<id>",
        "hash",
        "30 days after its end",
        "a batch of a file: what was asked, cursor, answered lines, its files",
    ),
    "gateway_batches": KeySpec(
        "gb.of:<api>:<tenant>", "zset", "-", "`created batch` of a tenant's batches of files, in that order"
    ),
    "gateway_batch_work": KeySpec(
        "gb.work", "zset", "until the batch ends", "batch of a file -> when somebody looks at it next (ms)"
    ),
    "gateway_seen": KeySpec(
        "gb.seen", "string", "-", "when a gateway last looked for batches of files to go on with (ms)"
    ),
    "gateway_stand_in": KeySpec(
        "gb.in:<place>", "string", "15 s, renewed", "a worker's process goes on with batches of files that are there"
    ),
    "gateway_elsewhere": KeySpec(
        "gb.not:<place>", "set", "a minute", "batches whose files are not there, so that others try"
    ),
    # gateway keys, bells of readers (`deltas`), batches of a named table (`table`): kept by their own modules
    "own": KeySpec("own:<kind>:<id>", "any", "as its module says", "records of modules outside the engine"),
}


class Keys:
    """Spells keys of one namespace: `Keys("homa").job("j1") == "{homa}:j:j1"`."""

    __slots__ = ("cipher", "namespace", "prefix")

    def __init__(self, namespace: str, cipher: Cipher | None = None) -> None:
        self.namespace = namespace
        self.prefix = f"{{{namespace}}}:"
        #: What seals the payloads under these keys (store/sealing.py); None: they stand in clear.
        self.cipher = cipher

    def __reduce__(self) -> tuple[type[Keys], tuple[str, Cipher | None]]:
        return Keys, (self.namespace, self.cipher)

    def __getattr__(self, name: str) -> _Speller:
        try:
            spec = KEYS[name]
        except KeyError:
            raise AttributeError(f"no key family {name!r}") from None
        return _Speller(self.prefix, spec)

    def channel_end(self, job_id: str) -> str:
        """Channel on which the end of a job is published."""
        return f"{self.prefix}end:{job_id}"

    def channel_ends(self, process: str) -> str:
        """Channel on which the ends of all jobs are published that a process submitted under its name."""
        return f"{self.prefix}ends:{process}"


class _Speller:
    __slots__ = ("prefix", "spec")

    def __init__(self, prefix: str, spec: KeySpec) -> None:
        self.prefix, self.spec = prefix, spec

    def __call__(self, *values: str) -> str:
        names = self.spec.parameters
        if len(values) != len(names):
            raise TypeError(f"key {self.spec.pattern!r} takes {names}, got {values}")
        head = self.spec.pattern.split("<", 1)[0]
        return self.prefix + (head + ":".join(values) if names else self.spec.pattern)


def lua_key(name: str, values: Sequence[str]) -> str:
    """Lua source of one key, where `P` holds the prefix.

    Args:
        name: of the family.
        values: Lua source of its parameters.

    Raises:
        TypeError: it takes another number of parameters.
    """
    spec = KEYS[name]
    if len(values) != len(spec.parameters):
        raise TypeError(f"key {spec.pattern!r} takes {spec.parameters}, got {list(values)}")
    head = spec.pattern.split("<", 1)[0]
    parts = [part for i, value in enumerate(values) for part in ((["':'"] if i else []) + [f"({value})"])]
    return "(" + " .. ".join(["P", f"'{head}'", *parts]) + ")"
