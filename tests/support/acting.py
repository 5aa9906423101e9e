"""The three stories of the kill matrix on a real site: a release, a way back that somebody wants, one that nobody does.

Each brings about what it needs, lays the trap, lets its run end whatever dies on the way, and then looks at everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from sophia_deployment_core.environment import Shipped
from sophia_deployment_core.run import View

from tests.support.site import Site
from tests.support.trapped import Trap

Story = Literal["deploy", "rollback", "automatic rollback"]
STORIES: tuple[Story, ...] = get_args(Story)
SICK_WATCH_MS = 6_000
"""Long enough for a watch to see, after an engine's death too, that an instance is ill."""

Meanwhile = Callable[[str], None]
"""Called with the run once it was asked for."""


def act(story: Story, site: Site, trap: Trap | None = None, meanwhile: Meanwhile = lambda _run: None) -> View:
    """Play a story to its end and check it. With a trap it must have sprung."""
    return {"deploy": deploy, "rollback": rollback, "automatic rollback": automatic_rollback}[story](
        site, trap, meanwhile
    )


def deploy(site: Site, trap: Trap | None, meanwhile: Meanwhile) -> View:
    if trap is not None and trap.place.startswith("retire"):
        _make_warm(site)
    with site.traffic() as load:
        site.lay(trap)
        run = site.deploy()
        meanwhile(run)
        view = site.ended(run)
    site.check(run, "done", live=site.newest)
    site.unharmed(load)
    return view


def rollback(site: Site, trap: Trap | None, meanwhile: Meanwhile) -> View:
    other = _make_warm(site)
    with site.traffic() as load:
        site.lay(trap)
        run = site.rollback(other.revision.name)
        meanwhile(run)
        view = site.ended(run)
    site.check(run, "done", live=site.version_of(other.revision))
    site.unharmed(load)
    return view


def automatic_rollback(site: Site, trap: Trap | None, meanwhile: Meanwhile) -> View:
    """The new version answers users well, but not its probes: so nothing may be lost."""
    live, flag = site.live, f"sick-{site.newest}"
    with site.traffic() as load:
        site.lay(trap)
        run = site.deploy(fault=f"unhealthy-when:{flag}", watch_ms=SICK_WATCH_MS)
        site.ended(run, before=lambda: site.seen(run, "step started do watch"))
        (site.data("front") / flag).touch()
        meanwhile(run)
        view = site.ended(run)
    site.check(run, "rolled back", live=live)
    site.unharmed(load)
    return view


def _make_warm(site: Site) -> Shipped:
    """A version that is not live and still runs: the newest, or the one that a deployment leaves."""
    if _warm(site) is None:
        site.released()
    found = _warm(site)
    assert found is not None, "what was live before a deployment stays warm"
    return found


def _warm(site: Site) -> Shipped | None:
    site.look()
    for entry in reversed(site.standing.history):
        places = [site.standing.placements.get(load.key) for load in entry.revision.workloads.values()]
        if entry.revision != site.standing.live and all(place is not None for place in places):
            return entry
    return None
