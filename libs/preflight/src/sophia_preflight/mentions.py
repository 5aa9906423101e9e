"""Where files speak of a name in what they do, rather than in what they tell.

Every text is looked at, whatever its language: scripts, pipelines, manifests, settings, sources, and the commands of
pages. Left out is what nobody acts on: comments, prose, messages, histories, lists of what is ignored, lock files.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from sophia_preflight.calls.documents import is_about_migration, is_page
from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.readers import pages
from sophia_preflight.repository import Repository
from sophia_preflight.standing import Standing, standing

_MOST_BYTES = 300_000
_MOST_LINES = 40
_MANY = 12
"""Files that speak of a name; where there are more of them it is no name of one thing."""
PAGE = re.compile(r"\.(mdx?|markdown|rst|adoc|asciidoc|txt)$", re.IGNORECASE)
TOLD = re.compile(
    r"(^|/)(_next|releasenotes|changelog\.d|newsfragments|changes\.d|[^/]*\.(egg|dist)-info)/|(^|/)(PKG-INFO|[^/]*(change-?log|changes|history|news|release-?notes)[^/]*|(LICEN[SC]E|COPYING|NOTICE|AUTHORS)[^/]*|CODEOWNERS|labeler\.ya?ml|\.?(git|docker|helm|npm|"
    r"eslint|prettier|gcloud|vercel)ignore|\.gitattributes|MANIFEST\.in|[^/]*(baseline|snapshot)[^/]*|[^/]*[.-]lock"
    r"(\.\w+)?|package-lock\.json|go\.sum|\.secrets\.\w+)$|\.(lock|log|sum|map|svg|csv|tsv|ipynb|po|pot|html?|css|scss|patch|"
    r"diff|snap|golden|xml|sql|proto|pem|crt|min\.js|d\.ts)$",
    re.IGNORECASE,
)
"""Files that only tell, or that are made."""
PROGRAM = re.compile(r"\.(py|pyw|pyi|[cm]?[jt]sx?|go|rs|java|kt|rb|php|cs|scala|groovy|lua)$")
"""Languages in which a name that is used stands in quotes."""
_REMARK = re.compile(r"\s*(#(?!!)|//|/\*|\*(?!\S)|<!--|;|--\s|\{#|\{\{/\*|\{\{-\s*/\*|REM\b|::)")
_PROSE = re.compile(
    r"\s*(-\s+)?[\"']?(name|title|description|summary|help|message|notes?|comment|why|reason|caption|short|long|usage)"
    r"[\"']?\s*[:=](?!\s*(?-i:[A-Z][A-Z0-9]*_[A-Z0-9_]+)\s*$)",
    re.IGNORECASE,
)
"""A line of settings that is told to people, unless it names a variable."""
_SAYS = re.compile(
    r"\s*@?(?:[a-z]+_)?(echo|printf|print|log\w*|info|warn\w*|error|err|die|fail\w*|usage|note|fatal|success|say|msg)"
    r"(?:_\w+)?\b"
    r"(?![^\n]*(?<![0-9&<-])>(?!&))"
)
_STRING = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\\n]|\\.)*)`")
_LONG = re.compile(r"\"{3}[^\"]*(?:\"(?!\"\")[^\"]*)*\"{3}|'{3}[^']*(?:'(?!'')[^']*)*'{3}")
_SHOWN = re.compile(
    r"^[ \t]*(?::|cat)[ \t]+(?:1?>&2[ \t]*)?<<-?[ \t]*([\"']?)(\w+)\1[ \t]*(?:1?>&2)?[ \t]*\n(?:.*\n)*?[ \t]*\2[ \t]*$",
    re.MULTILINE,
)
"""A heredoc that is printed for people, or that stands for a comment."""
_SENTENCE = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+ [a-z]+|[.!?:] [A-Z]|[.!]$|\bsee\b|\bplease\b", re.IGNORECASE)
_ITEM = re.compile(r"\s*(- |[\"'\[\]()]|--)")
"""How a line begins that may be one of a list."""
_TREE = re.compile(r"[├└│]|^\s*[\w.-]+/\s*$")

_UNNEEDED = re.compile(
    r"^Exec\w+=[@+!:]*-"
    r"|(?<![\w-])(sys\.modules|rm|unlink|rmtree|exists|is_?file|is_?dir|ignor\w*|exclud\w*|omit|skip\w*|git mv|git rm|"
    r"test -[a-z]|"
    r"renamed|moved|deprecated|legacy|obsolete|formerly|previously|old|removed?)(?![\w-])|\[\[? !? ?-[a-z] "
    r"|\|\| *(true|:)",
    re.IGNORECASE,
)
"""What says that the file need not be there."""
_FILTER = re.compile(
    r"\s*(-\s+)?[\"']?([\w-]*(paths?|ignore|exclude|files|patterns?|include|globs?|omit|source_modules|per-file-ignores|"
    r"allowlist|known|watch)[\w-]*)[\"']?\s*[:=]\s*[\[|>(]?-?\s*(#.*)?$"
    r"|\s*[\"']?[\w-]*(ignore|exclude|omit|allowlist)[\w-]*[\"']?\s*[:=]",
    re.IGNORECASE,
)
"""A key that is followed by a list of files, of which not each has to be there."""
_MADE = re.compile(r"^\s*(-\s+)?(sudo\s+)?(COPY|ADD|cp|mv|ln|install|rsync|scp|docker cp)\s", re.IGNORECASE)
_OUTPUT = re.compile(r"(?:>\s*|(?<!\w)-(?:o|-out\w*|-dest\w*|-target|-O)[ =]\s*|\btee (?:-a )?)[\"']?[^\s\"';|&]*$")


@dataclass(frozen=True)
class Mention:
    """A name where something is done with it; `lines` are those of its command, its own the one at `index`."""

    path: str
    line: int
    column: int
    name: str
    lines: tuple[str, ...]
    index: int
    page: bool

    @property
    def text(self) -> str:
        """The line."""
        return self.lines[self.index]

    @property
    def before(self) -> str:
        """What the command says before the name."""
        return "\n".join((*self.lines[: self.index], self.text[: self.column - 1]))

    @property
    def after(self) -> str:
        """What its line says after the name."""
        return self.text[self.column - 1 + len(self.name) :]

    @property
    def optional(self) -> bool:
        """Whether its line says that what is named need not be there."""
        return _UNNEEDED.search(self.text) is not None

    @property
    def made(self) -> bool:
        """Whether its command puts a file of that name where it is told to."""
        before = self.text[: self.column - 1]
        last = not re.match(r"[^\s\"']*[\"']?\s+\S", self.after)
        return bool(_OUTPUT.search(before)) or bool(_MADE.match(self.text) and last and len(before.split()) > 2)

    @property
    def site(self) -> Site:
        """What a failing call at this place would stop."""
        return site_of(self.path)


def lists_files(line: str) -> bool:
    """Whether a line is a key that is followed by a list of files, of which not each has to be there."""
    return _FILTER.match(line) is not None


def site_of(path: str) -> Site:
    """Where what a file says is done."""
    return Site(path, _caller(path), owner=posixpath.basename(path))


class Mentions:
    """The files of a repository, searched for names."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._texts: dict[str, str] = {}
        self._lines: dict[str, list[str]] = {}

    @cached_property
    def texts(self) -> dict[str, str]:
        """What is looked at: the text of each file that does something."""
        return {path: text for path in self.repository.entries if (text := self.text(path))}

    @cached_property
    def orders(self) -> dict[str, str]:
        """Those of them that are no programs: scripts, settings, manifests, pages."""
        paths = (path for path in self.repository.entries if not PROGRAM.search(path))
        return {path: text for path in paths if (text := self.text(path))}

    def text(self, path: str) -> str:
        """What is looked at of a file: empty if it does nothing."""
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def lines(self, path: str) -> list[str]:
        """The lines of it."""
        if path not in self._lines:
            self._lines[path] = self.text(path).split("\n")
        return self._lines[path]

    def _read(self, path: str) -> str:
        entry = self.repository.entries[path]
        told = TOLD.search(path) or standing(path) is Standing.VENDORED
        if entry.size > _MOST_BYTES or entry.target or told:
            return ""
        if PAGE.search(path) and not _is_told(path):
            return ""
        return _without_documentation(path, self.repository.glimpse(path))

    def of(
        self, names: Collection[str], most: int | None = _MANY, *, in_sources: bool = True
    ) -> dict[str, list[Mention]]:
        """Where each name is used, as a whole word or as the last part of a path; but not what more than `most` files
        speak of. Without `in_sources`, programs are left out, and only what starts them is searched."""
        if not names:
            return {}
        found: dict[str, list[Mention]] = {}
        patterns = {each: re.compile(rf"{_before(each)}{re.escape(each)}(?![\w-]|\.\w)") for each in names}
        for path, text in (self.texts if in_sources else self.orders).items():
            here = {name: pattern for name, pattern in patterns.items() if name in text}
            if here:
                file = _File(path, text)
                for name, pattern in here.items():
                    found.setdefault(name, []).extend(file.uses(name, pattern))
        return {
            name: each
            for name, each in found.items()
            if each and (most is None or len({one.path for one in each}) <= most)
        }

    def matching(
        self, pattern: re.Pattern[str], wanted: Callable[[str], bool] = bool, *, hints: tuple[str, ...] = ()
    ) -> Iterator[Mention]:
        """Where the first group of a pattern matches what is wanted: in all texts but programs, or with `hints`, which
        are parts of what matches, in those too."""
        for path in self._having(hints) if hints else self.orders:
            text = self.text(path)
            found = [(match.start(1), match[1]) for match in pattern.finditer(text) if wanted(match[1])]
            if found:
                file = _File(path, text)
                for at, name in found:
                    yield from file.at(at, name)

    def _having(self, hints: tuple[str, ...]) -> Iterator[str]:
        """Files that hold one of some words, which is quicker told than what is looked at of them."""
        for path, entry in self.repository.entries.items():
            if entry.size <= _MOST_BYTES:
                text = self.repository.glimpse(path)
                if any(hint in text for hint in hints):
                    yield path


