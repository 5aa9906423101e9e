"""`sophia demo`: with traffic on, a visibly new version takes over, a broken one comes and goes back by itself.

The traffic is real and strict: keep-alive GET and POST and new connections, no retries; a request counts as lost when
no answer came, whatever the reason. What the services wrote down is counted too: an id that was acted on twice is told.
The demonstration uses what services declare: `DEMO_LABEL` makes a version visible, `DEMO_FAULT` breaks it.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli import following
from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb, environment_argument
from sophia_deployment.codes import NO_DEMO
from sophia_deployment.output.text import plain, table

if TYPE_CHECKING:
    from pathlib import Path

    from sophia_deployment_core.platform import Platform

LABEL, FAULT = "DEMO_LABEL", "DEMO_FAULT"
TAG = "demo"
CLIENTS = 6
ANSWER_SECONDS = 30.0
MOST_SECONDS = 600.0
"""The traffic stops by itself after so long, whatever happens."""


@click.command(cls=Verb, example="sophia demo")
@environment_argument
@click.option("--rate", type=click.IntRange(1, 500), default=60, show_default=True, help="Requests per second.")
@click.option("--watch", default="6s", show_default=True, help="How long each version is watched.")
@HERE
def command(site: Site, environment: str | None, rate: int, watch: str) -> int:
    """Watch a good, a broken and the first release in turn, with traffic on, and count what was lost.

    Takes about a minute and leaves ENVIRONMENT (default: the first) as it was. Its runs are tagged `demo`.
    """
    from sophia_deployment_core.units import duration_ms

    platform = site.platform()
    name = site.declared_environment(environment)
    stage = _Stage(site, name, _service(platform), duration_ms(watch))
    url = stage.url()
    before = stage.live()
    site.console.say(f"traffic: {rate} requests per second to {url}, no retries", "")
    with Traffic(url, rate=rate, post=_post(platform)) as traffic:
        try:
            acts = [stage.good(platform), stage.broken(platform)]
        finally:
            back = stage.back(before)
        time.sleep(1)
    tally = traffic.tally
    doubled = _doubled(site.places.logs(name), tally.ids)
    result = {**tally.told(), "doubled": doubled, "runs": [*acts, back], "live": stage.live()}
    site.console.answer(result, *_lines(result, [*acts, back], before))
    return 0 if not tally.lost and not doubled and [act["status"] for act in acts] == ["done", "rolled back"] else 1


def _service(platform: Platform) -> str:
    """The service that is changed: the first that declares both variables."""
    for name, service in platform.services.items():
        if LABEL in service.env and FAULT in service.env:
            return name
    raise SophiaError(
        NO_DEMO,
        f"no service of `{platform.platform}` declares `{LABEL}` and `{FAULT}`",
        hint=f"a service that obeys them says so in sophia.yaml: `env: {{{LABEL}: '', {FAULT}: ''}}`",
    )


def _post(platform: Platform) -> str | None:
    """A path that takes a chat message, if there is one."""
    routes = (route for service in platform.services.values() for route in service.routes)
    return next((route for route in routes if route == "/chat"), None)


# --- the acts -------------------------------------------------------------------------------------------------------


@dataclass
class _Stage:
    site: Site
    environment: str
    service: str
    watch_ms: int

    def url(self) -> str:
        found = self._status()
        if not found or not found["url"] or not found["live"]:
            raise SophiaError(NO_DEMO, f"nothing is live in `{self.environment}`", hint="start it: `sophia up`")
        return str(found["url"])

    def live(self) -> str:
        found = self._status()
        return str(found["live"]["release"]) if found and found["live"] else ""

    def _status(self) -> dict[str, Any] | None:
        environments = self.site.engine.status()["environments"]
        return next((each for each in environments if each["name"] == self.environment), None)

    def good(self, platform: Platform) -> dict[str, Any]:
        return self._act("a new version takes over", platform, {LABEL: f"demo {time.strftime('%H:%M:%S')}"})

    def broken(self, platform: Platform) -> dict[str, Any]:
        label = f"broken {time.strftime('%H:%M:%S')}"
        return self._act(
            "a broken version comes, and goes back by itself", platform, {LABEL: label, FAULT: "errors-after:2s"}
        )

    def back(self, before: str) -> dict[str, Any]:
        """To what was live at the beginning."""
        submission = {"kind": "rollback", "to": before, "reason": "the demonstration is over"}
        self.site.console.say("== everything is put back")
        return self._run(submission)

    def _act(self, title: str, platform: Platform, env: Mapping[str, str]) -> dict[str, Any]:
        """The working tree with these variables."""
        from sophia_deployment.cli.releasing import deployment

        self.site.console.say(f"== {title}")
        submission = deployment(self.site, platform, self.environment, quiet=True)
        overrides = {self.service: dict(env)}
        return self._run({**submission, "overrides": overrides, "watch_ms": self.watch_ms})

    def _run(self, submission: dict[str, Any]) -> dict[str, Any]:
        run = self.site.engine.submit(
            {"id": following.new_id(), "environment": self.environment, **submission, "tags": [TAG]}
        )
        if run["run"] is not None:
            run = following.follow(self.site, run)
        self.site.console.say("")
        return run


# --- the traffic ----------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of every request."""

    served: int = 0
    errors: int = 0
    """answered with 5xx"""
    lost: Counter[str] = field(default_factory=Counter)
    by_release: Counter[str] = field(default_factory=Counter)
    failed_by_release: Counter[str] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    """what the edge called the requests that were answered"""
    seconds: float = 0.0

    def told(self) -> dict[str, Any]:
        return {
            "served": self.served,
            "errors": self.errors,
            "lost": sum(self.lost.values()),
            "lost_because": dict(self.lost),
            "by_release": dict(self.by_release),
            "errors_by_release": dict(self.failed_by_release),
            "seconds": round(self.seconds, 1),
        }


