"""A store for people who have none: Valkey's own server, started where it is needed, one for each directory.

It outlives its starter, since jobs do, and leaves when nobody has used it for a while. Three processes play a part:

1. A *starter* (any process that calls `EmbeddedStore.ensure`) takes the directory's `starter.lock`, so that of several
   at once one launches and the others find what it launched.
2. The *keeper* (`keeper.py`) detaches into a session of its own, holds `keeper.lock`, runs the server as its child,
   restarts it after a crash, and stops it when it is idle.
3. The *server* has inherited an open `server.lock`. The kernel frees it when the last process of the server ends,
   however it ends: that, and no recorded pid, says whether the directory is in use.

A keeper that was killed is replaced by the next starter; the new one watches the server that it finds.
"""

from homa_shared.store.embedded.directory import StoreDirectory
from homa_shared.store.embedded.store import EmbeddedStore, StoreStatus

__all__ = ["EmbeddedStore", "StoreDirectory", "StoreStatus"]
