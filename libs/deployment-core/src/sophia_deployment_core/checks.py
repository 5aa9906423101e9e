"""What in a platform does not fit together, though every part alone is well formed. Pure; `loading` adds the places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from sophia_deployment_core.platform import Bundle, Environment, Platform, Service, Smoke, injected

MOST_CYCLES = 5

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """What is wrong at a path of the file, and what to try. `at_key`: the key itself is wrong, not its value."""

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False


def faults(platform: Platform, *, known: Collection[str] | None = None) -> list[Fault]:
    """Everything that does not fit. `known` are the declared services, if `platform` does not hold all of them."""
    names = set(platform.services) | set(known or ())
    found = [
        fault for name, service in platform.services.items() for fault in _of_service(name, service, platform, names)
    ]
    found += _shared_routes(platform)
    found += _cycles(platform)
    for name, environment in platform.environments.items():
        found += _of_environment(name, environment, platform, names)
    return [*found, *_shared_ports(platform)]


def nearest(word: str, words: Collection[str]) -> str:
    """A hint that names the word that was probably meant, or all there are."""
    close = get_close_matches(word.lower(), sorted(words), n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return "one of " + ", ".join(f"`{each}`" for each in sorted(words)) if 0 < len(words) <= 20 else ""


# --- one service ----------------------------------------------------------------------------------------------------


def _of_service(name: str, service: Service, platform: Platform, names: Collection[str]) -> Iterator[Fault]:
    at: Path = ("services", name)
    yield from _bundle(at, service.bundle)
    yield from _health(at, service)
    for index, smoke in enumerate(service.smoke):
        yield from _smoke((*at, "smoke", index), smoke)
    yield from _kind(at, service)
    yield from _needs(at, service, platform, names)
    yield from _variables(at, service)
    for key in ("needs", "routes", "secrets"):
        yield from _repeated((*at, key), getattr(service, key))


def _bundle(at: Path, bundle: Bundle) -> Iterator[Fault]:
    path = (*at, "bundle")
    if bundle.run is None and bundle.static is None:
        yield Fault(
            path,
            "neither `run` nor `static` is given",
            "`run: [command, …]` starts a process, `static: {root: dist}` serves files",
        )
    if bundle.static is not None:
        for key in ("run", "prepare"):
            if getattr(bundle, key) is not None:
                yield Fault(
                    (*path, key),
                    f"`{key}` does not go with `static`",
                    "files are served by Sophia's own server; remove one",
                )
    elif not bundle.include:
        yield Fault(path, "`include` is missing", "name the files to ship, for example `include: [dist/*.whl]`")


def _health(at: Path, service: Service) -> Iterator[Fault]:
    path, health = (*at, "health"), service.health
    if health.of is not None and health.of < health.consecutive:
        yield Fault(
            (*path, "of"),
            f"{health.consecutive} good answers out of {health.of} are impossible",
            "`of` is at least `consecutive`",
        )
    needed_ms = health.every_ms * (health.consecutive - 1)
    if health.within_ms < needed_ms:
        said = f"{health.consecutive} probes take at least {needed_ms} ms, more than `within` allows"
        yield Fault((*path, "within"), said, "raise `within`, or lower `every` or `consecutive`")


def _smoke(path: Path, smoke: Smoke) -> Iterator[Fault]:
    given = [key for key in ("get", "post", "run") if getattr(smoke, key) is not None]
    if len(given) != 1:
        said = "one of `get`, `post` and `run` is needed" if not given else f"only one of {_listed(given)} can be given"
        yield Fault(path, said, "for example `{get: /version, status: 200}`")
    if given == ["run"] and smoke.header:
        yield Fault((*path, "header"), "a command has no headers", "remove it, or check a request with `get`")


def _kind(at: Path, service: Service) -> Iterator[Fault]:
    if service.worker and service.single:
        yield Fault(
            (*at, "single"),
            "a service is either a `worker` or a `single`",
            "a `single` is never doubled; a `worker` has no port",
        )
    if service.routes and service.worker:
        yield Fault(
            (*at, "routes"), "a worker has no port, so it can answer no route", "remove `routes` or `worker: true`"
        )
    if service.routes and service.single:
        hint = "give the routes to a service that `needs` it, or remove `single: true`"
        yield Fault((*at, "routes"), "a single is replaced with a gap, so it cannot answer a public route", hint)
    if service.single and service.replicas > 1:
        yield Fault((*at, "replicas"), "a single runs once", "remove `replicas` or `single: true`")
    if service.bundle.static is not None:
        for key in ("needs", "secrets", "env", "worker", "single"):
            if getattr(service, key):
                yield Fault(
                    (*at, key), f"`{key}` does not go with `static`: files call nobody and run nothing", "remove it"
                )


def _needs(at: Path, service: Service, platform: Platform, names: Collection[str]) -> Iterator[Fault]:
    for index, need in enumerate(service.needs):
        path = (*at, "needs", index)
        if need not in names:
            yield Fault(path, f"there is no service `{need}`", nearest(need, set(names) - {str(at[1])}))
        elif (needed := platform.services.get(need)) is not None and needed.worker:
            yield Fault(
                path,
                f"`{need}` is a worker: it has no port and can be needed by nobody",
                f"remove it here, or `worker` from `{need}`",
            )


def _variables(at: Path, service: Service) -> Iterator[Fault]:
    for name in injected(service, service.env):
        yield Fault((*at, "env", name), f"`{name}` is set by Sophia", "choose another name", at_key=True)
    taken = set(injected(service, service.secrets))
    for index, name in enumerate(service.secrets):
        if name in taken:
            yield Fault((*at, "secrets", index), f"`{name}` is set by Sophia", "choose another name")
        elif name in service.env:
            yield Fault((*at, "secrets", index), f"`{name}` is a variable in `env` too", "remove one of them")


def _repeated(path: Path, values: tuple[str, ...]) -> Iterator[Fault]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Fault((*path, index), f"`{value}` stands here twice", "remove one")


# --- services together ----------------------------------------------------------------------------------------------


def _shared_routes(platform: Platform) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for name, service in platform.services.items():
        for index, route in enumerate(service.routes):
            if first.setdefault(route, name) != name:
                hint = "give each service a prefix of its own; the longer one wins"
                yield Fault(
                    ("services", name, "routes", index), f"`{route}` is answered by `{first[route]}` already", hint
                )


def _cycles(platform: Platform) -> Iterator[Fault]:
    graph = {name: set(service.needs) & set(platform.services) for name, service in sorted(platform.services.items())}
    for _ in range(MOST_CYCLES):
        cycle = _cycle(graph)
        if not cycle:
            return
        path: Path = ("services", cycle[0], "needs", platform.services[cycle[0]].needs.index(cycle[1]))
        yield Fault(
            path,
            "services need each other in a circle: " + " → ".join(f"`{name}`" for name in cycle),
            "one of them must do without",
        )
        graph[cycle[0]].discard(cycle[1])


def _cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """One cycle as `[a, b, …, a]`, each needing the next, beginning with the smallest name; `[]` if there is none."""
    try:
        TopologicalSorter({name: sorted(needs) for name, needs in graph.items()}).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1][:0:-1]
        start = ring.index(min(ring))
        return [*ring[start:], *ring[:start], ring[start]]
    return []


# --- environments ---------------------------------------------------------------------------------------------------


def _of_environment(name: str, environment: Environment, platform: Platform, names: Collection[str]) -> Iterator[Fault]:
    for service_name, override in environment.services.items():
        at: Path = ("environments", name, "services", service_name)
        service = platform.services.get(service_name)
        if service_name not in names:
            yield Fault(at, f"there is no service `{service_name}`", nearest(service_name, names), at_key=True)
        if service is None:
            continue
        if service.single and (override.replicas or 1) > 1:
            yield Fault((*at, "replicas"), f"`{service_name}` is a single and runs once", "remove `replicas`")
        if override.env and service.bundle.static is not None:
            yield Fault((*at, "env"), f"`{service_name}` serves files and reads no variables", "remove it")
        for variable in injected(service, override.env):
            yield Fault((*at, "env", variable), f"`{variable}` is set by Sophia", "choose another name", at_key=True)
        for variable in set(override.env) & set(service.secrets):
            yield Fault(
                (*at, "env", variable),
                f"`{variable}` is a secret of `{service_name}`",
                f"`sophia secrets set {name} {variable}` sets it",
            )


def _shared_ports(platform: Platform) -> Iterator[Fault]:
    first: dict[int, str] = {}
    for name, environment in platform.environments.items():
        port = environment.edge.port
        if first.setdefault(port, name) != name:
            yield Fault(
                ("environments", name, "edge", "port"),
                f"port {port} is the edge of `{first[port]}` already",
                "choose another port",
            )


def _listed(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words[:-1]) + f" and `{words[-1]}`"


# --- the repository -------------------------------------------------------------------------------------------------


def source_faults(platform: Platform, is_directory: Callable[[str], bool]) -> Iterator[Fault]:
    """What the repository lacks. `is_directory` is asked with paths relative to the file, inside the repository."""
    for name, service in platform.services.items():
        at: Path = ("services", name)
        if not is_directory(service.source):
            yield Fault(
                (*at, "source"),
                f"there is no directory `{service.source}` beside `sophia.yaml`",
                "is the path spelled as on disk?",
            )
        for index, pattern in enumerate(service.bundle.include):
            if escapes(pattern, service.source):
                hint = "name files inside it; `//` at the start means the directory of `sophia.yaml`"
                yield Fault((*at, "bundle", "include", index), f"`{pattern}` leads out of the repository", hint)


def escapes(pattern: str, source: str) -> bool:
    """Whether a pattern of `include` leads out of the repository, from the service's `source`."""
    depth = 0 if pattern.startswith("//") else len([part for part in source.split("/") if part not in ("", ".")])
    if pattern.startswith("/") and not pattern.startswith("//"):
        return True
    for part in pattern.replace("\\", "/").split("/"):
        depth += -1 if part == ".." else 1 if part not in ("", ".") else 0
        if depth < 0:
            return True
    return False
