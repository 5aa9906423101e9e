"""All error codes of all rooms, for `sophia explain` and the reference page.

The codes are read from the source: every `declare(…)` with its literal arguments. Importing every module of ours to
fill the catalog would take seconds, and the modules of the engine are not made to be imported for a text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from sophia_deployment_core.errors import Code

from sophia_deployment.versions import sources

ROOMS = {
    "1": "the core: sophia.yaml, plans, runs, steps",
    "2": "infrastructure: state, instances, traffic",
    "3": "security: secrets",
    "5": "the command line and the engine",
}
"""First digit -> whose codes they are."""


_INTRODUCTION = """\
Every failure has a code; `sophia explain CODE` shows the text below. This page is made from the code. The exit code is
what the command line ends with."""


def codes() -> Mapping[str, Code]:
    """Every declared code by name, in order."""
    found = {code.name: code for path, text in sources() if b"declare(" in text for code in _declared(path, text)}
    return dict(sorted(found.items()))


def find(name: str) -> Code | None:
    """A code as people write it: `SPH-1203`, `sph1203`, `1203`."""
    digits = name.upper().removeprefix("SPH").lstrip("-_ ")
    return codes().get(f"SPH-{digits}")


def _declared(path: str, text: bytes) -> Iterator[Code]:
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "declare":
            values = [ast.literal_eval(argument) for argument in node.args]
            named = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
            yield Code(*(value.strip() for value in values), **named)


def reference_markdown() -> str:
    """The reference page of error codes."""
    known = codes()
    parts = ["# Error codes", _INTRODUCTION]
    for digit, room in ROOMS.items():
        own = [code for name, code in known.items() if name.startswith(f"SPH-{digit}")]
        parts.append(f"## SPH-{digit}xxx: {room}")
        parts += [f"### {code.name}: {code.title}\n\n{code.explanation}\n\nExit code {code.exit}." for code in own]
    return "\n\n".join(parts) + "\n"
