"""What programs in Rust accept that use clap or structopt, read from the source of their workspace."""

from __future__ import annotations

import posixpath
import re
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.interfaces.vocabulary import Vocabulary
from sophia_preflight.interfaces.written import kebab
from sophia_preflight.readers import toml

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

_ATTRIBUTED = re.compile(
    r"#\[(?:arg|clap|structopt|command)\(((?:[^()\[\]]|\([^()]*\)|\[[^\]]*\])*)\)\]"
    r"(?:\s*(?:///[^\n]*|//[^\n]*|#\[[^\]]*\]))*\s*(?:pub(?:\([^)]*\))?\s+)?(\w+)\s*:"
)
_NAMED = re.compile(r"\b(?:long|alias|visible_alias|short_alias)\s*[=(]\s*\"([^\"]+)\"")
_LISTED = re.compile(r"\b(?:aliases|visible_aliases)\s*(?:=|\()\s*&?\[([^\]]*)\]")
_COMPUTED = re.compile(r"\blong\s*[=(]\s*(?![\"\s)])|\brename_all\w*\s*=\s*\"(?!kebab|snake)")
_LENIENT = re.compile(
    r"trailing_var_arg|allow_hyphen_values|external_subcommand|allow_external_subcommands|AllowExternalSubcommands"
    r"|TrailingVarArg|ignore_errors|\blast\s*=\s*true"
)
_CLAP = re.compile(r"\b(?:clap|structopt)\b")
_TESTS = re.compile(r"(^|/)(tests|benches|examples|target)/")
_MORE = frozenset({"verbose", "quiet", "color", "verbosity"})
"""Options of small crates that are flattened into others."""


class RustPrograms:
    """Vocabularies of programs in Rust, by the names of their crates and binaries."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._known: dict[str, Vocabulary | None] = {}

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of programs, and the directories of their crates."""
        found: dict[str, set[str]] = {}
        for path in self.repository.by_name.get("Cargo.toml", []):
            data = toml.parse(self.repository.glimpse(path))
            directory = posixpath.dirname(path)
            package, bins = data.get("package"), data.get("bin")
            said = [each.get("name") for each in bins if isinstance(each, dict)] if isinstance(bins, list) else []
            if isinstance(package, dict) and self.repository.is_file(posixpath.join(directory, "src/main.rs")):
                said.append(package.get("name"))
            for name in said:
                if isinstance(name, str):
                    found.setdefault(name, set()).add(directory)
        return {name: next(iter(each)) for name, each in found.items() if len(each) == 1}

    def find(self, name: str) -> Vocabulary | None:
        """What a program accepts; None where nobody can tell."""
        directory = self.names.get(name)
        if directory is None:
            return None
        if directory not in self._known:
            self._known[directory] = self._read(directory)
        return self._known[directory]

    def _read(self, directory: str) -> Vocabulary | None:
        """From all of the workspace: what a crate takes from which other, only its compiler tells."""
        files = [each for each in self.repository.entries if each.endswith(".rs") and not _TESTS.search(each)]
        own = [each for each in files if each.startswith(f"{directory}/") or not directory]
        texts = [re.sub(r"(?m)^\s*//(?!/).*", "", self.repository.glimpse(each)) for each in files[:3000]]
        whole = "\n".join(text for text in texts if _CLAP.search(text) or "#[arg(" in text)
        if not own or len(files) > 3000 or not whole or _LENIENT.search(whole) or _COMPUTED.search(whole):
            return None
        names = set(_NAMED.findall(whole))
        for attributes, field in _ATTRIBUTED.findall(whole):
            if re.search(r"\blong\b(?!\s*[=(])", attributes):
                names.add(kebab(field))
        for listed in _LISTED.findall(whole):
            names |= set(re.findall(r"\"([^\"]+)\"", listed))
        if not names:
            return None
        main = next((each for each in own if each.endswith("main.rs")), own[0])
        return Vocabulary("Rust", main, options=frozenset(names) | _MORE, negates=True)
