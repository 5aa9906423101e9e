"""What programs need and make, by their words: one module for each kind of program."""

from __future__ import annotations

from sophia_preflight.calls.programs import clusters, containers, files, make, python, runners, tools
from sophia_preflight.calls.running import Reader

READERS: dict[str, Reader] = {
    **tools.READERS,
    **python.READERS,
    **make.READERS,
    **containers.READERS,
    **clusters.READERS,
    **files.READERS,
    **runners.READERS,
}
