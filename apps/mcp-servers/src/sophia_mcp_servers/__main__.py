"""`python -m sophia_mcp_servers gateway|ai-memory|code-quality`: runs one server on 127.0.0.1:$PORT until SIGTERM.

Exits with 2 where the environment lacks something, and names all of it at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

SERVERS = {
    "gateway": "sophia_mcp_servers.gateway.server",
    "ai-memory": "sophia_mcp_servers.ai_memory.server",
    "code-quality": "sophia_mcp_servers.code_quality.server",
}
"""Which module holds a server's `served(environ)`. Imported by name, so that a process loads only its own."""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in SERVERS:
        print(f"usage: python -m sophia_mcp_servers {'|'.join(SERVERS)}", file=sys.stderr)  # noqa: T201 -- no log yet
        return 2
    from sophia_mcp_servers import serving

    name = arguments[0]
    try:
        settings = serving.Settings.read(name, os.environ)
        serving.log_as(settings)
        application = importlib.import_module(SERVERS[name]).served(os.environ)
    except serving.Misconfigured as error:
        print(f"error: `{name}` cannot start: {error}", file=sys.stderr)  # noqa: T201 -- for the one who started it
        return 2
    serving.run(application, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
