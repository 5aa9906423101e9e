"""Python modules that nothing reaches: no module that matters imports them, nothing starts, lists or names them.

What fails in such a module fails for nobody. Most modules that no `import` names are reached all the same: programs,
tests, what frameworks find by its name, plugins that are loaded from their directory, names in settings. Only what is
none of these is said to be unused, so that a doubt counts as use.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.readers.imports import Import
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import upward

if TYPE_CHECKING:
    from sophia_preflight.modules import Modules

_COLLECTED = re.compile(
    r"(^|/)(test_[^/]*|[^/]*_tests?|tests?|conftest|setup|noxfile|conf|manage|wsgi|asgi|app|main|__\w+__)\.py$"
    r"|(^|/)(settings\w*|urls|admin|apps|models|signals|tasks|views|forms|env|fabfile|locustfile|gunicorn\w*)\.py$"
    r"|(^|/)(settings|migrations|versions|commands|templatetags|plugins?|hooks|extensions?|addons?|dags|jobs|tasks)/"
)
"""Found by their name or place: by test runners, Django, Alembic, Sphinx, servers, and those that load plugins."""
_LOADS = (
    "import_module", "iter_modules", "walk_packages", "find_modules", "autodiscover", "__import__", "exec_module",
    "load_module", "module_from_spec", "load_source", "run_module", "run_path", "import_string", "locate(",
)  # fmt: skip
_LISTS = re.compile(
    r"iter_modules|walk_packages|find_modules|autodiscover|listdir|glob\(|scandir|iterdir|import_module\(f?[\"']\."
)
_NAMING = re.compile(
    r"\.(py|toml|cfg|ini|ya?ml|json|md|rst|txt|sh|in|env|conf|mk|j2|html|ipynb)$|(^|/)(Dockerfile|Makefile|Procfile)"
)
_OMITTED = re.compile(r"--(ignore|exclude|omit)\b")
_MOST_BYTES = 300_000
_MOST_LOOKS = 40
"""So often all texts are looked through; what is asked for after that counts as used."""
_MOST_IMPORTERS = 8
"""More than that are not all forgotten; and each is looked for in all texts."""


class Unused:
    def __init__(self, modules: Modules) -> None:
        self.modules, self.repository = modules, modules.repository
        self._known: dict[str, bool] = {}
        self._looks = 0

    def covers(self, path: str) -> bool:
        """Whether a module is surely used by nobody: neither by itself nor through what imports it."""
        if path not in self._known:
            self._known[path] = self._is_unused(path)
        return self._known[path]

    def _is_unused(self, path: str) -> bool:
        seen, waiting = {path}, [path]
        while waiting:
            here = waiting.pop()
            if self._is_reached(here) or len(seen) > _MOST_IMPORTERS:
                return False
            new = self._importers(here) - seen
            seen |= new
            waiting += sorted(new)
        return not any(self._is_named(each) for each in seen)

    def _is_reached(self, path: str) -> bool:
        directory = posixpath.dirname(path)
        facts = self.modules.python[path]
        if facts.is_program or _COLLECTED.search(path) or path in self.modules.reached:
            return True
        if not self._is_packaged(directory):
            return standing(path) is not Standing.TEST  # run by its path, or found on one
        return self._is_loaded(directory)

    def _is_packaged(self, directory: str) -> bool:
        """Whether modules of a directory go by the name of a package around them."""
        return any(f"{each}/__init__.py" in self.repository.entries for each in upward(directory))

    def _is_loaded(self, directory: str) -> bool:
        """Whether some module loads what lies in a directory, by listing it or by a name that begins with its own."""
        parents = {directory, posixpath.dirname(directory)}
        name = re.escape(posixpath.basename(directory))
        prefix = re.compile(rf"\b{name}\.[\"'{{%]" + (rf"|[\"'/]{name}[\"'/]" if "/" in directory else ""))
        return any(
            (posixpath.dirname(each) in parents and _LISTS.search(text)) or prefix.search(text)
            for each, text in self._loaders.items()
        )

    # --- who imports what --------------------------------------------------------------------------------------------

    def _importers(self, path: str) -> set[str]:
        dotted = path[:-3].replace("/", ".")
        return {
            importer
            for importer, said in self._imports.get(posixpath.basename(path)[:-3], ())
            if importer != path and (dotted == said or dotted.endswith("." + said))
        }

    @cached_property
    def _imports(self) -> dict[str, list[tuple[str, str]]]:
        """Last part of what is imported -> who imports it, and the whole of what is named."""
        found: dict[str, list[tuple[str, str]]] = {}
        for importer, facts in self.modules.python.items():
            for imported in facts.outline.imports:
                for said in _said(importer, imported):
                    found.setdefault(said.rpartition(".")[2], []).append((importer, said))
        return found

    # --- who loads or names it ---------------------------------------------------------------------------------------

    @cached_property
    def _loaders(self) -> dict[str, str]:
        """Modules that load others by names made at run time, with their texts; what tests load, only they miss."""
        paths = (path for path in self.modules.python if standing(path) is not Standing.TEST)
        texts = ((path, self.repository.glimpse(path)) for path in paths)
        return {path: text for path, text in texts if any(mark in text for mark in _LOADS)}

    def _is_named(self, path: str) -> bool:
        """Whether some text has its dotted name in quotes, or its path, or a setting that ends with both."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            return True
        parts = path[:-3].split("/")
        dotted = ".".join(parts[-2:])
        pattern = re.compile(
            rf"[\"'=:\s][\w.]*\b{re.escape(dotted)}(?:\.[A-Z]\w*)?(?=[\"':\s])(?!\s+import)|{re.escape('/'.join(parts[-2:]))}\.py"
        )
        return any(
            (dotted in text or "/".join(parts[-2:]) in text) and _without_imports(pattern, text)
            for text in self._texts(path)
        )

    def _texts(self, path: str) -> Iterator[str]:
        for each, entry in self.repository.entries.items():
            if each != path and entry.size <= _MOST_BYTES and _NAMING.search(each) and ".egg-info/" not in each:
                yield self.repository.glimpse(each)


def _without_imports(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a pattern is in a line that uses what it names: imports are read elsewhere, and some say what to omit."""
    for found in pattern.finditer(text):
        line = text[text.rfind("\n", 0, found.start() + 1) + 1 : found.end()].lstrip()
        if not line.startswith(("from ", "import ", ">>> from", ">>> import")) and not _OMITTED.search(line):
            return True
    return False


def _said(importer: str, imported: Import) -> Iterator[str]:
    """The dotted names that an import may mean, as far as it says them."""
    module = imported.module
    if imported.level:
        directory = importer
        for _ in range(imported.level):
            directory = posixpath.dirname(directory)
        module = ".".join(part for part in (directory.replace("/", "."), module) if part)
    if module:
        yield module
    for name in imported.names:
        yield f"{module}.{name.name}" if module else name.name