def _is_told(path: str) -> bool:
    """Whether a page, or a text, says what is done now."""
    return (is_page(path) and not is_about_migration(path)) or "requirements" in path or path.endswith("CMakeLists.txt")


def _before(name: str) -> str:
    """What may not stand before a name: parts of words, and of other names but for those of modules."""
    return r"(?<![\w-])(?<![^\w.]\.)" if re.fullmatch(r"[A-Za-z_]\w*([.:][A-Za-z_]\w*)+", name) else r"(?<![\w.-])"


def _without_documentation(path: str, text: str) -> str:
    """The text with blanks in the place of texts of several lines, which in Python document, and in scripts of shells
    are printed, or nothing is done with them."""
    told = _LONG if path.endswith(".py") else _SHOWN if "<<" in text and not is_page(path) else None
    return told.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text) if told else text


class _File:
    """A text that is searched."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.lines = text.split("\n")
        self.starts = list(accumulate((len(each) + 1 for each in self.lines), initial=0))
        self.told = commands_of(path, text) if is_page(path) else None

    def uses(self, name: str, pattern: re.Pattern[str]) -> Iterator[Mention]:
        at = self.text.find(name)
        while at >= 0:
            if pattern.match(self.text, at):
                yield from self.at(at, name)
            at = self.text.find(name, at + 1)

    def at(self, at: int, name: str) -> Iterator[Mention]:
        index = bisect_right(self.starts, at) - 1
        line, column = self.lines[index], at - self.starts[index]
        if (self.told is None or index + 1 in self.told) and acts(self.path, line, column):
            first, last = _command(self.lines, index)
            command = tuple(self.lines[first : last + 1])
            yield Mention(self.path, index + 1, column + 1, name, command, index - first, self.told is not None)


def commands_of(path: str, text: str) -> set[int]:
    """Numbers of the lines of a page that somebody may type."""
    page = pages.parse(path, text)
    found: set[int] = set()
    for block in page.blocks:
        tree = any(_TREE.search(line) for line in block.lines)
        if block.sure and not block.past and not tree:
            found |= set(range(block.line, block.line + len(block.lines)))
    return found


def acts(path: str, line: str, column: int) -> bool:
    """Whether what a line says at a column is done, not told."""
    if len(line) > 2000 or _REMARK.match(line) or _PROSE.match(line) or _SAYS.match(line):
        return False
    if re.search(r"(?:^|\s)(#|//)\s", line[:column]):
        return False
    if PROGRAM.search(path) and not line[column : column + 1].isdigit():
        inside = next((each for each in _STRING.finditer(line) if each.start() < column < each.end()), None)
        return inside is not None and not _SENTENCE.search(next(filter(None, inside.groups()), ""))
    return True


def _command(lines: list[str], index: int) -> tuple[int, int]:
    """The first and the last of the lines that are one command with one: ends that go on, items of the same list."""
    first = last = index
    while first > 0 and lines[first - 1].rstrip().endswith("\\") and index - first < _MOST_LINES:
        first -= 1
    while last + 1 < len(lines) and lines[last].rstrip().endswith("\\") and last - index < _MOST_LINES:
        last += 1
    if first == last and _ITEM.match(lines[index]):
        width = _width(lines[index])
        while first > 0 and index - first < _MOST_LINES and lines[first - 1].strip() and _width(lines[first]) >= width:
            first -= 1
        while last + 1 < len(lines) and last - index < _MOST_LINES and _width(lines[last + 1]) >= width:
            last += 1
    return first, last


def _width(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else -1


def _caller(path: str) -> Caller:
    name = posixpath.basename(path).lower()
    if PAGE.search(path):
        return Caller.DOCUMENT
    if "dockerfile" in name or "containerfile" in name:
        return Caller.BUILD
    if "/.github/workflows/" in f"/{path}":
        return Caller.WORKFLOW
    if name.endswith((".service", ".timer")):
        return Caller.SYSTEMD
    if "compose" in name and name.endswith((".yml", ".yaml")):
        return Caller.COMPOSE
    if "makefile" in name or name.endswith(".mk"):
        return Caller.MAKE
    if "/templates/" in f"/{path}" and name.endswith((".yml", ".yaml", ".tpl")):
        return Caller.KUBERNETES
    if standing(path) is Standing.EXAMPLE:
        return Caller.AGENT  # it is started by whoever tries the example
    return Caller.SHELL
