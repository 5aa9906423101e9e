"""Python whose grammar is younger than the Python that checks, as if it had been written for that.

What is not known here is put in the words of an older grammar, line by line: type parameters go, `type X = …` becomes
an assignment, exceptions get their parentheses, and what an f-string could not hold before gives way to a name. Names
that a module defines, imports and calls stay where they are.
"""

from __future__ import annotations

import ast
import re

from sophia_preflight.readers.python_version import Need, is_python_2, newer_need

_PARAMETERS = re.compile(r"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+\w+[ \t]*(?=\[)", re.MULTILINE)
_ALIAS = re.compile(r"^([ \t]*)type([ \t]+)(\w+)[ \t]*(?=[\[=])", re.MULTILINE)
_EXCEPTIONS = re.compile(r"^([ \t]*except\*?[ \t]+)([\w.]+(?:[ \t]*,[ \t]*[\w.]+)+)[ \t]*(?=:)", re.MULTILINE)
_STRING = re.compile(r"(?:(?<!\w)([a-zA-Z]{1,2}))?(\"{3}|'{3}|\"|')|#[^\n]*")

_FORMATTED = re.compile(r"(?<!\w)[rR]?[fF][rR]?[\"']")


def parsed(text: str, path: str = "<text>") -> tuple[ast.Module, Need | None]:
    """The tree of a module, and what needs a later Python than ours in it. Raises what `ast.parse` raises where no
    later grammar explains it."""
    try:
        return ast.parse(text, path), None
    except SyntaxError as error:
        line = text.split("\n")[error.lineno - 1] if error.lineno and error.lineno <= text.count("\n") + 1 else ""
        message = error.msg or ""
        need = None if is_python_2(message, line) else newer_need(message, line, error.lineno or 1)
        if need is None:
            raise
        try:
            return ast.parse(older(text), path), need
        except (SyntaxError, _Unended):
            raise error from None


class _Unended(ValueError):
    """A string without an end."""


def older(text: str) -> str:
    """The text in a grammar that Python 3.11 knows, with as many lines."""
    text = _with_plain_strings(text)
    for found in reversed(list(_PARAMETERS.finditer(text))):
        text = _without_brackets(text, found.end())
    for found in reversed(list(_ALIAS.finditer(text))):
        rest = _without_brackets(text, found.end())
        alias = f"{found[1]}{found[3]}".ljust(len(found[0]))
        text = f"{rest[: found.start()]}{alias}{rest[found.end() :]}"
    return _EXCEPTIONS.sub(r"\1(\2)", text)


def _without_brackets(text: str, start: int) -> str:
    """Without the brackets that begin somewhere, and what is between them; with its lines."""
    if text[start : start + 1] != "[":
        return text
    end, depth = start, 0
    while end < len(text):
        depth += {"[": 1, "]": -1}.get(text[end], 0)
        end += 1
        if not depth:
            break
    inner = re.sub(r"[^\n]", " ", text[start:end]).replace("\n", "\\\n")
    return text[:start] + inner + text[end:]


# --- f-strings ------------------------------------------------------------------------------------------------------


def _with_plain_strings(text: str) -> str:
    """With f-strings whose expressions hold nothing that they could not hold before."""
    made: list[str] = []
    done = at = 0
    while (found := _STRING.search(text, at)) is not None:
        quote, prefix = found[2], (found[1] or "").lower()
        if quote is None:
            at = found.end()
        elif "f" not in prefix:
            at = _end_of_plain(text, found.end(), quote)
        else:
            at, holes = _end_of_formatted(text, found.end(), quote)
            for start, stop in holes:
                if _is_late(text[start:stop], quote):
                    lines = text.count("\n", start, stop)
                    made += [text[done:start], "_}", ("\\\n" if len(quote) == 1 else "\n") * lines]
                    done = stop + 1
    return "".join([*made, text[done:]])


def _is_late(inner: str, quote: str) -> bool:
    """Whether an expression holds what none could in an f-string of such quotes before Python 3.12, or may."""
    found = quote in inner or "\\" in inner or "#" in inner or (len(quote) == 1 and "\n" in inner)
    return found or _FORMATTED.search(inner) is not None


def _end_of_plain(text: str, at: int, quote: str) -> int:
    """Where a string ends whose first quotes end somewhere."""
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(quote, at):
            return at + len(quote)
        elif text[at] == "\n" and len(quote) == 1:
            break
        else:
            at += 1
    raise _Unended


def _end_of_formatted(text: str, at: int, quote: str) -> tuple[int, list[tuple[int, int]]]:
    """Where an f-string ends, and the beginnings and ends of what its braces hold."""
    holes: list[tuple[int, int]] = []
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(quote, at):
            return at + len(quote), holes
        elif text.startswith(("{{", "}}"), at):
            at += 2
        elif text[at] == "{":
            stop = _end_of_hole(text, at + 1)
            holes.append((at + 1, stop))
            at = stop + 1
        elif text[at] == "\n" and len(quote) == 1:
            break
        else:
            at += 1
    raise _Unended


def _end_of_hole(text: str, at: int) -> int:
    """Where the brace is that ends an expression of an f-string, with what says how it is written out."""
    depth = 0
    while at < len(text):
        found = _STRING.match(text, at)
        if found is not None and found[2] is None:
            at = found.end()
        elif found is not None and "f" in (found[1] or "").lower():
            at, _ = _end_of_formatted(text, found.end(), found[2])
        elif found is not None:
            at = _end_of_plain(text, found.end(), found[2])
        elif text[at] == "}" and not depth:
            return at
        elif text[at] == ":" and not depth:
            return _end_of_format(text, at + 1)
        else:
            depth += (text[at] in "([{") - (text[at] in ")]}")
            at += 1
    raise _Unended


def _end_of_format(text: str, at: int) -> int:
    """Where the brace is that ends what says how an expression is written out, which may hold others."""
    while at < len(text):
        if text[at] == "}":
            return at
        at = _end_of_hole(text, at + 1) + 1 if text[at] == "{" else at + 1
    raise _Unended