class Traffic:
    """Clients that ask one thing after the other until told to stop; never twice for the same."""

    def __init__(self, url: str, *, rate: int, post: str | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._pause = CLIENTS / rate
        self._post = post
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._threads = [threading.Thread(target=self._client, args=(each,), daemon=True) for each in range(CLIENTS)]
        self.tally = Tally()

    def __enter__(self) -> Traffic:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + 5)
        self.tally.seconds = time.monotonic() - self._began

    def _client(self, number: int) -> None:
        """Every third client makes a new connection each time."""
        connection = self._connection()
        while not self._stopping.wait(self._pause) and time.monotonic() - self._began < MOST_SECONDS:
            if number % 3 == 2:
                connection.close()
                connection = self._connection()
            try:
                answer = self._ask(connection, posts=bool(self._post) and number % 2 == 0)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.tally.lost[type(error).__name__] += 1
                connection.close()
                connection = self._connection()
            else:
                self._count(*answer)
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_SECONDS)
        connection.auto_open = 0  # a connection that broke is a loss, not something to open again in silence
        return connection

    def _ask(self, connection: http.client.HTTPConnection, *, posts: bool) -> tuple[int, str, str]:
        """Status, release and the edge's name for the request."""
        if connection.sock is None:
            connection.connect()
        if posts:
            body = json.dumps({"message": f"request {next(self._numbers)} of the demonstration"}).encode()
            headers = {"content-type": "application/json", "accept": "application/json"}
            connection.request("POST", self._post or "/", body, headers)
        else:
            connection.request("GET", "/version" if self._post else "/")
        answer = connection.getresponse()
        answer.read()
        if answer.will_close:
            connection.close()
        return answer.status, answer.headers.get("x-sophia-release", "?"), answer.headers.get("x-request-id", "")

    def _count(self, status: int, release: str, id: str) -> None:
        with self._lock:
            if status < 500:
                self.tally.served += 1
                self.tally.by_release[release] += 1
            else:
                self.tally.errors += 1
                self.tally.failed_by_release[release] += 1
            if id:
                self.tally.ids.add(id)


# --- counting -------------------------------------------------------------------------------------------------------


def _doubled(logs: Path, ids: set[str]) -> int:
    """How many requests a service acted on more than once, by what the services wrote down."""
    seen: Counter[tuple[str, str]] = Counter()
    for path in sorted(logs.glob("*.log")):
        service = path.name.rsplit("-", 2)[0]
        for line in _lines_of(path):
            if line.get("event") == "request answered" and line.get("request_id") in ids:
                seen[service, str(line["path"]) + str(line["request_id"])] += 1
    return sum(count > 1 for (service, _), count in seen.items() if service == "api")


def _lines_of(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def _lines(result: Mapping[str, Any], acts: list[dict[str, Any]], before: str) -> list[str]:
    rows = [
        [f"#{act['number']}", plain(act["kind"]), plain(act["release"]), act["status"], _took(act)]
        for act in acts
        if act["run"] is not None
    ]
    releases = sorted({*result["by_release"], *result["errors_by_release"]})
    served = [
        [plain(name), str(result["by_release"].get(name, 0)), str(result["errors_by_release"].get(name, 0))]
        for name in releases
    ]
    total = result["served"] + result["errors"] + result["lost"]
    return [
        *table(rows, heads=("run", "kind", "release", "ended", "seconds")),
        "",
        *table(served, heads=("answered by", "served", "5xx")),
        "",
        f"{total} requests in {result['seconds']} s: {result['served']} served, {result['errors']} answered with 5xx",
        f"lost: {result['lost']}, acted on twice: {result['doubled']}",
        f"live again: {plain(result['live'])}" + ("" if result["live"] == before else f" (it was {plain(before)})"),
    ]


def _took(act: Mapping[str, Any]) -> str:
    if act["started_ms"] is None or act["ended_ms"] is None:
        return ""
    return f"{(act['ended_ms'] - act['started_ms']) / 1000:.1f}"
