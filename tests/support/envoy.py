"""The fixture graph behind a real Envoy, released through the `Traffic` port without an engine.

    with Site(tmp_path) as site:            # Envoy runs, nothing is deployed
        site.release("1")                   # four services with listeners of their own, then the switch
        site.release("2")                   # the next one; the old one is drained and stopped
        site.url                            # where users ask

What the engine does with plans and events is done here by hand, in the same order, so that the adapter can be tried
(and measured) alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sophia_deployment_core.ports import Backend, Reading, Routes
from sophia_infrastructure.envoy import EnvoyTraffic
from sophia_infrastructure.launchers import Launchers
from sophia_infrastructure.places import Places

from tests.support.graph import SERVICES, Running, start
from tests.support.ports import free_port

T = TypeVar("T")
CALLERS_FIRST = (("front",), ("orders", "prices"), ("stock",))


def workload(service: str, version: str) -> str:
    """An identity as the core would compute one: 64 hexadecimal digits."""
    return hashlib.sha256(f"{service} {version}".encode()).hexdigest()


@dataclass(frozen=True)
class Release:
    """A version's processes, and the port of each service's own listener."""

    version: str
    running: Running
    listeners: Mapping[str, int]

    @property
    def backends(self) -> list[Backend]:
        return [
            Backend(workload(name, self.version), name, self.listeners[name], (self.running.ports[name],))
            for name in self.running.ports
        ]


@dataclass
class Site:
    """One environment, `local`. Everything that it started is gone when it ends."""

    directory: Path
    environment: str = "local"
    epoch: int = 1
    releases: dict[str, Release] = field(default_factory=dict)
    live: str = ""
    generation: int = 0

    def __post_init__(self) -> None:
        self.places = Places.of(self.directory / "state")
        self.launchers = Launchers(self.places)
        self.traffic = EnvoyTraffic(self.places, self.launchers)
        self.edge_port, self.private_port = free_port(), free_port()
        self.data = self.directory / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.edge_port}"

    @property
    def private_url(self) -> str:
        return f"http://127.0.0.1:{self.private_port}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    def open(self) -> None:
        self.run(
            self.traffic.open(
                self.environment, edge_port=self.edge_port, private_port=self.private_port, epoch=self.epoch
            )
        )

    def start(self, version: str, **environment: str) -> Release:
        """The version's services run and can be reached by each other and on the private listener, not by users."""
        listeners = {name: free_port() for name in SERVICES}
        urls = {f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in listeners.items()}
        given = {**urls, **environment}
        running = start(self.data / version, version=version, services=SERVICES, healthy_within_seconds=10, **given)
        self.releases[version] = Release(version, running, listeners)
        self.arrange()
        self.run(self.traffic.show_candidate(self.routes(version, self.generation + 1), epoch=self.epoch))
        return self.releases[version]

    def arrange(self) -> None:
        backends = [backend for release in self.releases.values() for backend in release.backends]
        self.run(self.traffic.arrange(self.environment, backends, epoch=self.epoch))

    def routes(self, version: str, generation: int) -> Routes:
        return Routes(self.environment, generation, f"release-{version}", {"/": workload("front", version)})

    def switch(self, version: str) -> None:
        """Everybody is answered by `version`; the way back takes the next number."""
        back = self.routes(self.live, self.generation + 2) if self.live else None
        self.run(self.traffic.switch(self.routes(version, self.generation + 1), back=back, epoch=self.epoch))
        self.generation, self.live = self.generation + (2 if back else 1), version

    def retire(self, version: str, *, cap_seconds: float = 1) -> None:
        """Drain, callers before callees; what is still open after the cap (websockets) is ended by its service."""
        release = self.releases[version]
        for services in CALLERS_FIRST:
            for service in services:
                self.wait_idle(workload(service, version), seconds=cap_seconds)
                os.kill(release.running.processes[service].pid, signal.SIGTERM)
                assert self.wait_idle(workload(service, version)), f"`{service}` of {version} has requests under way"
        release.running.stop()
        del self.releases[version]
        self.arrange()

    def release(self, version: str, **environment: str) -> None:
        old = self.live
        self.start(version, **environment)
        self.switch(version)
        if old:
            self.retire(old)

    def wait_idle(self, identity: str, *, seconds: float = 15) -> bool:
        """Whether nothing was under way in two readings 100 ms apart, in time. Websockets and event streams count."""
        until = time.monotonic() + seconds
        idle = 0
        while idle < 2 and time.monotonic() < until:
            time.sleep(0.1)
            found = self.read().workloads.get(identity)
            idle = idle + 1 if found is None or found.active == 0 else 0
        return idle == 2

    def read(self) -> Reading:
        return self.run(self.traffic.read(self.environment))

    def pid(self) -> int:
        """Envoy's."""
        kept = self.launchers.look(f"envoy/{self.environment}")
        assert kept.pid is not None, f"Envoy does not run: {kept}"
        return kept.pid

    def log(self) -> str:
        return (self.places.logs(self.environment) / "envoy.log").read_text()

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        try:
            self.run(self.launchers.end(f"envoy/{self.environment}", epoch=self.epoch))
        finally:
            for release in self.releases.values():
                release.running.terminate()
            for release in self.releases.values():
                release.running.stop()
