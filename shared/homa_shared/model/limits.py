"""A provider's quota, dimension by dimension.

A row of `DIMENSIONS` says what a limit is called in settings and in the store, over which time it counts, and what a
call takes of it. Plans, the scripts, the reads of limits, reports and forecasts go by the rows. A new dimension takes a
row here, an attribute of `Limits` and of the settings (`LimitSettings`), and, where no field of the record says yet
what a call takes of it, such a field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way in which providers count."""

    #: In settings, and in `Limits`; scripts have no use for it.
    name: str = field(metadata={"scripts": False})
    #: Of the limit in a scope's hash, in plan rows and for people.
    limit: str
    #: Of what was taken: in a scope's hash, in costs and in reports.
    letter: str
    #: Of the limit that headers told, in a scope's hash; None where no header tells it.
    told: str | None = None
    #: Field of the record that says what a call takes; None: it counts requests, one a call.
    record: str | None = None
    #: What that is called in `Tokens`.
    tokens: str | None = field(default=None, metadata={"scripts": False})
    #: Time in which so much may be taken, us.
    period_us: int = 60_000_000
    #: Whether the rate is found from refusals where no limit at all is configured; of one dimension only.
    adaptive: bool = False
    #: Whether tokens that the provider reads from its prompt cache may not count.
    exempts: bool = False


#: Quotas that open again bit by bit.
DIMENSIONS = (
    Dimension("rpm", "rpm", "r", told="hrpm", adaptive=True),
    Dimension("tpm", "tpm", "t", told="htpm", record="rt", tokens="total", exempts=True),
    Dimension("input_tpm", "itpm", "i", record="ri", tokens="input", exempts=True),
    Dimension("output_tpm", "otpm", "o", record="ro", tokens="output"),
)
#: Quotas of a day, fixed windows.
DAILY = (Dimension("rpd", "rpd", "r"),)
#: What the settings say of a scope, by its fields in the store.
CONFIGURED = (*(dimension.limit for dimension in (*DIMENSIONS, *DAILY)), "burst", "adaptive", "dayend")
#: The same, with what was taken of each quota that opens bit by bit, and what headers told of it.
SCOPE_FIELDS = (*CONFIGURED, *(d.letter for d in DIMENSIONS), *(d.told for d in DIMENSIONS if d.told))
#: All that scripts keep of a scope and read as a number (scripts/lib/limiter.lua, congestion.lua).
SCOPE_NUMBERS = frozenset(
    (
        *("conc", "busy", "frozen", "frozen_at", "probe", "refused", "ramp", "dayn", "rate", "grown", "acc"),
        *("cut_at", "cut_acc", "top", "told_at", "lowered", "seen", "tight", "tight_at", "held_till", *SCOPE_FIELDS),
    )
)


@dataclass(frozen=True, slots=True)
class Limits:
    """A quota by dimension; None is not limited."""

    #: Requests a minute.
    rpm: int | None = None
    #: Tokens a minute, in the provider's own sense of a total.
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    #: Requests a day.
    rpd: int | None = None

    @property
    def any(self) -> bool:
        """Whether at least one dimension is limited."""
        return any(limit is not None for limit in self.by_name().values())

    def over(self, wider: Limits) -> Limits:
        """These limits, with those of `wider` where these say nothing."""
        mine = {name: limit for name, limit in self.by_name().items() if limit is not None}
        return Limits(**(wider.by_name() | mine))

    def by_name(self) -> dict[str, int | None]:
        """Limits by their dimensions' names."""
        return {limit.name: getattr(self, limit.name) for limit in fields(self)}
