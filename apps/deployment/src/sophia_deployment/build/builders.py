"""Calls what builds: Turborepo where it knows a service's source as a package, else the service's own commands."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.platform import Service
from sophia_infrastructure.places import Places

from sophia_deployment.build import packages, turborepo
from sophia_deployment.build.processes import Processes, last_lines
from sophia_deployment.build.progress import Progress, Tell
from sophia_deployment.build.turborepo import Package
from sophia_deployment.codes import BUILD_FAILED, NO_NODE
from sophia_deployment.node import NODE_MINIMUM, node_home, node_version


@dataclass(frozen=True)
class Failure:
    """A command that ended with an error. `what` it was to build, in words; `log` holds what it printed."""

    what: str
    services: Sequence[str]
    command: str
    exit: int
    log: Path

    def said(self) -> str:
        lines = "".join(f"\n   | {line}" for line in last_lines(self.log))
        return f"{self.what} could not be built: `{self.command}` ended with exit code {self.exit}{lines}"

    def to_data(self) -> dict[str, object]:
        return {
            "services": list(self.services),
            "command": self.command,
            "exit": self.exit,
            "log": last_lines(self.log),
            "log_path": str(self.log),
        }


@dataclass(frozen=True)
class Builders:
    """What builds the services of the repository at `root`; logs go to `places`."""

    root: Path
    places: Places
    running: Processes
    tell: Tell

    def run(self, services: Mapping[str, Service]) -> None:
        """Build all of these. Raises `SophiaError` that tells every failure, not the first one only."""
        by_turborepo = self._packages_of(services) if (self.root / turborepo.SETTINGS).is_file() else {}
        others = {name: service for name, service in services.items() if name not in by_turborepo}
        failures = [*self._run_turborepo(by_turborepo), *self._run_commands(others)]
        if failures:
            raise SophiaError(
                BUILD_FAILED,
                "\n".join(failure.said() for failure in failures),
                hint="all of what it printed is in " + ", ".join(sorted({f"`{failure.log}`" for failure in failures})),
                facts={"failures": [failure.to_data() for failure in failures]},
            )

    @property
    def _env(self) -> dict[str, str]:
        return environment(os.environ)

    def _log(self, name: str) -> Path:
        """An empty log."""
        log = self.places.build_log(name)
        log.write_bytes(b"")
        return log

    # --- Turborepo --------------------------------------------------------------------------------------------------

    def _packages_of(self, services: Mapping[str, Service]) -> dict[str, Package]:
        """The package of each service that is one; installs npm's packages first, if need be."""
        log = self._log(turborepo.SETTINGS)
        _refuse_old_node()
        self._install(log)
        known = turborepo.packages(self.root, running=self.running, env=self._turborepo_env, log=log)
        found = {name: turborepo.package_of(service.source, known) for name, service in services.items()}
        return {name: package for name, package in found.items() if package is not None}

    def _install(self, log: Path) -> None:
        if not (because := packages.why_install(self.root)):
            return
        self.tell(Progress("installing", f"installing npm packages, since {because}"))
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        began = time.monotonic()
        if code := self.running.run(command, cwd=self.root, env=self._env, log=log):
            failure = Failure("npm packages", [], shlex.join(command), code, log)
            raise SophiaError(
                BUILD_FAILED,
                failure.said().replace("built", "installed", 1),
                hint=f"all of what it printed is in `{log}`",
                facts={"failures": [failure.to_data()]},
            )
        self.tell(Progress("installing", "installed npm packages", took_ms=_since(began)))

    def _run_turborepo(self, services: Mapping[str, Package]) -> Iterator[Failure]:
        if not services:
            return
        wanted = {package.name: package for package in services.values()}
        log = self.places.build_log(turborepo.SETTINGS)
        for name in services:
            self.tell(Progress("building", f"building `{name}` with Turborepo", name))
        for output in turborepo.empty_outputs(self.root, wanted.values()):
            said = f"`{output}` is not emptied first, because git does not ignore it: it may hold files of older builds"
            self.tell(Progress("building", said))
        code, tasks = turborepo.run(self.root, wanted.values(), running=self.running, env=self._turborepo_env, log=log)
        failed = [task for task in tasks if task.exit]
        for task in failed:
            concerned = [name for name, package in services.items() if package.name == task.package]
            what = ", ".join(f"`{name}`" for name in concerned) or f"package `{task.package}`"
            own_log = self.root / task.log
            yield Failure(what, concerned, task.command, task.exit, own_log if own_log.is_file() else log)
        if code and not failed:
            names = ", ".join(f"`{name}`" for name in services)
            yield Failure(names, list(services), "turbo run build", code, log)
        if not code:
            self._tell_built(services, {task.package: task for task in tasks})

    def _tell_built(self, services: Mapping[str, Package], tasks: Mapping[str, turborepo.Task]) -> None:
        for name, package in services.items():
            task = tasks.get(package.name)
            if task is not None and task.cached:
                self.tell(Progress("cached", f"`{name}` is unchanged: taken from the cache", name))
            else:
                took_ms = task.took_ms if task else 0
                self.tell(Progress("built", f"built `{name}`", name, took_ms))

    @property
    def _turborepo_env(self) -> dict[str, str]:
        return {**self._env, **turborepo.SILENT}

    # --- commands ---------------------------------------------------------------------------------------------------

    def _run_commands(self, services: Mapping[str, Service]) -> Iterator[Failure]:
        """Services of one directory one after the other, directories side by side."""
        by_source: dict[str, dict[str, Service]] = {}
        for name, service in services.items():
            if service.build:
                by_source.setdefault(service.source, {})[name] = service
        if not by_source:
            return
        with ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="build") as pool:
            for failures in pool.map(self._run_in_one_source, by_source.values()):
                yield from failures

    def _run_in_one_source(self, services: Mapping[str, Service]) -> list[Failure]:
        done: dict[Sequence[Sequence[str]], Failure | None] = {}
        for name, service in services.items():
            if service.build not in done:
                same = [other for other, its in services.items() if its.build == service.build]
                done[service.build] = self._run_commands_of(name, service, same)
        return [failure for failure in done.values() if failure is not None]

    def _run_commands_of(self, name: str, service: Service, same: Sequence[str]) -> Failure | None:
        """Run one service's commands, which are those of `same` too, up to the first that fails."""
        log, began = self._log(name), time.monotonic()
        for command in service.build:
            said = f"building `{name}`: {shlex.join(command)}"
            self.tell(Progress("building", said, name))
            cwd = self.root / service.source
            if code := self.running.run(command, cwd=cwd, env=self._env, log=log):
                what = ", ".join(f"`{each}`" for each in same)
                return Failure(what, same, shlex.join(command), code, log)
        for each in same:
            self.tell(Progress("built", f"built `{each}`", each, _since(began)))
        return None


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What builds run with: the caller's environment, and where its PATH ends what Sophia was installed with (a uv,
    perhaps). A Node that was installed because the machine's is missing or too old goes first."""
    path = inherited.get("PATH", os.defpath)
    places = [*path.split(os.pathsep), str(Path(sys.prefix) / "bin")]
    if (home := node_home()) is not None and str(home) == places[-1]:
        places.insert(0, places.pop())
    return {**inherited, "PATH": os.pathsep.join(places)}


def _refuse_old_node() -> None:
    """Raise `SophiaError` where there is no Node that Turborepo and npm can use."""
    hint = f"install Node {NODE_MINIMUM} or newer (https://nodejs.org)"
    home = node_home()
    if home is None:
        raise SophiaError(NO_NODE, "there is no Node on this machine", hint=hint)
    version = node_version(home)
    if version < (NODE_MINIMUM,):
        said = ".".join(map(str, version)) or "(of a version that it does not say)"
        raise SophiaError(NO_NODE, f"Node {said} in `{home}` is too old", hint=hint)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
