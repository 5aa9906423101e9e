"""`sophia.yaml`: from a file to a `Platform`, or to everything that is wrong with it, each with its place.

bytes ─ yaml12 ─► plain data with places ─ pydantic ─► Platform ─ checks ─► Platform that fits together

sophia.yaml:12:5: services.api.need: unknown key
   12 |     need: [database]
      |     ^
   hint: did you mean `needs`?
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sophia_deployment_core import checks, yaml12
from sophia_deployment_core.errors import SophiaError, declare
from sophia_deployment_core.platform import Platform, Shape
from sophia_deployment_core.words import FROM_FILE, kind_of
from sophia_deployment_core.yaml12 import Path

FILE_NAME = "sophia.yaml"
MOST_SHOWN = 50
WIDEST = 120
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
MOST_ROUNDS = 8
STAND_INS: dict[str, Any] = {
    "platform": "unnamed",
    "environments": {"unnamed": {"edge": {"port": 1}}},
    "edge": {"port": 1},
    "port": 1,
    "source": ".",
    "bundle": {"include": ["."], "run": ["true"]},
    "root": ".",
}
"""What takes the place of something required and misshapen while the rest is checked."""

CONFIGURATION = declare(
    "SPH-1010",
    "`sophia.yaml` is not valid",
    "Every problem is listed with its line, its column and its path in the file. Nothing was changed. The reference of "
    "all keys is in docs/reference/sophia-yaml.md. A key that is planned but not available yet is refused; it is never "
    "ignored in silence.",
    exit=2,
)
NO_CONFIGURATION = declare(
    "SPH-1011",
    "there is no `sophia.yaml` that can be read",
    "Sophia reads `sophia.yaml` in the directory where it is called, or in the nearest one above it. `sophia init` "
    "writes one for a repository that has none.",
    exit=2,
)


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong; line and column count from 1, `path` is written like `services.api.needs[0]`."""

    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def shown(self, name: str, text: str) -> str:
        """`file:line:column: path: message`, the line with a mark, and the hint."""
        where = f"{name}:{self.line}:{self.column}: "
        parts = [where + (f"{self.path}: " if self.path else "") + self.message, *_frame(text, self.line, self.column)]
        return "\n".join([*parts, f"   hint: {self.hint}"] if self.hint else parts)


def load(path: FilePath) -> Platform:
    """The platform that the file describes. Raises `SophiaError` whose message holds every problem."""
    raw = _read(path)
    platform, found = _judge(raw)
    if platform is not None and not found:
        return platform
    raise _refused(path.name, raw, found)


def problems(text: str) -> list[Problem]:
    """What is wrong with a text, sorted by place; `[]` if it is a platform. Never raises."""
    return _judge(text.encode("utf-8", "surrogatepass"))[1]


def check_sources(path: FilePath, root: FilePath) -> list[Problem]:
    """What the repository at `root` lacks of what the (valid) file at `path` names, with places in the file."""
    raw = _read(path)
    platform, found = _judge(raw)
    if platform is None:
        return found
    document = yaml12.parse(yaml12.decode(raw), source_text=_is_variable)
    inside = root.resolve()

    def is_directory(source: str) -> bool:
        place = (inside / source).resolve()
        return place.is_dir() and place.is_relative_to(inside)

    return sorted([*found, *(_placed(fault, document) for fault in checks.source_faults(platform, is_directory))])


def load_checked(path: FilePath, root: FilePath | None = None) -> Platform:
    """`load`, and what the file names is there: what every verb that builds or deploys wants."""
    platform = load(path)
    if missing := check_sources(path, root or path.parent):
        raise _refused(path.name, _read(path), missing)
    return platform


def find(start: FilePath) -> FilePath:
    """The `sophia.yaml` of `start` or of the nearest directory above it. Raises `SophiaError` if there is none."""
    for directory in (start.absolute(), *start.absolute().parents):
        if _is_file(directory / FILE_NAME):
            return directory / FILE_NAME
    raise SophiaError(
        NO_CONFIGURATION, f"no `{FILE_NAME}` in `{start}` or above it", "`sophia init` writes one for your repository"
    )


def _is_file(path: FilePath) -> bool:
    """False too where nobody may look."""
    try:
        return path.is_file()
    except OSError:
        return False


# --- reading --------------------------------------------------------------------------------------------------------


