"""A provider's quota, dimension by dimension."""

from __future__ import annotations

from dataclasses import dataclass


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
        return any(limit is not None for limit in (self.rpm, self.tpm, self.input_tpm, self.output_tpm, self.rpd))

    def over(self, wider: Limits) -> Limits:
        """These limits, with those of `wider` where these say nothing."""
        mine, theirs = self, wider
        return Limits(
            rpm=theirs.rpm if mine.rpm is None else mine.rpm,
            tpm=theirs.tpm if mine.tpm is None else mine.tpm,
            input_tpm=theirs.input_tpm if mine.input_tpm is None else mine.input_tpm,
            output_tpm=theirs.output_tpm if mine.output_tpm is None else mine.output_tpm,
            rpd=theirs.rpd if mine.rpd is None else mine.rpd,
        )
