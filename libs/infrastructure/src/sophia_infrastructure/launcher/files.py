"""Effects on files. Each is atomic, and doing it again changes nothing."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def replace(path: str, text: str, *, mode: int = 0o600, durable: bool = True) -> None:
    """The file has this content, in one step: readers see all of the old one or all of the new one."""
    directory, name = os.path.split(path)
    fresh = os.path.join(directory, f".{name}.new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(file, mode)
        view = memoryview(text.encode("utf-8", "surrogateescape"))
        while view:
            view = view[os.write(file, view) :]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)
    os.rename(fresh, path)
    if durable:
        flush(directory)


def flush(path: str) -> None:
    """What is in a file, or named in a directory, survives a power cut."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove(path: str) -> None:
    """Remove a file, a link, or a directory with all it holds; nothing there is fine."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil

            shutil.rmtree(path, onerror=_make_removable)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass


def _make_removable(again: Callable[[str], object], path: str, error: tuple[object, BaseException, object]) -> None:
    """Some tools write-protect the directories that they make."""
    if not isinstance(error[1], PermissionError):
        raise error[1]
    for each in (os.path.dirname(path), path):
        os.chmod(each, 0o700)
    again(path)


def act(effect: dict[str, Any]) -> None:
    """One effect of `once`; done already is as good."""
    kind, path = effect["do"], effect["path"]
    if kind == "write":
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace(path, effect["text"], mode=effect["mode"])
        return
    if kind == "remove":
        remove(path)
    elif kind == "rename":
        if os.path.lexists(path) or not os.path.lexists(effect["to"]):
            os.rename(path, effect["to"])
        flush(os.path.dirname(effect["to"]))
    else:
        raise ValueError(f"no such effect: `{kind}`")
    if os.path.isdir(os.path.dirname(path)):
        flush(os.path.dirname(path))
