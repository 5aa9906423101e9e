"""Pages in Markdown, reStructuredText and AsciiDoc: their blocks of code, and what is said around each.

Only what decides whether a block is a command that somebody should type is read: its language, the line before it, and
whether a heading above tells that all below it is past or not yet. What a page hides in comments is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile

_FENCE = re.compile(r"(\s*)(`{3,}|~{3,})\s*([^`]*)$")
_BLOCK = re.compile(r"^\{(code-block|code|sourcecode|prompt)\}[ \t]*(?=\w)")
"""How MyST begins a block of code, before its language."""
_OF_PAGES = re.compile(r"(md|mdx|markdown|myst|rst)\b")
"""The language of a block that shows how a page is written, with blocks of its own."""
_ONE_LINE = re.compile(
    r"(\s*)(`{3,})[ \t]*(?:(bash|sh|shell|console|zsh)[ \t]+(?![\w./-]+\.sh\b))?([a-z.$][^`]* [^`]*?)[ \t]*\2\s*$"
)
"""A fence that opens and closes on one line: a command that somebody meant to stand alone."""
_ALONE = re.compile(
    r"(\$ )?((python3?|bash|sh|node|(uv|poetry) run( python3?)?) )?(\./|[\w.-]+/)[\w./-]+\.(py|sh|js)( [\w./=:-]+)*"
)
"""A paragraph that is nothing but the start of a script."""
_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]+)\1(?!`)")
_HEADING = re.compile(r"(#+)\s")
_HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
_OBSOLETE = re.compile(r"\b(deprecated|legacy|removed|obsolete|planned|roadmap|changelog|history|old)\b", re.IGNORECASE)
_DIRECTIVE = re.compile(r"(\s*)\.\.\s+(?:code-block|code|sourcecode|prompt)::[ \t]*(.*)$")
_ITEM = re.compile(r"\s*([-*+•]|\w{1,3}[.)]|#\.)\s+")
"""What a paragraph of a list begins with: what it is followed by is indented more than its words."""
_COMMENT = re.compile(r"(\s*)\.\.(?!\s+(?:[\w:-]+::|[_\[|]))(?:\s.*)?$")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*$")


@dataclass
class Block:
    """Code of a page: `line` is that of its first, `indent` what its lines lost, `lead` the line said before it."""

    language: str
    title: str
    line: int
    indent: int
    lines: list[str]
    lead: str
    past: bool
    """A heading above it says that it is of the past, or of a time to come."""
    sure: bool = True
    """Whether the page says that it is code; else it only looks like it."""


@dataclass
class Text:
    """A page: its blocks, and all other lines."""

    blocks: list[Block] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    spoken: list[Block] = field(default_factory=list)
    """Code within the sentences of a page: what its line says before is its lead, after it its title."""


def parse(path: str, text: str) -> Text:
    """A page in the language that its name tells."""
    if path.endswith(".rst"):
        blocks = list(_restructured(text.split("\n")))
    elif path.endswith((".adoc", ".asciidoc")):
        blocks = list(_asciidoc(text.split("\n")))
    else:
        text = _HIDDEN.sub(lambda match: "\n" * match[0].count("\n"), text)
        blocks = [each for each in _markdown(text.split("\n")) if each.sure or not path.endswith(".mdx")]
    code = {number for each in blocks if each.sure for number in range(each.line, each.line + len(each.lines))}
    lines = text.split("\n")
    prose = [line for number, line in enumerate(lines, 1) if number not in code]
    if path.endswith((".adoc", ".asciidoc")):
        return Text(blocks, prose)
    spoken = _spoken(lines, code)
    return Text(blocks, prose, [each for each in spoken if each.sure or not path.endswith(".rst")])


def _spoken(lines: list[str], code: set[int]) -> Iterator[Block]:
    headings = _Headings()
    for number, line in enumerate(lines, 1):
        if number in code:
            continue
        if heading := _HEADING.match(line):
            headings.pass_by(len(heading[1]), line)
        for span in _SPAN.finditer(line) if "`" in line else ():
            after = line[span.end() :]
            sure = len(span[1]) > 1  # literal in pages of any language
            yield Block("", after, number, span.start(2), [span[2]], line[: span.start()], headings.past, sure)


class _Headings:
    """Which heading, if any, says of all below it that it is past."""

    def __init__(self) -> None:
        self.level = 0

    @property
    def past(self) -> bool:
        return self.level > 0

    def pass_by(self, level: int, title: str) -> None:
        if not self.level or level <= self.level:
            self.level = level if _OBSOLETE.search(title) else 0


def _markdown(lines: list[str]) -> Iterator[Block]:
    headings, lead, index, top = _Headings(), "", 0, ""
    while index < len(lines):
        line = lines[index]
        index += 1
        top = line if line[:1].strip() else top
        if whole := _ONE_LINE.match(line):
            yield Block(whole[3] or "", "", index, whole.start(4), [whole[4]], lead, headings.past)
            lead = ""
        elif _ALONE.fullmatch(line) and not any(
            map(str.strip, (*lines[index - 2 : index - 1], *lines[index : index + 1]))
        ):
            yield Block("sh", "", index, 0, [line], lead, headings.past)
            lead = ""
        elif fence := _FENCE.match(line):
            start, closing = index, re.compile(rf"\s*{re.escape(fence[2][0])}{{{len(fence[2])},}}\s*($|[A-Za-z{{])")
            while index < len(lines) and not (end := closing.match(lines[index])):
                index += 1
            forgotten = index < len(lines) and end is not None and bool(end[1])
            if forgotten and _OF_PAGES.match(fence[3]):
                forgotten = False
                while index < len(lines) and lines[index].strip() != fence[2]:
                    index += 1
            told = _BLOCK.sub("", fence[3])
            language, _, title = re.sub(r"[{}.]", " ", told).strip().partition(" ")
            inner = _dedented(lines[start:index], len(fence[1]))
            if forgotten:  # another block begins: this one ended with its paragraph
                inner = list(takewhile(str.strip, inner))
            yield Block(language.lower(), told if title else "", start + 1, len(fence[1]), inner, lead, headings.past)
            index += not forgotten
            lead = ""
        elif line.startswith(("    ", "\t")) and not lines[index - 2].strip():
            start = index - 1
            while index < len(lines) and (lines[index].startswith(("    ", "\t")) or not lines[index].strip()):
                index += 1
            width = 1 if line.startswith("\t") else 4
            inner = _dedented(lines[start:index], width)
            if _ITEM.match(top) and any(_FENCE.match(each) for each in inner):
                yield from (_within(each, start, width, headings.past) for each in _markdown(inner))
            else:
                yield Block("", "", start + 1, width, inner, lead, headings.past, sure=False)
        elif heading := _HEADING.match(line):
            headings.pass_by(len(heading[1]), line)
            lead = line
        elif line.strip():
            lead = line


def _within(block: Block, before: int, width: int, past: bool) -> Block:
    """A block of a list's paragraph, as one of the page."""
    return replace(block, line=block.line + before, indent=block.indent + width, past=block.past or past)


