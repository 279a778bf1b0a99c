"""The one place that spells a field of a job's record, as `store/keys.py` does for keys.

A row says what a field is called in the store (short: millions of records stand in memory) and in Python, what it
means, and where it goes. Everything else follows from the rows: what submit writes, what take hands to a worker, what a
retry copies, what the end of an attempt removes, how values are read, and the page docs/store.md. Scripts get the lists
that they name as `FIELDS.<list>` (store/scripts/prelude.py).

A new field that a worker needs takes a row here, an attribute of `Common` or `Entry` (transitions/submit.py) and one of
`Claim` (transitions/attempts.py) under the row's name, and its use.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto
from functools import cache


class FieldType(Enum):
    """How a field's value, a text in the store, is read."""

    TEXT = "text"
    NUMBER = "number"
    #: A whole number that scripts keep as text: Lua would round what lies beyond 2^53.
    EXACT_NUMBER = "exact number"
    #: There, or not.
    FLAG = "flag"


class Place(Flag):
    """Where a field comes from, and where it goes."""

    NOWHERE = 0
    #: Submitted once for all jobs of a submission: an attribute of `Common`.
    COMMON = auto()
    #: Submitted with each job: an attribute of `Entry`.
    ENTRY = auto()
    #: Written even where it says what its absence would.
    ALWAYS = auto()
    #: Handed to a worker by take: an attribute of `Claim`.
    TAKEN = auto()
    #: Copied to the job that retries this one.
    RETRIED = auto()
    #: There while an attempt runs; removed when it ends.
    RUNNING = auto()
    #: There while the job waits for something; removed with the wait.
    WAITING = auto()
    #: In no record: scripts find it out. What take reckons is a span, so that no clock but the store's matters.
    RECKONED = auto()


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a record."""

    #: In the store and in scripts.
    short: str
    #: In Python.
    name: str
    meaning: str
    type: FieldType = FieldType.TEXT
    places: Place = Place.NOWHERE
    #: What a reader takes its absence for.
    absent: str | int | None = None
    #: Where an `Entry` has it, if not under its name.
    path: str = ""

    @property
    def is_number(self) -> bool:
        return self.type in (FieldType.NUMBER, FieldType.EXACT_NUMBER)

    def read(self, value: str) -> str | int | None:
        """The value of a text from the store; empty is absent."""
        if value == "":
            return self.absent
        return int(value) if self.is_number else value


_COMMON, _ENTRY, _ALWAYS = Place.COMMON, Place.ENTRY, Place.ALWAYS
_TAKEN, _RETRIED, _RUNNING, _WAITING = Place.TAKEN, Place.RETRIED, Place.RUNNING, Place.WAITING
#: Submitted with all jobs alike, handed to workers and copied on retry.
_OPTION = _COMMON | _TAKEN | _RETRIED
_NOWHERE = Place.NOWHERE


def _text(
    short: str, name: str, meaning: str, places: Place = _NOWHERE, absent: str | None = "", path: str = ""
) -> RecordField:
    return RecordField(short, name, meaning, FieldType.TEXT, places, absent, path)


def _number(
    short: str, name: str, meaning: str, places: Place = _NOWHERE, absent: int | None = None, path: str = ""
) -> RecordField:
    return RecordField(short, name, meaning, FieldType.NUMBER, places, absent, path)


def _flag(short: str, name: str, meaning: str, places: Place = _NOWHERE) -> RecordField:
    return RecordField(short, name, meaning, FieldType.FLAG, places, "")


RECORD_FIELDS: tuple[RecordField, ...] = (
    # what it is
    _number("v", "version", "version of the record", _OPTION, 1),
    _text("st", "state", "state"),
    _text("kd", "kind", "kind: j a job, m a Dramatiq message", _OPTION, "j"),
    _text("q", "queue", "queue", _OPTION | _ALWAYS),
    _text("ln", "lane", "lane", _OPTION | _ALWAYS),
    _text(
        "tg",
        "target",
        "target that it waits for (a pool's name, `pool-<alias>`, in a pool's queue)",
        _COMMON | _RETRIED | _ALWAYS,
    ),
    _text("tn", "tenant", "tenant", _OPTION | _ALWAYS),
    _number(
        "sq", "sequence", "its place in its group: the sequence number, behind all places of priorities before its own"
    ),
    _number("pr", "priority", "of a Dramatiq message: its priority in its lane, the lowest first", _COMMON, 0),
    # attempts
    _number("at", "attempt", "number of the latest attempt (the fence)", _TAKEN, 0),
    _number("tr", "tries", "attempts that count against mx", _TAKEN, 0),
    _number("mx", "max_attempts", "most attempts over the whole chain of targets", _OPTION | _ALWAYS, 1),
    _number("dl", "deadline_ms", "deadline, ms of the store's clock"),
    _number("px", "expired_leases", "leases that expired under it", _TAKEN, 0),
    # what a call reserves
    _number("rt", "total_tokens", "total tokens to reserve", _ENTRY | _TAKEN | _RETRIED, 0, "tokens.total"),
    _number("ri", "input_tokens", "input tokens to reserve", _ENTRY | _TAKEN | _RETRIED, 0, "tokens.input"),
    _number("ro", "output_tokens", "output tokens to reserve", _ENTRY | _TAKEN | _RETRIED, 0, "tokens.output"),
    _text("pk", "prefix", "digest of what its prompt shares with others", _ENTRY | _RETRIED, path="prefix.digest"),
    _number("pt", "prefix_tokens", "input tokens of that", _ENTRY | _RETRIED, 0, "prefix.tokens"),
    _number(
        "xt",
        "exempt_tokens",
        "input tokens that were not reserved, since the provider's prompt cache holds them",
        _RUNNING,
    ),
    RecordField(
        "bn",
        "bound",
        "upper bound of one call's cost, nano-dollars; absent: unpriced",
        FieldType.EXACT_NUMBER,
        _ENTRY | _TAKEN | _RETRIED,
    ),
    _number("jb", "job_budget", "the job's own budget, nano-dollars", _COMMON | _RETRIED),
    # what its caller said
    _text("ba", "batch", "batch", _OPTION),
    _text("ci", "custom_id", "custom id", _ENTRY | _TAKEN | _RETRIED),
    _text("ik", "idempotency_key", "idempotency key that it was the first to be submitted under"),
    _text("tags", "tags", "a line `key=value` each", _OPTION),
    _text("md", "metadata", "what it carries for its application, as JSON", _ENTRY | _RETRIED),
    _flag("cx", "cancel", "1: cancel was asked for while it ran"),
    _text("oa", "on_ambiguous", "on_ambiguous: retry or fail", _OPTION, "retry"),
    _text("cp", "on_content_policy", "on_content_policy: fail or reroute", _OPTION, "fail"),
    _number("sl", "slack_ms", "slack, ms", _OPTION),
    _number("fb", "fallbacks_left", "targets left in its chain", _OPTION, 0),
    _text("ck", "cache_key", "cache key", _OPTION),
    _text("nt", "notify", "process that is told of its end on a channel of its own", _COMMON),
    _text("gk", "gateway_key", "key of the gateway whose budget it spends", _COMMON | _RETRIED),
    _text("wh", "webhook", "URL that is told of its end", _COMMON | _RETRIED),
    _text("sc", "schedule", "the run of a schedule that it does, `schedule:tick`", _RETRIED),
    _text(
        "cv", "turn", "the turn of a conversation that it answers, `conversation:n`; `…:sn` sums up n turns", _RETRIED
    ),
    _text("nd", "node", "the node of a flow's run that it does, `step path`; the run is its batch"),
    _text("tk", "token", "by which it is answered from outside, where it does a step of a flow that waits"),
    _text("aw", "answer_digest", "SHA-256 of what was answered by its token"),
    # what it cost
    _number("co", "cost", "known cost so far, nano-dollars", _TAKEN, 0),
    _number("un", "unresolved", "unresolved cost so far, nano-dollars", _TAKEN, 0),
    _number("uo", "unresolved_attempts", "attempts whose cost is unresolved", absent=0),
    _number("sv", "cache_saved", "what the provider's prompt cache saved so far, nano-dollars", absent=0),
    _number("sb", "submitted_ms", "submitted, ms", absent=0),
    # the running attempt
    _text("wk", "worker", "worker", _RUNNING, None),
    _number("as", "started_ms", "start of the attempt, ms", _RUNNING),
    _text("ps", "account_scope", "account scope reserved from", _RUNNING),
    _text("qs", "quota_scope", "quota scope reserved from", _RUNNING),
    _text("tt", "called_target", "target called, where a pool's member serves it", _RUNNING),
    _text("bi", "budgets", "budget instances reserved from, a line each", _RUNNING),
    # where it waits, and its end
    _number("due", "due_ms", "when it becomes ready, ms", _WAITING),
    _text("why", "waits_for", "what it waits for", _WAITING, None),
    _number(
        "rd", "ready_ms", "since when it waits where it does, ms, where that is not since it was submitted", _RUNNING
    ),
    _text("hb", "waited_for", "what held it for a second or longer since its latest attempt, a line `ms kind name`"),
    _number("en", "ended_ms", "ended, ms"),
    _number("wa", "winner", "attempt whose reply ended it"),
    _text("ww", "winner_worker", "worker that made it"),
    _text("ca", "cause", "kind of the error by which it failed", absent=None),
    _text("of", "retry_of", "job that this one retries", absent=None),
    _text("rb", "retried_by", "job that retries this one", absent=None),
    # steps
    _number("sn", "steps", "steps: replies and refusals that a later attempt goes on from"),
    _flag("sw", "between_steps", "1: between two steps, nothing is in flight", _RUNNING),
    _number("sr", "reserved_step", "step whose call is reserved", _RUNNING),
    _number("sa", "step_reserved_ms", "when that was, ms", _RUNNING),
    _text(
        "rn",
        "reservation_nonce",
        "nonce of its worker's latest request to reserve a call or to give one back",
        _RUNNING,
    ),
    _number("sx", "steps_cost", "known cost of the attempt's steps, nano-dollars", _RUNNING),
    _number("su", "steps_unresolved", "unresolved cost of the attempt's steps, nano-dollars", _RUNNING),
    _text("sy", "steps_budgets", "budget instances of steps with unresolved cost, a line each", _RUNNING),
    _number("sz", "steps_saved", "what the prompt cache saved in the attempt's steps, nano-dollars", _RUNNING),
    _text("li", "line", "line of its batch, where a retry's id does not tell it"),
    # what scripts find out
    _text("damage", "damage", "which field holds no number where one must stand", Place.RECKONED, None),
    # spans
    _number("left", "left_ms", "time until its deadline, ms; 0 for none", _TAKEN | Place.RECKONED, 0),
    _number("waited", "waited_ms", "time since it was submitted, ms", _TAKEN | Place.RECKONED, 0),
)


@cache
def fields_at(place: Place) -> tuple[RecordField, ...]:
    """Every field of a place, in the order of the table."""
    return tuple(field for field in RECORD_FIELDS if place in field.places)


@cache
def number_fields() -> frozenset[str]:
    """Short names of the fields that scripts read as numbers."""
    stored = (field for field in RECORD_FIELDS if Place.RECKONED not in field.places)
    return frozenset(field.short for field in stored if field.type is FieldType.NUMBER)


@cache
def by_name() -> dict[str, RecordField]:
    """Fields by their names in Python."""
    return {field.name: field for field in RECORD_FIELDS}


@cache
def by_short() -> dict[str, RecordField]:
    """Fields by their names in the store."""
    return {field.short: field for field in RECORD_FIELDS}


def short(name: str) -> str:
    """What a field is called in the store."""
    return by_name()[name].short
