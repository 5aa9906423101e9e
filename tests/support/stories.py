"""Platforms and releases for stories about runs, and an engine made of a `Runner` on the fakes' ground."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sophia_deployment_core import planning
from sophia_deployment_core.canonical import digest
from sophia_deployment_core.environment import Standing
from sophia_deployment_core.ledger import Draft
from sophia_deployment_core.plan import Plan
from sophia_deployment_core.platform import Platform
from sophia_deployment_core.release import Release, Revision, revise
from sophia_deployment_core.run import ENDED, View
from sophia_deployment_core.runner import Runner
from sophia_deployment_core.testing import Ground, virtual_time

T = TypeVar("T")

HEALTH = {"path": "/health", "every_ms": 100, "consecutive": 2, "within_ms": 3_000}
"""front -> orders -> stock, front -> prices -> stock; stock needs the single `counter`; a worker `ticker`."""
NEEDS = {"front": ["orders", "prices"], "orders": ["stock"], "prices": ["stock"], "stock": ["counter"], "counter": []}


def platform(
    *, watch_ms: int = 2_000, replicas: int = 1, without: Iterable[str] = (), quiet: str = "probes"
) -> Platform:
    names = [name for name in (*NEEDS, "ticker") if name not in without]
    services: dict[str, Any] = {name: _service(name, names, replicas) for name in names}
    local = {
        "edge": {"port": 8080},
        "strategy": {"blue_green": {"watch_ms": watch_ms, "warm_ms": 60_000, "quiet": quiet}},
    }
    return Platform.model_validate({"platform": "story", "services": services, "environments": {"local": local}})


def _service(name: str, names: Sequence[str], replicas: int) -> dict[str, Any]:
    service: dict[str, Any] = {
        "source": name,
        "bundle": {"include": ["*"], "run": ["serve", name]},
        "needs": [need for need in NEEDS.get(name, []) if need in names],
        "routes": ["/"] if name == "front" else [],
        "worker": name == "ticker",
        "single": name == "counter",
    }
    if name == "front":
        service |= {"smoke": [{"get": "/version"}], "replicas": replicas}
    return service if name == "ticker" else service | {"health": HEALTH}


def artifact(service: str, version: str) -> str:
    return digest({"service": service, "version": version})


def revision(of: Platform, version: str, *, only: Iterable[str] = (), base: str = "1") -> Revision:
    """Every service at `version`; with `only`, those alone and the others at `base`."""
    changed = set(only) or set(of.services)
    artifacts = {name: artifact(name, version if name in changed else base) for name in of.services}
    return revise(Release(of.to_canonical(), artifacts), of, "local", secrets={}, overrides={})


class Killed(BaseException):
    """The engine dies here."""


class Engine:
    """A runner that can die: `die_at` is asked before every append."""

    def __init__(self, ground: Ground, *, die_at: Callable[[Sequence[Draft]], bool] = lambda _drafts: False) -> None:
        self.ground = ground
        self.hands = ground.hands()
        self.world = self.hands.world
        self._die_at = die_at
        self._append = ground.append(self.hands, before=self._maybe_die)
        self.runner = Runner(self.hands, self.append)
        self.task = asyncio.get_running_loop().create_task(self.runner.run())

    def _maybe_die(self, drafts: Sequence[Draft]) -> None:
        if self._die_at(drafts):
            raise Killed

    async def append(self, drafts: Sequence[Draft], epoch: int) -> Any:
        events = await self._append(drafts, epoch)
        self.runner.wake()
        return events

    @property
    def standing(self) -> Standing:
        return self.world.standing("local")

    async def submit(self, plan: Plan, **more: Any) -> View:
        """The run, submitted as a person would."""
        number = self.world.numbers + 1
        body = {
            "plan": plan.to_data(),
            "number": number,
            "kind": plan.kind,
            "environment": "local",
            "by": "ada",
            **more,
        }
        id = f"run-{number:04}"
        await self.append([Draft("run submitted", body, run=id, key=f"run/{id}")], 0)
        return self.world.runs[id]

    async def deploy(self, target: Revision, **more: Any) -> View:
        return await self.submit(planning.deploy(self.standing, target), **more)

    async def ask(self, kind: str, view: View) -> None:
        await self.append([Draft(kind, {"by": "ada"}, run=view.id)], 0)

    async def over(self, view: View, *, seconds: float = 600) -> View:
        """The run once it ended or needs somebody; raises what ended the engine."""
        until = asyncio.get_running_loop().time() + seconds
        while view.state not in (*ENDED, "needs you"):
            if self.task.done():
                self.task.result()
            assert asyncio.get_running_loop().time() < until, f"the run stands at {view.state}"
            await asyncio.sleep(0.05)
        return view

    async def until(self, what: Callable[[], object], *, seconds: float = 600) -> None:
        until = asyncio.get_running_loop().time() + seconds
        while not what():
            assert asyncio.get_running_loop().time() < until, "it never came"
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def play(story: Callable[[Ground], Awaitable[T]]) -> T:
    """Run a story on fresh ground in virtual time."""
    with virtual_time() as loop:

        async def whole() -> T:
            try:
                return await story(Ground())
            finally:  # whatever a failed story left running
                others = asyncio.all_tasks() - {asyncio.current_task()}
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)

        return loop.run_until_complete(whole())


def running(ground: Ground) -> Mapping[str, int]:
    """service/artifact's first digits -> how many instances run."""
    found: dict[str, int] = {}
    for key, spec in ground.runtime.specs.items():
        if key in ground.runtime.instances:
            name = f"{spec.service}/{spec.artifact[:6]}"
            found[name] = found.get(name, 0) + 1
    return found


def begun(view: View, step: str) -> bool:
    return view.step("do", step).begun > 0


def names(of: Revision) -> set[str]:
    return {f"{load.service}/{load.artifact[:6]}" for load in of.workloads.values()}
