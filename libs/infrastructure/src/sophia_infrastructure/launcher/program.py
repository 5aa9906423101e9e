"""The program: one line of JSON in, the operation, one line of JSON out."""

from __future__ import annotations

import json
import os
import sys

from .files import act
from .resource import Refused, Resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def main(operation: str, run: str, name: str) -> None:
    document = json.loads(sys.stdin.buffer.readline())
    answer: dict[str, Any]
    try:
        os.makedirs(run, mode=0o700, exist_ok=True)
        answer = {"ok": _operation(operation)(Resource(run, name), document)}
    except Refused as refused:
        answer = refused.answer
    except OSError as error:
        answer = {"failed": str(error), "errno": error.errno}
    sys.stdout.write(json.dumps(answer) + "\n")


def _operation(name: str) -> Callable[[Resource, dict[str, Any]], dict[str, Any]]:
    """Imported when it is asked for: a switch should not wait for the code that starts processes."""
    if name == "once":
        return once
    if name == "keep":
        from .keeping import keep

        return keep
    if name == "end":
        from .ending import end

        return end
    from .preparing import prepare

    return prepare


def once(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    door = resource.enter()
    resource.admit(document["epoch"])
    for effect in document["effects"]:
        act(effect)
    if resource.standing(door) == "gone" and not resource.record():
        resource.forget()  # nothing is kept under this name
    os.close(door)
    return {}
