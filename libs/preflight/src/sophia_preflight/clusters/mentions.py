"""Who but manifests speaks of objects of a cluster: scripts, guides and programs may make what manifests need."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_CREATED_ELSEWHERE = re.compile(
    r"\.(sh|bash|md|rst|txt|ya?ml|json|tf|ts|js|py|go|mk|toml|env|hcl|tpl|ps1|tfvars|j2|jinja2?|tmpl|gotmpl|template)$"
)
_RELEASE = re.compile(
    r"\bhelm3?\s+(?:(?:install|upgrade|--?[\w-]+(?:[= ](?!\./)[\w.:/-]+)?|\$\{?\w+\}?)\s+)+"
    r"([a-z][a-z0-9-]*)\s+[\w./$\"'{@-]"
)
_CHANGES = re.compile(r"(^|/)(changelog|changes|history|news|release[\w-]*)[^/]*$", re.IGNORECASE)
"""Where what once was is told."""
_MAKES = re.compile(r"kubectl|kubernetes|helm|k8s|oc create|apiVersion|secretName", re.IGNORECASE)


class Mentions:
    """Files that are no manifests and name something: scripts, guides and programs may make what manifests need."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._known: dict[tuple[str, bool, bool], bool] = {}
        self._texts: dict[str, str] | None = None

    def anywhere(self, name: str, *, account: bool = False, charts: bool = True) -> bool:
        """Whether any text has the name; with `account`, as that of an account; those of charts, which make their own
        objects, and what is told of changes only with `charts`."""
        key = (name, account, charts)
        if key not in self._known:
            before = r"(?i:service[\s_-]?account\b|\bsa\b)[^\n]{0,80}" if account else ""
            pattern = re.compile(rf"{before}(?<![\w./-]){re.escape(name)}(?![\w-])")
            own = () if charts else tuple(f"{each}/templates/" for each in self.context.cluster.charts)
            texts = (
                text
                for path, text in self.texts().items()
                if charts or not (path.startswith(own) or _CHANGES.search(path))
            )
            self._known[key] = any(name in text and pattern.search(text) for text in texts)
        return self._known[key]

    def is_released(self, name: str) -> bool:
        """Whether some text installs a release of a chart whose objects have names like this one."""
        return any(name == each or name.startswith(f"{each}-") for each in self._releases)

    @cached_property
    def _releases(self) -> frozenset[str]:
        lines = (
            line for text in self.texts().values() if "helm" in text for line in text.split("\n") if "helm" in line
        )
        return frozenset(match[1] for line in lines for match in _RELEASE.finditer(line))

    def texts(self) -> dict[str, str]:
        if self._texts is None:
            repository, cluster = self.context.repository, self.context.cluster
            manifests = set(cluster.items) | set(cluster.builder.kustomizations)
            self._texts = {}
            for path, entry in repository.entries.items():
                if path in manifests or entry.size > 300_000:
                    continue
                name = path.rpartition("/")[2]
                if _CREATED_ELSEWHERE.search(name) or name in ("Makefile", "Justfile", "Tiltfile", "Jenkinsfile"):
                    text = repository.text(path)
                    if _MAKES.search(text):
                        self._texts[path] = text
        return self._texts
