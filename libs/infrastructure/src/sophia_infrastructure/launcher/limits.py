"""The declared limits of a program, as far as this machine lets us enforce them."""

from __future__ import annotations

import os

from .locks import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STACKS_BYTES = 512 << 20
"""RLIMIT_DATA counts thread stacks whole (8 MiB each) though little of them is used: room for 64."""


class Limits:
    """The declared limits of a program, by a cgroup of its own where we may make one."""

    def __init__(self, declared: dict[str, int], name: str) -> None:
        self._memory, cpu = declared.get("memory_bytes"), declared.get("cpu_millicores")
        self._wanted: dict[str, str] = {}
        if self._memory:
            self._wanted["memory"] = str(self._memory)
        if cpu:
            self._wanted["cpu"] = f"{cpu * 100} 100000"
        self.group: str | None = None
        self._in_group: set[str] = set()
        if self._wanted:
            self._make_group(name)

    def _make_group(self, name: str) -> None:
        """The nearest place where a group can be made that has at least one of the controllers."""
        for parent in cgroups():
            group = os.path.join(parent, name)
            try:
                os.makedirs(group, exist_ok=True)
            except OSError:
                continue
            self._in_group = {each for each, value in self._wanted.items() if put(f"{group}/{each}.max", value)}
            if self._in_group:
                put(f"{group}/memory.oom.group", "1")
                self.group = group
                return
            remove_group(group)

    def enter(self) -> str:
        """Called by the new process itself; how the limits are enforced on it, in words."""
        grouped = self._in_group if self.group and put(f"{self.group}/cgroup.procs", "0") else set()
        how = {each: "cgroup" if each in grouped else "none" for each in self._wanted}
        if self._memory and how["memory"] == "none" and limit_data(self._memory + STACKS_BYTES):
            how["memory"] = "rlimit"
        words = set(how.values())
        return words.pop() if len(words) == 1 else ", ".join(f"{each} {word}" for each, word in how.items())

    def close(self) -> None:
        if self.group:
            end_group(self.group)


def cgroups() -> Iterator[str]:
    """Our own group of the unified hierarchy, and those around it, innermost first."""
    root = next((at for at in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if os.path.exists(f"{at}/cgroup.procs")), "")
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            own = next((line.rstrip("\n")[3:] for line in file if line.startswith("0::")), "")
    except OSError:
        return
    while root and own:
        yield root + own.rstrip("/")
        own = "" if own == "/" else os.path.dirname(own)


def put(path: str, text: str) -> bool:
    """Write to a file of the kernel's that exists; whether it was taken."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)
    except OSError:
        return False
    return True


def end_group(group: str) -> None:
    """Kill who is in it, and remove it."""
    put(f"{group}/cgroup.kill", "1")
    until(lambda: remove_group(group), seconds=1)


def remove_group(group: str) -> bool:
    try:
        os.rmdir(group)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def limit_data(size: int) -> bool:
    """Bound what a process may ask for. RLIMIT_AS would also count what V8 and Go merely reserve, and break them."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (OSError, ValueError):
        return False
    return True