def _read(path: FilePath) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(yaml12.MOST_BYTES + 1)
    except FileNotFoundError:
        raise SophiaError(
            NO_CONFIGURATION, f"`{path}` does not exist", "`sophia init` writes one for your repository"
        ) from None
    except OSError as error:
        raise SophiaError(
            NO_CONFIGURATION, f"`{path}` cannot be read: {error.strerror}", "is it a file, and may you read it?"
        ) from error


def _judge(raw: bytes) -> tuple[Platform | None, list[Problem]]:
    try:
        document = yaml12.parse(yaml12.decode(raw), source_text=_is_variable)
    except yaml12.Unreadable as error:
        return None, [Problem(error.place.line, error.place.column, "", error.message, error.hint)]
    found = [
        Problem(place.line, place.column, _written(path), said, hint) for path, place, said, hint in document.faults
    ]
    if not isinstance(document.data, dict):
        place = document.place(())
        hint = "it begins with `platform: name`, then `services:` and `environments:`"
        return None, [
            *found,
            Problem(place.line, place.column, "", f"must be a mapping, not {kind_of(document.data)}", hint),
        ]
    platform, misshapen = _shaped(document)
    found += [_placed(fault, document) for fault in misshapen]
    if platform is not None:
        known = document.data.get("services")
        unfitting = checks.faults(platform, known=known if isinstance(known, dict) else None)
        found += [_placed(fault, document) for fault in unfitting if not _consequence(fault, misshapen)]
    return platform, sorted(set(found))


def _is_variable(path: Path) -> bool:
    """Under `env` a number or a boolean is the text that was written: `1.10` stays `1.10`."""
    return len(path) in (4, 6) and path[-2] == "env" and path[-4] == "services"


def _shaped(document: yaml12.Document) -> tuple[Platform | None, list[checks.Fault]]:
    """The platform, and what is misshapen. What is misshapen is mended, so that the rest can be checked as well."""
    first: list[checks.Fault] | None = None
    data = document.data
    for _ in range(MOST_ROUNDS):
        try:
            return Platform.model_validate(data, by_alias=True, by_name=False, context=FROM_FILE), first or []
        except ValidationError as error:
            details = error.errors(include_url=False)
            first = [_explained(detail) for detail in details] if first is None else first
            data = _mended(data, details)
    return None, first or []


def _mended(data: Any, details: list[ErrorDetails]) -> Any:
    """A copy without what is misshapen, with a stand-in where something is required. Of a list, the entries before it
    stay, so that every path goes on meaning the same place."""
    data = deepcopy(data)
    for detail in details:
        *way, last = _path(detail)
        around = _at(data, way)
        if isinstance(around, list) and isinstance(last, int):
            del around[last:]
        elif isinstance(around, dict) and last in STAND_INS and detail["type"] != "extra_forbidden":
            around[last] = deepcopy(STAND_INS[str(last)])
        elif isinstance(around, dict):
            around.pop(last, None)
    return data


def _at(data: Any, way: Iterable[str | int]) -> Any:
    for part in way:
        if isinstance(data, dict):
            data = data.get(part)
        else:
            data = data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None
    return data


def _consequence(fault: checks.Fault, misshapen: list[checks.Fault]) -> bool:
    """Whether the fault may only be there because something misshapen near it was left out."""
    paths = [other.path for other in misshapen]
    return any(path[: len(fault.path)] == fault.path or fault.path[: len(path)] == path for path in paths)


# --- pydantic's words into ours -------------------------------------------------------------------------------------

_SAID = {
    "missing": "is missing",
    "model_type": "must be a mapping, not {value}",
    "dict_type": "must be a mapping, not {value}",
    "mapping_type": "must be a mapping, not {value}",
    "list_type": "must be a list, not {value}",
    "tuple_type": "must be a list, not {value}",
    "int_type": "must be a whole number, not {value}",
    "bool_type": "must be `true` or `false`, not {value}",
    "greater_than_equal": "must be at least {ge}, not {value}",
    "less_than_equal": "must be at most {le}, not {value}",
    "too_short": "must hold at least one entry",
}
_HINTS = {
    "environments": "for example `environments: {local: {edge: {port: 8080}}}`",
    "bundle": "for example `bundle: {include: [dist/*.whl], run: [command]}` or `bundle: {static: {root: dist}}`",
    "edge": "for example `edge: {port: 8080}`",
    "platform": "for example `platform: shop`",
}


