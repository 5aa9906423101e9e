"""How things stand while no engine runs, told from the ledger alone: everything was taken down, on purpose.

An engine that ends in an orderly way gives the state back; one that died does not. So an engine that is missing is told
from one that nobody wants.
"""

from __future__ import annotations

import time

from sophia_deployment_core.world import World
from sophia_infrastructure.places import Places
from sophia_infrastructure.state import archive
from sophia_security.secrets import LocalSecrets

from sophia_deployment.engine import showing
from sophia_deployment.wire import StatusOut

AT_ONCE = 5_000


def status(places: Places) -> StatusOut | None:
    """`None` where something is up, or an engine is missing. Raises `SophiaError` where there is no ledger to read."""
    database = places.state / "state.db"
    if not database.is_file() or not archive.is_given_back(database):
        return None
    world = World()
    with archive.reading(database) as read:
        while events := read(world.head.seq, AT_ONCE):
            world.apply_all(events)
    if world.open_runs() or any(standing.open for standing in world.environments.values()):
        return None
    return showing.resting(world, LocalSecrets(places.state), now_ms=time.time_ns() // 1_000_000)
