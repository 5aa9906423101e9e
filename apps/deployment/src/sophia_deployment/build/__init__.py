"""From sources to bundles: builders are called, what they made is collected and stored, and its digest is returned.

    digests = build(platform, root, on_progress=tell)        # {"api": "3f2a…", "web": "77c0…"}

There is no build system here. Where the repository has a `turbo.json`, Turborepo builds every service whose source is a
package with a `build` task; what it does not know, and everything where there is none, is built by the service's own
`build` commands, run in its `source`. Builds inherit the caller's environment.
Equal content has an equal digest, whoever built it, when and where.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from sophia_deployment_core.errors import NOT_FOUND, SophiaError
from sophia_deployment_core.platform import Platform, Service
from sophia_infrastructure.artifacts import FileArtifacts
from sophia_infrastructure.places import Places
from sophia_infrastructure.state.directory import prepare, unusable

from sophia_deployment.build.builders import Builders
from sophia_deployment.build.collecting import collect
from sophia_deployment.build.processes import Processes, processes
from sophia_deployment.build.progress import Progress, Tell, one_at_a_time
from sophia_deployment.codes import BUNDLE_INCOMPLETE

__all__ = ["Progress", "Tell", "build"]

NOTICED_SECONDS = 0.2
TOLD_FROM_BYTES = 32 << 20
"""Below this, storing takes no time worth telling."""


def build(
    platform: Platform,
    root: Path,
    *,
    services: Sequence[str] | None = None,
    state: Path | None = None,
    on_progress: Tell = lambda _: None,
) -> dict[str, str]:
    """Build services (all, unless named), keep their bundles below `state` (`root`/.sophia), and return their digests.

    `root` is where `sophia.yaml` lies. Progress is told from several threads, one at a time. One build works in a
    checkout at a time; another waits. Raises `SophiaError` for what its reader can mend. A KeyboardInterrupt, like any
    exception, ends every process group of the build before it passes.
    """
    root, tell = root.resolve(), one_at_a_time(on_progress)
    wanted = _wanted(platform, services)
    places = Places.of(state or root / ".sophia")
    try:
        with _alone(places, tell):
            _run_builders(lambda running: Builders(root, places, running, tell).run(wanted))
            return _stored(wanted, root, FileArtifacts(places), tell)
    except OSError as error:  # of the state directory: it cannot be written, or its disk is full
        if error.filename is None or Path(str(error.filename)).is_relative_to(places.state):
            raise unusable(places.state, error) from error
        raise


def _wanted(platform: Platform, names: Sequence[str] | None) -> dict[str, Service]:
    if strangers := sorted({*(names or ())} - platform.services.keys()):
        raise SophiaError(
            NOT_FOUND,
            "no service " + ", ".join(f"`{name}`" for name in strangers),
            hint="services are " + ", ".join(f"`{name}`" for name in platform.services),
        )
    return {name: service for name, service in platform.services.items() if names is None or name in names}


@contextmanager
def _alone(places: Places, tell: Tell) -> Iterator[None]:
    """Two builds would empty each other's outputs. The kernel drops the lock with its holder."""
    prepare(places.state)
    places.build_log("any").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with places.build_lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(Progress("waiting", "another build works in this checkout; waiting for it"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_builders(act: Callable[[Processes], None]) -> None:
    """`act` in a thread of its own, so that this one never waits for long.

    A signal that another thread happens to receive wakes nobody: a Ctrl-C would be noticed when the build is over.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="build") as pool, processes() as running:
        future = pool.submit(act, running)
        while not wait([future], timeout=NOTICED_SECONDS).done:
            pass
        future.result()


# --- bundles --------------------------------------------------------------------------------------------------------


def _stored(wanted: Mapping[str, Service], root: Path, artifacts: FileArtifacts, tell: Tell) -> dict[str, str]:
    """Collect everything, then store it: what cannot be put together is told before anything is stored."""
    trees = {name: _tree(name, service, root) for name, service in wanted.items()}
    digests: dict[str, str] = {}
    for name, tree in trees.items():
        began = time.monotonic()
        digest = artifacts.store(tree.items(), on_progress=_share(name, tell))
        took_ms = round((time.monotonic() - began) * 1000)
        files = "1 file" if len(tree) == 1 else f"{len(tree)} files"
        tell(Progress("stored", f"`{name}` is bundle `{digest[:12]}`, {files}", name, took_ms, digest))
        digests[name] = digest
    return digests


def _tree(name: str, service: Service, root: Path) -> dict[str, Path]:
    tree = collect(name, root=root, source=service.source, patterns=service.bundle.shipped)
    static = service.bundle.static
    if static is not None and not any(PurePosixPath(path).is_relative_to(static.root) for path in tree):
        raise SophiaError(
            BUNDLE_INCOMPLETE,
            f"the bundle of `{name}` has no directory `{static.root}`, which `static.root` names",
            hint=f"it holds `{next(iter(tree))}`, for example; `root` is the directory inside the bundle",
        )
    return tree


def _share(name: str, tell: Tell) -> Callable[[int, int], None]:
    """Tells how far storing a big bundle is, in steps of ten percent."""
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if total >= TOLD_FROM_BYTES and (share := done * 10 // total) > told:
            told = share
            tell(Progress("storing", f"storing `{name}`: {share * 10} %", name))

    return progress
