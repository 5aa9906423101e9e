"""Programs that the repository builds from source in a compiled language: which they are, by the names they go by."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Program
from sophia_preflight.calls.options import part
from sophia_preflight.interfaces.golang import GoPrograms
from sophia_preflight.interfaces.nodejs import NodePrograms
from sophia_preflight.interfaces.rust import RustPrograms
from sophia_preflight.interfaces.vocabulary import Vocabulary
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import UNKNOWN, Word, is_known, joined, named

if TYPE_CHECKING:
    from sophia_preflight.context import Context

GO = named(
    "-o -p -tags -ldflags -gcflags -asmflags -gccgoflags -mod -modfile -overlay -pkgdir -toolexec -buildmode -compiler "
    "-installsuffix -C -exec -covermode -coverpkg"
)
_CARGO = named("--bin -p --package --features -F --manifest-path --target --profile --target-dir -j --jobs --config -Z")
_USUAL = named(
    "main test run gen build install lint release format find cat echo env tool tools cmd app script scripts bin hack"
)
"""Names that say nothing of which program is meant."""
_VARIANT = re.compile(
    r"([-_.](prod|pure|race|static|debug|linux|darwin|windows|freebsd|amd64|arm64|arm|386|ppc64le|s390x|x86_64|aarch64))+$"
)
_CALLED = re.compile(r"\bUse\s*:\s*\"([\w-]+)|\bkingpin\.New\(\s*\"([\w-]+)\"|\bcli\.App\{\s*Name:\s*\"([\w-]+)\"")
"""What a program calls itself."""


class Built:
    """The programs by name; one that several go by is not known."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.go = GoPrograms(context.repository)
        self.rust = RustPrograms(context.repository)
        self.node = NodePrograms(context.repository)

    def find(self, name: str) -> Vocabulary | None:
        """What the program of a name, or of a build of it for something, accepts."""
        name = posixpath.basename(name).removesuffix(".exe")
        if name in _USUAL or name in self.context.entries:
            return None
        directory = self._names.get(name, self._names.get(_VARIANT.sub("", name)))
        if directory is not None:
            return self.go.vocabulary(directory)
        return self.rust.find(name) or self.node.find(name)

    def source(self, name: str) -> list[str]:
        """The files of ours that the one program in Go of a name is made of; none where nobody knows."""
        directory = self._names.get(posixpath.basename(name).removesuffix(".exe"))
        return self.go.files(directory) if directory is not None else []

    def cargo(self, words: Sequence[Word]) -> tuple[Vocabulary, Sequence[Word]] | None:
        """What `cargo run` starts, and what it is told."""
        values = [word.value for word in words]
        if values[:1] != ["run"] or "--" not in values:
            return None
        at = values.index("--")
        name = part(words[1:at], _CARGO).first("--bin", "-p", "--package")
        if name is None and len(self.rust.names) != 1:
            return None
        known = self.rust.find(name.value if name is not None else next(iter(self.rust.names)))
        return (known, words[at + 1 :]) if known is not None else None

    def run(self, call: Call, words: Sequence[Word]) -> tuple[Vocabulary, Sequence[Word]] | None:
        """What `go run` starts, and what it is told."""
        if not words or words[0].value != "run":
            return None
        rest = part(words[1:], GO, stop=True).rest
        files = [word for word in rest if word.value.endswith(".go")]
        target = files[0] if files else rest[0] if rest else None
        if target is None or not target.known:
            return None
        arguments = rest[len(files) if files else 1 :]
        directory = self._directory(call, posixpath.dirname(target.value) if files else target.value)
        if directory is None:
            return None
        file = posixpath.join(directory, posixpath.basename(target.value)) if len(files) == 1 else ""
        alone = file if file and len(self.go.packages.get(directory, [])) > 1 else ""
        known = self.go.vocabulary(directory, alone)
        return (known, arguments) if known is not None else None

    @property
    def names(self) -> frozenset[str]:
        """The names of the programs in Go and Rust."""
        return frozenset(self._names) | (frozenset(self.rust.names) - _USUAL)

    @cached_property
    def _names(self) -> dict[str, str]:
        found: dict[str, set[str]] = {}
        ours = [each for each in self.go.mains if standing(f"{each}/main.go") is not Standing.VENDORED]
        projects = self.context.modules.projects.by_directory.values()
        taken = {point.name for project in projects for point in project.entry_points if point.is_command}
        for directory in ours:
            if (called := self.go.name_of(directory)) not in taken:
                found.setdefault(called, set()).add(directory)
            text = self.context.repository.glimpse(self.go.mains[directory])
            if (match := _CALLED.search(text)) and (said := next(filter(None, match.groups()))):
                found.setdefault(said, set()).add(directory)
        made: dict[str, dict[str, set[str]]] = {}
        for call in self.context.calls if ours else ():
            for name, directory in self._made(call):
                found.setdefault(name, set()).add(directory)
                made.setdefault(call.site.path, {}).setdefault(name, set()).add(directory)
        for path, names in made.items():
            for name, other in self._renamed(path):
                found.setdefault(other, set()).update(names.get(name, ()))
        return {
            name: next(iter(each)) for name, each in found.items() if len(each) == 1 and name not in _USUAL and name
        }

    def _renamed(self, path: str) -> Iterator[tuple[str, str]]:
        """What an image calls programs that an earlier stage of its Dockerfile builds: by the old name, the new one."""
        made = self.context.dockerfiles.get(path)
        for each in (each for stage in made.stages for each in stage.instructions) if made is not None else ():
            if each.name == "COPY" and "from" in each.flags and len(each.arguments()) == 2:
                old, new = each.arguments()
                name, other = posixpath.basename(old), posixpath.basename(new)
                if other not in ("", ".", name):
                    yield name, other

    def _made(self, call: Call) -> list[tuple[str, str]]:
        """The programs that `go build -o NAME PACKAGE` makes."""
        target = call.target
        if not isinstance(target, Program) or posixpath.basename(target.name.value) != "go":
            return []
        if not target.arguments or target.arguments[0].value != "build":
            return []
        parted = part(target.arguments[1:], GO)
        output = parted.first("-o")
        packages = parted.operands or [Word(".", call.place.line, call.place.column)]
        name = posixpath.basename(output.value).removesuffix(".exe").rstrip(UNKNOWN) if output is not None else ""
        if not name or not is_known(name) or len(packages) != 1:
            return []
        value = packages[0].value
        directory = self._directory(call, (posixpath.dirname(value) or ".") if value.endswith(".go") else value)
        return [(name, directory)] if directory is not None else []

    def _directory(self, call: Call, value: str) -> str | None:
        """The directory of a main package, as a command names it: a path, or an import path."""
        if not is_known(value):
            return None
        if not value.startswith(".") and (ours := self.go.directory(value)) is not None and ours in self.go.mains:
            return ours
        site = call.site
        for place in self.context.finder.bases(site.path, joined(site.directory, value)):
            if _plain(place) in self.go.mains:
                return _plain(place)
        inner = _plain(posixpath.normpath(value)).lstrip("/")
        if site.image and "::" not in site.image:
            for build in self.context.builds(site.image.partition("#")[0]):
                place = _plain(posixpath.normpath(posixpath.join(build.directory, inner)))
                if place in self.go.mains:
                    return place
        same = [each for each in self.go.mains if inner and (each == inner or each.endswith(f"/{inner}"))]
        return same[0] if len(same) == 1 else None


def _plain(place: str) -> str:
    return "" if place in (".", "") else re.sub(r"^\./", "", place)
