"""What went wrong at the store, in Homa's words.

redis-py's errors are many and its messages know no setting; people need two: the store cannot be used
(`StoreUnavailable`), or it has no room (`StoreFull`). Any other reply of the store is a defect of the sender and
passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from homa_shared.model.errors import HomaError, StoreFull, StoreUnavailable
from homa_shared.store.address import SETTING, StoreAddress

_REACH = f"start it, or set {SETTING} to one that runs"
GRANTED = "+@read +@write +@scripting +@pubsub +@connection -@dangerous +info +time +config|get"
_GRANT = f"ACL SETUSER <user> ~* &* {GRANTED}"
#: Replies that mean "not now" or "not me", with what to do about each; the first match counts.
_REFUSALS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.AuthenticationError, f"check user and password in {SETTING}"),
    (exceptions.NoPermissionError, f"this user may not run Homa's commands: grant them with `{_GRANT}`"),
    (exceptions.BusyLoadingError, "it is loading its data: try again in a while"),
    (exceptions.MaxConnectionsError, f"it takes no more connections: raise its maxclients, or {_REACH}"),
    (exceptions.TimeoutError, f"it did not answer in time: look at its load and the network, or {_REACH}"),
    (exceptions.ConnectionError, _REACH),
    (exceptions.ReadOnlyError, f"it is a replica: set {SETTING} to the primary, or to its sentinels"),
    (exceptions.MasterDownError, "its primary is down: wait for the failover"),
    (exceptions.ClusterDownError, "the cluster is down: wait for it, or mend it"),
    (exceptions.MovedError, f"the namespace lives on another node of this cluster: set {SETTING} to that node"),
)
#: The same for replies that redis-py has no class for, by their code.
_CODES = {
    "MISCONF": "it cannot write its data to disk: free space there, or mend the disk",
    "BUSY": "somebody's script keeps it busy: wait for its end, or look at its SLOWLOG",
    "UNBLOCKED": "its role has changed: wait for the failover",
    "NOREPLICAS": "fewer replicas are connected than its min-replicas-to-write asks for: bring them back",
}


@contextmanager
def store_errors(address: StoreAddress) -> Iterator[None]:
    """Turn redis-py's errors into Homa's; in a coroutine the same `with` goes around the `await`.

    Raises:
        StoreUnavailable: no connection, no reply in time, wrong credentials, or a store that refuses to serve.
        StoreFull: the store is at its maxmemory.
    """
    try:
        yield
    except exceptions.RedisError as error:
        translated = store_error(error, address)
        if translated is None:
            raise
        raise translated from error


def store_error(error: Exception, address: StoreAddress) -> HomaError | None:
    """What a redis-py error means for Homa's users; None where it is a defect of ours, to be seen as it is."""
    if isinstance(error, exceptions.OutOfMemoryError):
        return StoreFull(
            f"the store at {address} is full ({_first_line(error)}): let workers drain it, shorten [retention], "
            "or raise its maxmemory"
        )
    if str(error).startswith("No connection available"):
        return _unavailable(address, error, "all connections of this process are busy: the store is slow, or too few")
    for kind, advice in _REFUSALS:
        if isinstance(error, kind):
            return _unavailable(address, error, advice)
    refusal = _CODES.get(str(error).partition(" ")[0])
    return _unavailable(address, error, refusal) if refusal else None


def _unavailable(address: StoreAddress, error: Exception, advice: str) -> StoreUnavailable:
    return StoreUnavailable(f"cannot use the store at {address}: {_first_line(error)}; {advice}")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
