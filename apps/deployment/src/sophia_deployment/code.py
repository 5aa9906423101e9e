"""Which build of Sophia this is: a hash of the code that is installed. Standard library only, about 10 ms."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

PACKAGES = ("sophia_deployment", "sophia_deployment_core", "sophia_infrastructure", "sophia_security")


@cache
def build() -> str:
    """The same for the same code, wherever it is installed; an engine of another build is replaced by `sophia up`."""
    content = hashlib.sha256()
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.submodule_search_locations, f"{package} is not installed"
        root = Path(next(iter(spec.submodule_search_locations)))
        for path in sorted(root.rglob("*.py")):
            content.update(f"{package}/{path.relative_to(root)}\n".encode())
            content.update(path.read_bytes())
    return content.hexdigest()
