"""Which code runs: so that `up` replaces an engine that was started from other code than its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version as _version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("sophia_deployment", "sophia_deployment_core", "sophia_infrastructure", "sophia_security")


def version() -> str:
    return _version("sophia-deployment")


def build_hash() -> str:
    """The first 12 digits of a hash over the Python code of the engine and of the libraries it is made of."""
    digest = hashlib.sha256()
    for path, content in sources():
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def sources() -> Iterator[tuple[str, bytes]]:
    """Every Python file of ours that is installed, as `package/path.py` with its content, in order."""
    for package in PACKAGES:
        root = _root(package)
        for path in sorted(root.rglob("*.py")):
            yield f"{package}/{path.relative_to(root)}", path.read_bytes()


def _root(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None, f"{package} is installed together with this"
    return Path(spec.origin).parent
