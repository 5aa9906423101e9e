"""What each verb of a plan does, and how it is undone. A verb asks first whether its effect is there already.

    resolve(call)   what is fixed with the intent, before anything happens: ports. Written with `step started`
    do(call)        the effect; returns facts for the report. May be tried again: its effect happens once
    undo(call)      takes it back; may be tried again too

A verb raises `SophiaError` for what a person can act on (`facts["final"]`: trying again is pointless; `facts["hold"]`:
going back would be worse, a person decides). `Fenced` goes up untouched: a newer engine owns the state.
"""

from __future__ import annotations

from sophia_deployment_core.steps.call import Call, Hands, Verb
from sophia_deployment_core.steps.checking import Candidate, Smoke, Verify
from sophia_deployment_core.steps.ending import Close, Drain, Prune, Remove
from sophia_deployment_core.steps.moving import Restore, Room, Switch
from sophia_deployment_core.steps.placing import Open, Place, Serve
from sophia_deployment_core.steps.starting import Prepare, Start, Stop
from sophia_deployment_core.steps.watching import Watch

VERBS: dict[str, Verb] = {
    "open": Open(),
    "place": Place(),
    "prepare": Prepare(),
    "start": Start(),
    "verify": Verify(),
    "serve": Serve(),
    "candidate": Candidate(),
    "smoke": Smoke(),
    "room": Room(),
    "switch": Switch(),
    "stop": Stop(),
    "watch": Watch(),
    "drain": Drain(),
    "remove": Remove(),
    "prune": Prune(),
    "close": Close(),
    "restore": Restore(),
}

__all__ = ["VERBS", "Call", "Hands", "Verb"]
