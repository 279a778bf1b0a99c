"""What went wrong at the store, in Homa's words.

redis-py's errors are many and its messages know no setting; people need two: the store cannot be used
(`StoreUnavailable`), or it has no room (`StoreFull`). Any other reply of the store is a defect of the sender and
passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from homa_shared.model.errors import ConfigError, HomaError, StoreFull, StoreUnavailable
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
_NO_TLS = (
    "it speaks no TLS at this port: use redis:// instead of rediss://, or redis+sentinel:// instead of "
    f"rediss+sentinel://, in {SETTING}"
)
_NO_CERTIFICATE = (
    f"start it, or, where it wants a certificate of its clients, name its files as ?ssl_certfile=FILE&ssl_keyfile=FILE "
    f"in {SETTING}"
)
_TLS_FILES = f"check the files that ssl_ca_certs, ssl_certfile and ssl_keyfile name in {SETTING}"
#: What is wrong with TLS, by words of the failure to connect that it comes as.
_TLS = {
    "mismatch, certificate": f"its certificate names another host: name the host as the certificate does in {SETTING}",
    "CERTIFICATE_VERIFY_FAILED": "its certificate comes from an authority that is not known here, or its time is over: "
    f"name the authority's file as ?ssl_ca_certs=FILE in {SETTING}",
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "CERTIFICATE_REQUIRED": "it wants a certificate of its clients: name its files as "
    f"?ssl_certfile=FILE&ssl_keyfile=FILE in {SETTING}",
    "ALERT": f"it refuses this client's certificate: {_TLS_FILES}",
    "X509": _TLS_FILES,
    "PEM": _TLS_FILES,
    "No such file": _TLS_FILES,
    "Permission denied": _TLS_FILES,
}
#: How a server that hangs up is told of, by when it does.
_HUNG_UP = ("closed by server", "reset by peer", "Broken pipe", "EOF occurred")
#: The same for replies that redis-py has no class for, by their code.
_CODES = {
    "DB": f"it has no database of this number: name one that it has at the end of {SETTING}, as a rule /0",
    "MISCONF": "it cannot write its data to disk: free space there, or mend the disk",
    "BUSY": "somebody's script keeps it busy: wait for its end, or look at its SLOWLOG",
    "UNBLOCKED": "its role has changed: wait for the failover",
    "NOREPLICAS": "fewer replicas are connected than its min-replicas-to-write asks for: bring them back",
}

#: What a process lacks that is to seal what it sends.
NO_KEYS = "set HOMA_ENCRYPTION_KEYS or HOMA_ENCRYPTION_KEYS_FILE here as the other processes have it"


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
    if str(error).startswith("CLEAR "):
        return ConfigError(f"{str(error).removeprefix('CLEAR ')}: {NO_KEYS}")
    if str(error).startswith("No connection available"):
        return _unavailable(address, error, "all connections of this process are busy: the store is slow, or too few")
    if address.is_tls and isinstance(error, exceptions.ConnectionError):
        for words, advice in _TLS.items():
            if words in str(error):
                return _unavailable(address, error, advice + _told_by_sentinels(address, words))
        # TLS 1.3 refuses a client behind its handshake, by hanging up.
        if "ssl_certfile" not in address.options and any(words in str(error) for words in _HUNG_UP):
            return _unavailable(address, error, _NO_CERTIFICATE)
    for kind, advice in _REFUSALS:
        if isinstance(error, kind):
            return _unavailable(address, error, advice)
    refusal = _CODES.get(str(error).partition(" ")[0])
    return _unavailable(address, error, refusal) if refusal else None


def _told_by_sentinels(address: StoreAddress, words: str) -> str:
    """What else may be wrong where sentinels say the store's host: as they come they tell addresses and no names."""
    if address.service is None or "mismatch" not in words:
        return ""
    return ", and let sentinels tell the store's name (resolve-hostnames yes, announce-hostnames yes)"


def _unavailable(address: StoreAddress, error: Exception, advice: str) -> StoreUnavailable:
    return StoreUnavailable(f"cannot use the store at {address}: {_first_line(error)}; {advice}")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
