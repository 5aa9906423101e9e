"""`python -m sophia_api`: serves on 127.0.0.1:$PORT until SIGTERM. Exits with 2 where the environment is wrong.

SIGTERM: no new connections, requests in flight are finished (at most `FINISH_SECONDS`), then it ends.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from sophia_api.faults import Faults, UnknownFault
from sophia_api.settings import Misconfigured, Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than any caller keeps an idle connection: a server that closes first loses the request just being sent."""
FINISH_SECONDS = 25
"""What requests in flight get after SIGTERM. Below the 30 s of grace that our `sophia.yaml` gives."""


def main() -> int:
    try:
        settings = Settings.read(os.environ)
        faults = Faults.read(settings.fault)
    except (Misconfigured, UnknownFault) as error:
        print(f"error: `api` cannot start: {error}", file=sys.stderr)  # noqa: T201 -- for the one who started it
        return 2
    faults.before_listening()
    serve(settings, faults)
    return 0


def serve(settings: Settings, faults: Faults) -> None:
    """Serves until SIGTERM; the process then ends as that signal ends one."""
    import structlog
    import uvicorn

    from sophia_api.app import VERSION, create_app
    from sophia_api.logs import log_as

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if sig == signal.SIGTERM and faults.ignore_sigterm:
                structlog.get_logger().warning("told to ignore SIGTERM")
                return
            super().handle_exit(sig, frame)

    log_as(settings)
    port = faults.port(settings.port)
    config = uvicorn.Config(
        faults.around(create_app(settings)),
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
        ws="none",
    )
    structlog.get_logger().info("starting", port=port, version=VERSION, faults=faults.names)
    Server(config).run()


if __name__ == "__main__":
    sys.exit(main())
