"""Jobs and batches as methods take them: handles, records, or ids."""

from __future__ import annotations

from typing import Protocol

from homa.client.not_found import check_id


class HasId(Protocol):
    """A handle, or a record such as `JobInfo`."""

    @property
    def id(self) -> str: ...


def id_of(what: str, given: HasId | str) -> str:
    """The id of a job or batch (`what`).

    Raises:
        InvalidRequest: it is none of those.
    """
    found = given if isinstance(given, str) else getattr(given, "id", given)
    check_id(what, found)
    return str(found)


def id_or_none(what: str, given: HasId | str | None) -> str | None:
    return None if given is None else id_of(what, given)
