"""Options that programs for Node speak of, where their library refuses all others: commander, `util.parseArgs`, yargs
where it is strict, cac and arg. Libraries that take what they do not know, as minimist does, refuse nothing.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from sophia_preflight.interfaces.vocabulary import Vocabulary
from sophia_preflight.interfaces.written import kebab
from sophia_preflight.readers import json

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

_IMPORT = re.compile(r"""(?:\bfrom\s*|\brequire\(\s*|\bimport\(\s*|^import\s+)["']([^"'\n]+)["']""", re.MULTILINE)
_COMMENT = re.compile(r"""/\*.*?\*/|(?<![:"'`\w])//[^\n]*""", re.DOTALL)
_REFUSING = re.compile(
    r"""["'](?:commander|@commander-js/extra-typings|cac|arg)["']|\bparseArgs\(|\.strict(?:Options)?\((?:true)?\)"""
)
_OTHERS = re.compile(
    r"""["'](?:minimist|meow|mri|sade|oclif|@oclif/core|citty|clipanion|command-line-args|caporal|vorpal|getopts|nopt|gluegun)["']"""
    r"""|allowUnknownOption\(|passThroughOptions\(|enablePositionalOptions\(|parseOptions\(|parseKnown|permissive\s*:\s*true"""
    r"""|strict\s*:\s*false|\bexecutableFile\b|\.command\(\s*["'][^"'\n]+["']\s*,\s*["']"""
)
"""What takes options that it does not know, or hands them on."""
_COMPUTED = re.compile(
    r"""\.(?:option|requiredOption)\(\s*(?!["'`{])|\bnew Option\(\s*(?!["'`])"""
    r"""|\.(?:option|requiredOption)\(\s*`[^`]*\$\{"""
)
_LITERAL = re.compile(r"""["'`, |]--([A-Za-z][\w-]*)|["'`]([A-Za-z][\w-]*)["'`]|\b([A-Za-z]\w*)\s*:""")
_ENDINGS = ("", ".js", ".ts", ".mjs", ".cjs", ".mts", ".cts", ".tsx", "/index.js", "/index.ts", "/index.mjs")
_MOST_FILES = 400


class NodePrograms:
    """Vocabularies of programs for Node, by file, and by the names that packages install them under."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._known: dict[str, Vocabulary | None] = {}
        self._bins: dict[str, set[str]] | None = None

    def find(self, name: str) -> Vocabulary | None:
        """What the program accepts that one package of the repository installs under a name."""
        if self._bins is None:
            self._bins = {}
            for path in self.repository.by_name.get("package.json", []):
                self._add(path)
        found = self._bins.get(name, set())
        return self.vocabulary(next(iter(found))) if len(found) == 1 else None

    def _add(self, path: str) -> None:
        assert self._bins is not None
        root = json.parse(self.repository.glimpse(path)).root
        name, said = posixpath.basename(root["name"].text), root["bin"]
        for key, node in [(name, said)] if said.text else said.items():
            file = posixpath.normpath(posixpath.join(posixpath.dirname(path), node.text))
            self._bins.setdefault(key, set()).add(file)

    def vocabulary(self, path: str) -> Vocabulary | None:
        """What the program that begins in a file speaks of; None where that does not decide what it accepts."""
        if path not in self._known:
            self._known[path] = self._read(path) if path in self.repository.entries else None
        return self._known[path]

    def _read(self, path: str) -> Vocabulary | None:
        texts = [_COMMENT.sub(" ", self.repository.glimpse(each)) for each in self._closure(path)]
        whole = "\n".join(texts)
        if len(texts) > _MOST_FILES or not _REFUSING.search(whole) or _OTHERS.search(whole) or _COMPUTED.search(whole):
            return None
        names = {next(filter(None, each)) for each in _LITERAL.findall(whole)}
        both = names | {kebab(each) for each in names}
        said = frozenset(re.findall(r"""["'`, |]--([A-Za-z][\w-]*)""", whole))
        return Vocabulary("JavaScript", path, options=said or frozenset(names), words=frozenset(both), negates=True)

    def _closure(self, path: str) -> list[str]:
        """A file and what it imports by paths."""
        found, waiting = [path], [path]
        while waiting and len(found) <= _MOST_FILES:
            current = waiting.pop(0)
            for name in _IMPORT.findall(self.repository.glimpse(current)):
                if name.startswith("."):
                    base = posixpath.normpath(posixpath.join(posixpath.dirname(current), name))
                    stem = re.sub(r"\.[cm]?js$", "", base)
                    places = [each + ending for each in (base, stem) for ending in _ENDINGS]
                    inner = next((each for each in places if each in self.repository.entries), "")
                    if inner and inner not in found:
                        found.append(inner)
                        waiting.append(inner)
        return found