def _explained(detail: ErrorDetails) -> checks.Fault:
    path, kind, context = _path(detail), detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "refused":
        return checks.Fault(path, context["message"], context["hint"], at_key="[key]" in detail["loc"])
    if kind == "literal_error":
        return _no_choice(path, detail["input"], context["expected"])
    said = _SAID.get(kind, detail["msg"][:1].lower() + detail["msg"][1:]).format(
        value=kind_of(detail["input"]), **context
    )
    return checks.Fault(path, said, _hint(path, kind, detail["input"]), at_key=kind == "missing")


def _hint(path: Path, kind: str, value: object) -> str:
    if kind == "missing":
        return _HINTS.get(str(path[-1]), "")
    if kind in ("list_type", "tuple_type") and isinstance(value, str):
        return f"write `[{value[:60]}]`"
    return "remove the key if there is nothing to say" if value is None else ""


def _path(detail: ErrorDetails) -> Path:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _unknown(path: Path) -> checks.Fault:
    shape, key = _shape(path[:-1]), str(path[-1])
    assert shape is not None, "only a shape forbids keys"
    if key in shape.NOT_YET:
        return checks.Fault(path, f"not yet: {shape.NOT_YET[key]}", "remove it for now", at_key=True)
    hint = checks.nearest(key, [name for name, _ in _fields(shape)])
    return checks.Fault(path, "unknown key", hint, at_key=True)


def _no_choice(path: Path, value: object, expected: str) -> checks.Fault:
    choices = [word for word in expected.replace("'", "").replace(" or ", ", ").split(", ") if word]
    if path[-1:] == ("runtime",) and value in ("swarm", "kubernetes"):
        return checks.Fault(
            path, f"not yet: the runtime `{value}` is not built so far", "the only runtime so far is `local`"
        )
    return checks.Fault(
        path,
        f"must be {' or '.join(f'`{word}`' for word in choices)}, not {kind_of(value)}",
        checks.nearest(str(value), choices),
    )


def _fields(shape: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    return ((str(info.validation_alias or name), info) for name, info in shape.model_fields.items())


def _shape(path: Path) -> type[Shape] | None:
    """The shape of the mapping at `path`: a key leads to a field, or to any entry of what holds many."""
    found: Any = Platform
    for part in path:
        if _is_shape(found):
            found = next((info.annotation for name, info in _fields(found) if name == part), None)
        else:
            found = next((inner for inner in get_args(found) if _is_shape(inner)), None)
        found = next((inner for inner in get_args(found) if _is_shape(inner)), found) if _optional(found) else found
    return found if _is_shape(found) else None


def _is_shape(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Shape)


def _optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


# --- telling --------------------------------------------------------------------------------------------------------


def _placed(fault: checks.Fault, document: yaml12.Document) -> Problem:
    place = document.key_place(fault.path) if fault.at_key else document.place(fault.path)
    return Problem(place.line, place.column, _written(fault.path), _safe(fault.message), _safe(fault.hint))


def _written(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return _safe(text.removeprefix("."))[:200]


def _safe(text: str) -> str:
    """Without anything that a terminal would obey."""
    return "".join(
        " " if character == "\t" else "\N{REPLACEMENT CHARACTER}" if _commands(character) else character
        for character in text
    )


def _commands(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _frame(text: str, line: int, column: int) -> Iterable[str]:
    """The line with a mark under the place; long lines are cut around it."""
    lines = _LINE_BREAK.split(text)
    if not 1 <= line <= len(lines) or not lines[line - 1].strip():
        return []
    start = max(0, column - 1 - WIDEST // 2)
    shown = _safe(lines[line - 1][start : start + WIDEST])
    number = str(line).rjust(5)
    return [f"{number} | {shown}", f"{' ' * len(number)} | {' ' * (column - 1 - start)}^"]


def _refused(name: str, raw: bytes, found: list[Problem]) -> SophiaError:
    text = raw[: yaml12.MOST_BYTES].decode("utf-8-sig", "replace")
    shown = [problem.shown(name, text) for problem in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        shown.append(f"… and {len(found) - MOST_SHOWN} more")
    return SophiaError(
        CONFIGURATION, "\n".join(shown), facts={"file": name, "problems": [asdict(problem) for problem in found]}
    )