def _asciidoc(lines: list[str]) -> Iterator[Block]:
    """Listings and literal blocks between lines of dashes or dots, and paragraphs that are indented."""
    headings, lead, language, index = _Headings(), "", "", 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if listing := re.fullmatch(r"(-{4,}|\.{4,}|/{4,}|`{3,})(\w*)\s*", line):
            start = index
            while index < len(lines) and lines[index].rstrip() != listing[1]:
                index += 1
            if listing[1][0] != "/":
                inner, sure = lines[start:index], bool(language or listing[2])
                yield Block(language or listing[2], "", start + 1, 0, inner, lead, headings.past, sure)
            index, lead, language = index + 1, "", ""
        elif said := re.match(r"\[(?:source|,)\s*,?\s*([\w-]*)|\[(?:listing|literal|subs)", line):
            language = (said[1] or "").lower()
        elif line.startswith((" ", "\t")) and line.strip() and not lines[index - 2].strip():
            start, width = index - 1, _width(line)
            while index < len(lines) and lines[index].strip():
                index += 1
            inner = _dedented(lines[start:index], width)
            yield Block(language, "", start + 1, width, inner, lead, headings.past, sure=bool(language))
            language = ""
        elif heading := re.match(r"(=+)\s", line):
            headings.pass_by(len(heading[1]), line)
            lead = line
        elif line.strip():
            lead, language = line, ""


def _restructured(lines: list[str]) -> Iterator[Block]:
    headings, lead, index = _Headings(), "", 0
    levels: list[str] = []
    while index < len(lines):
        line = lines[index]
        index += 1
        directive = _DIRECTIVE.match(line)
        literal = not directive and line.rstrip().endswith("::") and not re.match(r"\s*\.\.(?!\s+[\w-]+:: )", line)
        if directive or literal:
            item = _ITEM.match(line)
            start, end = _body(lines, index, item.end() if item else _width(line))
            if start == end:  # indented less than it has to be, and meant all the same
                start, end = _body(lines, index, _width(line))
            if directive:
                while start < end and re.match(r"\s*:[\w-]+:|\s*$", lines[start]):
                    start += 1
            width = _width(lines[start]) if start < end else 0
            if start < end:
                words = directive[2].lower().split() if directive else []
                inner, said = _dedented(lines[start:end], width), lead if directive else line
                yield Block(words[0] if words else "", "", start + 1, width, inner, said, headings.past)
            index, lead = max(index, end), ""
        elif _COMMENT.match(line):
            _, index = _body(lines, index, _width(line))
        elif line.strip() and index < len(lines) and (under := _UNDERLINE.match(lines[index])):
            if under[1] not in levels:
                levels.append(under[1])
            headings.pass_by(levels.index(under[1]) + 1, line)
            lead = line
            index += 1
        elif line.strip():
            lead = line


def _body(lines: list[str], index: int, width: int) -> tuple[int, int]:
    """The lines from `index` on that are indented by more than `width`, blank ones at the end left out."""
    end = index
    for number in range(index, len(lines)):
        if lines[number].strip():
            if _width(lines[number]) <= width:
                break
            end = number + 1
    while index < end and not lines[index].strip():
        index += 1
    return index, end


def _width(line: str) -> int:
    return len(line) - len(line.lstrip())


def _dedented(lines: list[str], width: int) -> list[str]:
    return [each[width:] if not each[:width].strip() else each.lstrip() for each in lines]
