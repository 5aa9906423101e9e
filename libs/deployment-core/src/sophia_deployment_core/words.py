"""The words of `sophia.yaml`: how a name, a duration, a route or a command is written, and what it becomes.

Each is a type for pydantic with its schema for editors. Every refusal is a sentence with a hint, shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from sophia_deployment_core import units

FROM_FILE = "from file"
"""The validation context of people's writing: there, a measure without its unit is refused."""

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
HEADER = re.compile(r"[!#$%&'*+.^_`|~A-Za-z0-9-]{1,128}", re.ASCII)
ROUTE = re.compile(r"/|(?:/[A-Za-z0-9._~!$&'()+,;=:@-]+)+", re.ASCII)
REQUEST_PATH = re.compile(r"/[\x21-\x7e]*", re.ASCII)


def refusal(message: str, hint: str = "") -> PydanticCustomError:
    """What a validator raises: a sentence and a hint, both shown as they are."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def kind_of(value: object) -> str:
    """What a value is in the reader's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number `{value}`"
    if isinstance(value, str):
        return f"the text `{value[:60]}`"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _text(value: object) -> object:
    if not isinstance(value, str):
        hints = {"nothing": 'write `""` for an empty text', "a list": "", "a mapping": ""}
        raise refusal(f"must be text, not {kind_of(value)}", hints.get(kind_of(value), "put it in quotes"))
    if "\0" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise refusal("has a character that no process can be given (NUL or half of a surrogate pair)")
    return value


def _filled(value: object) -> object:
    if not _text(value):
        raise refusal("must not be empty")
    return value


def _shaped(pattern: re.Pattern[str], must: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not pattern.fullmatch(str(_text(value))):
            raise refusal(f"`{str(value)[:60]}` {must}")
        return value

    return check


def _measured(
    read: Callable[[str], int], example: str, *, least: int = 0
) -> Callable[[object, ValidationInfo], object]:
    """Text with a unit becomes its integer; an integer is one already, in the canonical form only."""

    def measure(value: object) -> object:
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            value = str(value)
        if not isinstance(value, str):
            raise refusal(f"must be like `{example}`, not {kind_of(value)}")
        try:
            number = read(value)
        except ValueError as error:
            raise refusal(str(error)) from None
        if number < least:
            raise refusal(f"`{value}` is too small")
        return number

    def check(value: object, info: ValidationInfo) -> object:
        return measure(value) if info.context == FROM_FILE or isinstance(value, str) else value

    return check


def _command(value: object) -> object:
    if isinstance(value, str):
        raise refusal("a command is a list of words", f"write `[{', '.join(value.split())}]`")
    if isinstance(value, list | tuple) and (not value or value[0] == ""):
        raise refusal("a command needs at least one word")
    return value


def _commands(value: object) -> object:
    """One command, or a list of commands."""
    if isinstance(value, list | tuple) and value and not any(isinstance(part, list | tuple) for part in value):
        return [value]
    return _command(value) if isinstance(value, str) else value


def _route(value: object) -> object:
    text = str(_text(value))
    trimmed = text.rstrip("/") or "/"
    parts = trimmed.split("/")
    if not ROUTE.fullmatch(trimmed) or "." in parts or ".." in parts:
        raise refusal(
            f"`{text[:60]}` is not a path prefix", "write it like `/api`: no wildcard, no query, no `//` or `..`"
        )
    return trimmed


def _inside(value: object) -> object:
    text = str(_filled(value))
    if text.startswith("/") or ".." in text.split("/") or "\\" in text:
        raise refusal(f"`{text[:60]}` must be a path inside, without `..`, written with `/`")
    return text.rstrip("/") if text != "." else text


def _plain_text_schema(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **more})


Text = Annotated[str, BeforeValidator(_text), _plain_text_schema()]
Filled = Annotated[str, BeforeValidator(_filled), _plain_text_schema(minLength=1)]
Name = Annotated[
    str,
    BeforeValidator(
        _shaped(NAME, "is not a name: lower case letters, digits and `-`, starting with a letter, at most 40")
    ),
    _plain_text_schema(pattern=f"^{NAME.pattern}$"),
]
Variable = Annotated[
    str,
    BeforeValidator(_shaped(VARIABLE, "is not a variable's name: letters, digits and `_`, not starting with a digit")),
    _plain_text_schema(pattern=f"^{VARIABLE.pattern}$"),
]
Value = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
HeaderName = Annotated[str, BeforeValidator(_shaped(HEADER, "is not a header's name")), _plain_text_schema()]
RequestPath = Annotated[
    str,
    BeforeValidator(_shaped(REQUEST_PATH, "is not a path: it starts with `/` and has no blanks")),
    _plain_text_schema(pattern="^/"),
]
Route = Annotated[str, BeforeValidator(_route), _plain_text_schema(pattern="^/")]
Inside = Annotated[str, BeforeValidator(_inside), _plain_text_schema(minLength=1)]
Command = Annotated[
    tuple[Text, ...],
    BeforeValidator(_command),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
Commands = Annotated[
    tuple[Command, ...],
    BeforeValidator(_commands),
    WithJsonSchema(
        {
            "type": "array",
            "anyOf": [
                {"items": {"type": "string"}},
                {"items": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
            ],
        }
    ),
]
_DURATION_SCHEMA = _plain_text_schema(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$", examples=["1s", "5m", "24h"])
Duration = Annotated[int, BeforeValidator(_measured(units.duration_ms, "30s")), _DURATION_SCHEMA]
Interval = Annotated[int, BeforeValidator(_measured(units.duration_ms, "1s", least=10)), _DURATION_SCHEMA]
Memory = Annotated[
    int,
    BeforeValidator(_measured(units.size_bytes, "512Mi", least=2**20)),
    _plain_text_schema(pattern=r"^[0-9]+(\.[0-9]+)?([KMGT](i|B|iB)?|B)$", examples=["512Mi", "1Gi"]),
]
Processors = Annotated[
    int,
    BeforeValidator(_measured(units.processors_millicores, "0.5")),
    WithJsonSchema({"type": ["number", "string"], "examples": [0.5, 2, "250m"]}),
]
Share = Annotated[
    int,
    BeforeValidator(_measured(units.share_permille, "1%")),
    _plain_text_schema(pattern=r"^[0-9]+(\.[0-9]+)?%$", examples=["1%"]),
]
Factor = Annotated[
    int,
    BeforeValidator(_measured(units.factor_percent, "200%", least=100)),
    _plain_text_schema(pattern=r"^[0-9]+%$", examples=["200%"]),
]
Latency = Annotated[
    int, BeforeValidator(_measured(lambda text: units.duration_ms(text) * 1000, "50ms")), _DURATION_SCHEMA
]
Count = Annotated[int, Strict(), Field(ge=1, le=1000)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Status = Annotated[int, Strict(), Field(ge=100, le=599)]
Flag = Annotated[bool, Strict()]
