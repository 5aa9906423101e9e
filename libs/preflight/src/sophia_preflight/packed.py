"""What a tree lacks because it was packed: an archive of the sources is no checkout, and much is told that it left out.

Which files an archive has is said by MANIFEST.in, by what pyproject.toml tells hatch, flit, poetry and pdm, and by
`export-ignore` in .gitattributes. A tree is an archive if it has the metadata that only archives have, or nothing at
all of what those leave out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sophia_preflight.ignoring import GitIgnore
from sophia_preflight.readers import toml

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

_EXCLUDING = (
    ("tool", "hatch", "build", "targets", "sdist", "exclude"),
    ("tool", "hatch", "build", "exclude"),
    ("tool", "flit", "sdist", "exclude"),
    ("tool", "poetry", "exclude"),
    ("tool", "pdm", "build", "excludes"),
)
_INCLUDING = (
    ("tool", "hatch", "build", "targets", "sdist", "include"),
    ("tool", "hatch", "build", "targets", "sdist", "only-include"),
    ("tool", "flit", "sdist", "include"),
)
_MADE = re.compile(
    r"\*|/?(build|dist|target|out|venv|env|htmlcov|coverage|node_modules|__pycache__|site|_build|wheels?|tmp|temp|logs?)/?$"
    r"|[^/]*\.(egg-info|py[cod]|so|o|log|cache|db|sqlite3?|swp)\b|.*/_build\b|.*~$"
    r"|/?\.(?!github|gitlab|circleci|ci|docker|buildkite|devcontainer)"
)
"""What a checkout mostly does not have either, whatever leaves it out."""
_ALWAYS = re.compile(
    r"(PKG-INFO|pyproject\.toml|setup\.(py|cfg)|MANIFEST\.in|\.gitignore|(README|LICENSE|LICENCE|COPYING|NOTICE|AUTHORS)[^/]*)$",
    re.IGNORECASE,
)
"""What an archive has at its top without being told."""
_BY_GIT = re.compile(r"\b(hatchling|setuptools[-_]scm|setuptools[-_]git\w*|pbr|pdm-backend)\b")
"""Builders of archives that ask git, or its ignore files, what there is."""
_BOOTSTRAP = re.compile(r"(autogen|bootstrap|buildconf)(\.sh)?|\.[^/]+")
"""What makes `configure`, which an archive that has it does not bring, as it is without hidden files."""
_TEST = re.compile(r"tests?/test[^/]*\.py")
"""What setuptools takes in of the tests without being told."""
_ENOUGH = 2
"""Things left out, of which a checkout would have one."""


class Packed:
    """Asks what was left out of a tree as it was packed."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def leaves_out(self, path: str) -> bool:
        """Whether the tree is an archive that does not have a path, though its checkout may."""
        if path.startswith("..") or not self._is_archive or self.repository.exists(path):
            return False
        if any(each.covers(path) for _, each in self._excluded):
            return True
        if self._included is not None and not self._included.covers(path):
            return True
        if self._is_distribution and self._is_member and not self._is_one_of_many(path):
            return True
        if self._is_configured and _BOOTSTRAP.fullmatch(path):
            return True
        return self._is_distribution and not self._takes_all and not self._is_one_of_many(path)

    @cached_property
    def _takes_all(self) -> bool:
        """Whether what git tracks is packed unless it is told otherwise."""
        said = str(toml.at(self._table, "build-system", "requires"))
        names = (each for each in ("setup.py", "setup.cfg") if each in self.repository.entries)
        return _BY_GIT.search(said + "".join(map(self.repository.text, names))) is not None

    def _is_one_of_many(self, path: str) -> bool:
        """Whether files of its ending are in its directory, which then was taken in with all of them."""
        directory, name = posixpath.split(path)
        ending = posixpath.splitext(name)[1]
        beside = self.repository.beside(directory)
        if not name.startswith("test") and all(map(_TEST.fullmatch, beside)):
            return False
        return bool(directory and ending) and any(each.endswith(ending) for each in beside)

    @cached_property
    def _is_distribution(self) -> bool:
        """Whether it has at its top what is written as a source distribution is made."""
        return "PKG-INFO" in self.repository.entries and self.repository.text("PKG-INFO").startswith("Metadata-Version")

    @cached_property
    def _is_member(self) -> bool:
        """Whether it is one of several projects of a checkout, whose workspace is not here."""
        uv = toml.table(self._table, "tool", "uv")
        return "workspace" not in uv and any(
            toml.at(each, "workspace") is True for each in toml.table(uv, "sources").values()
        )

    @cached_property
    def _is_configured(self) -> bool:
        """Whether it has at its top what `make dist` packs and nobody writes."""
        return all(
            each in self.repository.entries for each in ("configure.ac", "configure", "aclocal.m4", "Makefile.in")
        )

    @cached_property
    def _is_archive(self) -> bool:
        if self._is_distribution or self._is_configured:
            return True
        if self._included is not None:
            rest = (each for each in self.repository.entries if not self._included.covers(each))
            return all(map(_ALWAYS.match, rest))
        telling = [each for said, each in self._excluded if not _MADE.match(said)]
        return len(telling) >= _ENOUGH and not any(
            each.covers(path) for path in self.repository.entries for each in telling
        )

    @cached_property
    def _table(self) -> dict[str, Any]:
        has = "pyproject.toml" in self.repository.entries
        return toml.parse(self.repository.text("pyproject.toml")) if has else {}

    @cached_property
    def _excluded(self) -> list[tuple[str, GitIgnore]]:
        """Patterns of what is left out, each with what it begins with."""
        said = [each for keys in _EXCLUDING for each in _texts(toml.at(self._table, *keys))]
        said += [*self._manifest(), *self._attributes()]
        return [(each, GitIgnore(each)) for each in dict.fromkeys(said)]

    @cached_property
    def _included(self) -> GitIgnore | None:
        """What alone is taken in, where only some is."""
        said = [f"/{each.lstrip('/')}" for keys in _INCLUDING for each in _texts(toml.at(self._table, *keys))]
        return GitIgnore("\n".join(said)) if said else None

    def _manifest(self) -> Iterator[str]:
        text = self.repository.text("MANIFEST.in") if "MANIFEST.in" in self.repository.entries else ""
        for line in text.split("\n"):
            words = line.split()
            match words[:1]:
                case ["prune"] if len(words) == 2:
                    yield f"/{words[1].strip('/')}/"
                case ["recursive-exclude"] if len(words) > 2:
                    base = words[1].strip("/")
                    yield from (f"/{base}/" if each == "*" else f"/{base}/**/{each}" for each in words[2:])
                case ["exclude"]:
                    yield from (f"/{each.removeprefix('./')}" for each in words[1:])

    def _attributes(self) -> Iterator[str]:
        has = ".gitattributes" in self.repository.entries
        for line in self.repository.text(".gitattributes").split("\n") if has else ():
            words = line.split()
            if "export-ignore" in words[1:]:
                yield words[0].removesuffix("/**").removesuffix("/*")


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
