"""Files among tests and examples that pages, scripts and tools for clusters hand to a command.

`docker compose -f examples/shop.yaml up`, `docker build examples/postgres/db`, `kubectl apply -f deploy/`, the list of
manifests of a Tiltfile: whoever follows them gets what is wrong in those files. Texts are read as people read them,
line by line, with the directory that a `cd` leads to and those around the text; what they do not name is not used.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from sophia_preflight.readers import pages
from sophia_preflight.readers.compose import COMPOSE_NAMES
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import upward

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

MATERIAL = re.compile(
    r"(^|/)(testdata|test_data|test_files|test-data|fixtures?|mocks?|data|resources|golden|samples?)/"
)
"""Folders of what tests read; a page in it belongs to an invented repository."""
_PAGE = re.compile(r"\.(md|mdx|markdown|rst)$", re.IGNORECASE)
_TOOL = re.compile(r"(^|/)(Tiltfile|\w+\.tiltfile|skaffold\.ya?ml|devspace\.ya?ml|garden\.ya?ml)$")
_SCRIPT = re.compile(r"\.(sh|bash|mk|just)$|(^|/)(GNUmakefile|[Mm]akefile|[Jj]ustfile|tox\.ini|Taskfile\.ya?ml)$")
_WORKFLOW = re.compile(r"(^|/)\.(github|gitea|forgejo)/workflows/[^/]+\.ya?ml$|(^|/)\.gitlab-ci\.yml$")
_PAST = re.compile(
    r"(^|/)[^/]*(change-?log|changes|release|history|news|archive|proposal|rfcs?/|adrs?/)", re.IGNORECASE
)
_COMMAND = re.compile(
    r"(?<![\w./-])(?:(?P<compose>(?:docker|podman|nerdctl)[ -]compose)|(?P<build>(?:docker|podman|nerdctl|buildah)"
    r"(?: \w+)? (?:build|bud))|(?P<apply>kubectl|oc|kustomize|k3s kubectl)|(?P<chart>helm|helmfile)|"
    r"docker stack|ansible-playbook|terraform|nomad|vagrant|tilt|skaffold|prometheus|promtool|cp|scp|curl|wget)"
    r"(?![\w/-])"
)
_OTHER_FILE = re.compile(r"\s(-f|--file)\b")
_VERB = re.compile(r"\b(up|start|create|run|build|config|watch)\b")
_SHELL = re.compile(
    r"(?:^|[\s;&(`])(?:(?:sudo\s+)?(?:bash|sh)\s+)?((?:\.{1,2}/|(?<=sh\s))[\w./-]*[\w-]+\.(?:sh|bash))\b"
)
"""A script that a page has its reader run."""
_CD = re.compile(r"(?:^|[\s(;&])(?:cd|pushd)\s+[\"']?([\w./-]+)")
_WORKING = re.compile(r"working-directory:\s*[\"']?([\w./-]+)")
_INLINE = re.compile(r"`+([^`\n]+)`+")
_INCLUDED = re.compile(r"^\s*\.\. literalinclude::\s*(\S+\.ya?ml)\s*$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s#?]+)\)|^\.\. _[^:]+: (\S+)$|`[^`<]*<([^>\s]+)>`_")
_ADDRESS = re.compile(
    r"https?://(?:raw\.githubusercontent\.com/[^/]+/[^/]+|github\.com/[^/]+/[^/]+/(?:blob|raw))/(?:refs/heads/)?[^/]+/(.+)"
)
"""Where the forge shows a file of a repository: ours, where we have a file of that path."""
_FILE = re.compile(r"\.(ya?ml|json)$|(^|/)(Docker|Container)file[^/]*$")
_FILE_NAMED = re.compile(r"\.ya?ml\b|[Dd]ockerfile|Containerfile")
_SPLIT = re.compile(r"[\s\"'`=,;()&|<>\[\]]+")
_MADE = ("Dockerfile", "Containerfile")
_MOST_BYTES = 300_000


def is_ours(path: str) -> bool:
    """Whether a text speaks of this repository, as it is now."""
    return standing(path) in (Standing.PRODUCT, Standing.EXAMPLE, Standing.TEST) and not MATERIAL.search(path)


@dataclass
class Told:
    """What the texts of a repository hand to commands; `light` are the files that it is asked for."""

    repository: Repository
    light: Collection[str]
    composes: Collection[str]
    found: set[str] = field(default_factory=set)

    def read(self) -> set[str]:
        """The files that some text names."""
        self.folders = {folder for path in self.light for folder in upward(posixpath.dirname(path))}
        for path, entry in self.repository.entries.items() if self.light else ():
            speaks = _PAGE.search(path) or _TOOL.search(path) or _SCRIPT.search(path) or _WORKFLOW.search(path)
            if speaks and entry.size <= _MOST_BYTES and not _PAST.search(path) and is_ours(path):
                self._read(path, self.repository.glimpse(path))
        for path in self.light:
            if _FILE.search(path):
                self._read_head(path)
        return self.found

    def _read_head(self, path: str) -> None:
        """What a file says at its top of how it is used: `# kubectl apply -f examples/shop.yaml`."""
        lines = takewhile(
            lambda line: line.startswith("#") or not line.strip(), self.repository.glimpse(path).split("\n")
        )
        for line in lines:
            command, name = _COMMAND.search(line), posixpath.basename(path)
            if command is None:
                continue
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", line):
                self._run(command, line[command.start() :], [*upward(posixpath.dirname(path)), ""])
            elif command["compose"] and name in COMPOSE_NAMES and _VERB.search(line) and not _OTHER_FILE.search(line):
                self._use(path)

    def _read(self, path: str, text: str) -> None:
        here = posixpath.dirname(path)
        if _TOOL.search(path):
            for word in _SPLIT.split(text):
                self._give(word, [here], "apply")
            return
        if _COMMAND.search(text) is None and not (
            _PAGE.search(path) and (_FILE_NAMED.search(text) or _SHELL.search(text))
        ):
            return
        around = [*upward(here), ""]
        if not _PAGE.search(path):
            around = [each for match in _WORKING.finditer(text) for each in self._entered(match[1], around)] + around
            self._follow(text.replace("\\\n", " ").split("\n"), around, [])
            return
        if "kubectl" in text:
            for match in _INCLUDED.finditer(text):
                self._give(match[1], [here], "apply")
        page, inner = pages.parse(path, text), list[str]()
        for block in page.blocks:
            if not block.past:
                inner = self._follow("\n".join(block.lines).replace("\\\n", " ").split("\n"), around, inner)
        for line in page.prose:
            inner = self._follow(_INLINE.findall(line), around, inner)
            for link in _LINK.finditer(line):
                name = next(filter(None, link.groups()))
                if _FILE.search(name):
                    self._give(name, [here], "")

    def _follow(self, lines: Iterable[str], around: list[str], inner: list[str]) -> list[str]:
        """Read lines of commands, from the directories around and those that an earlier `cd` led to; where it ends."""
        for line in lines:
            for match in _CD.finditer(line):
                inner = self._entered(match[1], [*inner, *around]) or inner
            bases = list(dict.fromkeys([*inner, *around]))
            if (command := _COMMAND.search(line)) is not None:
                self._run(command, line[command.start() :], bases)
            for match in _SHELL.finditer(line):
                self._start(match[1], bases)
        return inner

    def _entered(self, name: str, bases: list[str]) -> list[str]:
        places = dict.fromkeys(_below(base, name) for base in bases)
        found = [each for each in places if not each.startswith("..") and self.repository.is_directory(each or ".")]
        clone, _, inside = name.partition("/")
        return found or ([inside] if clone and inside and self.repository.is_directory(inside) else [])

    def _run(self, command: re.Match[str], line: str, bases: list[str]) -> None:
        kind = command.lastgroup or ""
        words = [word for word in _SPLIT.split(line) if word]
        before = len(self.found)
        for word in words:
            self._give(word, bases, kind)
        if (
            kind == "build"
            and re.search(r"\s(-f|--file)\b", line)
            and len(self.found) == before
            and not any(self.repository.is_file(_below(base, word)) for word in words for base in bases)
        ):
            self._first(bases[:1], _MADE)  # the one beside the page, whose name it gets wrong
        if kind == "compose" and not re.search(r"\s(-f|--file)\b", line) and _VERB.search(line):
            self._first(bases, COMPOSE_NAMES)
        elif kind == "build" and "." in words and not re.search(r"\s(-f|--file)\b", line):
            self._first(bases, _MADE)

    def _start(self, name: str, bases: list[str]) -> None:
        """Take the script of a name; the only one of it, where the page leads to a directory that is not there."""
        places = [place for base in bases if (place := _below(base, name)) in self.light]
        same = self.repository.by_name.get(posixpath.basename(name), [])
        self._use(places[0] if places else same[0] if len(same) == 1 else "")

    def _first(self, bases: list[str], names: Iterable[str]) -> None:
        """The file that a command takes by itself, in the first directory that has one."""
        places = ([_below(base, name) for name in names] for base in bases)
        hits = (next((each for each in some if self.repository.is_file(each)), "") for some in places)
        self._use(next(filter(None, hits), ""))

    def _give(self, word: str, bases: list[str], kind: str) -> None:
        """Take what a word names: a file, or what the command takes of a directory."""
        if address := _ADDRESS.match(word):
            self._use(address[1])
            return
        name = word.removeprefix("$(pwd)/").removeprefix("$PWD/").removeprefix("${PWD}/").split(":")[0]
        if not name.strip("./") or name.startswith(("/", "-", "$", "~", "http")):
            return
        for place in dict.fromkeys(_below(base, name) for base in bases):
            if place in self.light:
                self._use(place)
                return
            if place in self.folders:
                for each in self._taken(place, kind):
                    self._use(each)
                return

    def _taken(self, folder: str, kind: str) -> Iterator[str]:
        match kind:
            case "build":
                yield from (_below(folder, name) for name in _MADE)
            case "apply":
                inner = (each for each in self.light if posixpath.dirname(each) == folder)
                yield from (each for each in inner if each.endswith((".yaml", ".yml", ".json")))
            case "chart" if self.repository.is_file(_below(folder, "Chart.yaml")):
                yield from (each for each in self.light if each.startswith(f"{folder}/"))
            case _:
                return

    def _use(self, path: str) -> None:
        if path in self.light:
            self.found.add(path)


def _below(base: str, name: str) -> str:
    place = posixpath.normpath(posixpath.join(base, name))
    return "" if place == "." else place
