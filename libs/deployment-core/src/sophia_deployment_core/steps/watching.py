"""The watch: after the switch, is the new version bad? Looks twice a second; `watch.judge` decides."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sophia_deployment_core.errors import SophiaError, declare
from sophia_deployment_core.ports import Counters, Reading
from sophia_deployment_core.release import Revision, Workload
from sophia_deployment_core.steps.call import Call, Verb
from sophia_deployment_core.steps.checking import described
from sophia_deployment_core.watch import Signs, Tally, Thresholds, Verdict, judge

EVERY_MS = 500
NEWEST_PROBES = 8
"""So many of the newest probes speak for now; older ones would hide what broke just now."""
ILL_AFTER = 3
"""An instance whose health probe failed so often in a row is ill."""
LONGEST_HOLD = 2
"""With nothing known at its end the watch goes on, up to so many times its time in all, then a person is asked."""
LEAST_MS = 3_000
"""A watch that goes on after an engine's death lasts at least so long."""

WATCH_FAILED = declare(
    "SPH-1220",
    "the new version is bad",
    "After the switch the watch saw that the new version fails more requests, is slower, is no longer healthy or ends. "
    "Traffic goes back to the version before. The message has the numbers; what is allowed stands in `sophia.yaml` "
    "under the environment's `strategy: {blue_green: {thresholds: …}}`.",
)
WATCH_UNKNOWN = declare(
    "SPH-1221",
    "the watch could not tell whether the new version is good",
    "Nothing is known of the new version (no request was seen, or the proxy's statistics cannot be read), and unknown "
    "is never counted as good nor as bad. The new version serves. Look yourself, then `sophia resume` (watch again) or "
    "`sophia rollback`.",
)
WAY_BACK_BROKEN = declare(
    "SPH-1222",
    "the new version is bad, and so is the one before",
    "Going back would move traffic to a version that does not answer its health probes either. Nothing was moved. "
    "Deploy a version that works, or go back to another one with `sophia rollback --to RELEASE`.",
)


Key = tuple[str, int]
"""Workload and instance number."""


@dataclass
class _Seen:
    """What the watch has seen so far."""

    began: Reading | None = None
    now: Reading | None = None
    """the newest reading; None while the proxy cannot be reached"""
    started_ms: int = 0
    """of the proxy that was read last"""
    workloads: dict[str, Tally] = field(default_factory=dict)
    """placement key -> what the proxy counted of it"""
    releases: dict[str, Tally] = field(default_factory=dict)
    """release -> what the edge answered with it"""
    first: dict[Key, int] = field(default_factory=dict)
    """restarts when the watch began"""
    latest: dict[Key, int] = field(default_factory=dict)
    sick: dict[Key, int] = field(default_factory=dict)
    """health probes that failed in a row"""
    said: dict[Key, str] = field(default_factory=dict)
    probes: deque[bool] = field(default_factory=lambda: deque(maxlen=NEWEST_PROBES))
    sent: int = 0
    failed: int = 0
    last_failure: str = ""

    def begin(self, first: Reading | None) -> None:
        """What was counted before the watch is not its own."""
        self.began = first
        if first is not None:
            self.started_ms = first.started_ms
            self.workloads = {key: Tally.beginning(found) for key, found in first.workloads.items()}
            self.releases = {name: Tally.beginning(found) for name, found in first.releases.items()}

    def read(self, now: Reading | None) -> None:
        self.now = now
        if now is not None:
            anew = now.started_ms != self.started_ms
            _count(self.workloads, now.workloads, anew=anew)
            _count(self.releases, now.releases, anew=anew)
            self.started_ms = now.started_ms

    def restarted(self, load: Workload) -> int:
        """How often instances of the workload ended since the watch began."""
        keys = [key for key in self.latest if key[0] == load.identity]
        more = [(self.latest[key], self.first.get(key, self.latest[key])) for key in keys]
        return sum(now - was if now >= was else now for now, was in more)

    def ill(self, load: Workload) -> str | None:
        """What an instance said that failed its health probe too often in a row."""
        keys = [key for key, count in self.sick.items() if key[0] == load.identity and count >= ILL_AFTER]
        return self.said[keys[0]] if keys else None


def _count(tallies: dict[str, Tally], found: Mapping[str, Counters], *, anew: bool) -> None:
    """What is not found has counted nothing."""
    for name in {*tallies, *found}:
        tallies[name] = tallies.get(name, Tally()).then(found.get(name, Counters()), anew=anew)


class Watch(Verb):
    """Passes, fails (traffic goes back), or holds (a person decides)."""

    async def do(self, call: Call) -> dict[str, Any]:
        assert call.plan.target is not None
        target, clock, seen = call.plan.target, call.hands.clock, _Seen()
        began, wanted = clock.boot_ms(), _left_ms(call)
        seen.begin(await _read(call))
        seen.first = await _restarts(call)
        while True:
            await _look(call, target, seen)
            watched = clock.boot_ms() - began
            verdict = _verdict(call, target, seen, over=watched >= wanted)
            if verdict.answer == "fail":
                raise await _bad(call, seen, verdict)
            if watched >= wanted and verdict.answer == "pass":
                return {"watched_ms": watched, **_told(seen, verdict)}
            if watched >= wanted * LONGEST_HOLD:
                raise _unknown(call, seen, verdict)
            await clock.sleep(EVERY_MS)


def _left_ms(call: Call) -> int:
    """The declared time, less what was watched before an engine died."""
    wanted = int(call.args["watch_ms"])
    gone = call.hands.clock.now_ms() - call.first_ms if call.first_ms else 0
    return max(min(wanted, LEAST_MS), wanted - max(0, gone))


# --- looking --------------------------------------------------------------------------------------------------------


async def _look(call: Call, target: Revision, seen: _Seen) -> None:
    """Probe the edge and every instance, then read the proxy."""
    await asyncio.gather(
        *(_probe_edge(call, target.workloads[service], path, seen) for path, service in target.routes.items()),
        *(_probe_health(call, load, seen) for load in target.workloads.values() if load.kind != "worker"),
    )
    seen.read(await _read(call))
    seen.latest = await _restarts(call)


async def _probe_edge(call: Call, load: Workload, route: str, seen: _Seen) -> None:
    path, wanted = _edge_probe(load, route)
    answer = await call.probe(call.standing.edge_port or 0, path, timeout_ms=5_000)
    good = answer.status == wanted if wanted else 0 < answer.status < 500
    seen.sent += 1
    seen.probes.append(good)
    if not good:
        seen.failed += 1
        seen.last_failure = f"GET {path} {described(answer)}"


def _edge_probe(load: Workload, route: str) -> tuple[str, int | None]:
    """What to GET through the edge and the status to expect: a smoke check below the route, else the route itself."""
    for check in load.smoke:
        path = check.get("get")
        if path and (route == "/" or path == route or path.startswith((route + "/", route + "?"))):
            return str(path), int(check["status"])
    return route, None


async def _probe_health(call: Call, load: Workload, seen: _Seen) -> None:
    place = call.standing.placements.get(load.key)
    if place is None:
        return
    path = str(load.health["path"])
    for number in sorted(place.serving):
        answer = await call.probe(place.ports[number], path, timeout_ms=5_000)
        key = (load.identity, number)
        seen.sick[key] = 0 if 200 <= answer.status < 300 else seen.sick.get(key, 0) + 1
        seen.said[key] = f"GET {path} {described(answer)}"


async def _restarts(call: Call) -> dict[Key, int]:
    return {(one.workload, one.number): one.restarts for one in await call.hands.runtime.observe(call.environment)}


async def _read(call: Call) -> Reading | None:
    """The proxy's counters, or `None`: unknown."""
    try:
        return await call.hands.traffic.read(call.environment)
    except SophiaError:
        return None


# --- judging --------------------------------------------------------------------------------------------------------


def _verdict(call: Call, target: Revision, seen: _Seen, *, over: bool) -> Verdict:
    settings = call.args
    newest = (len(seen.probes), sum(not good for good in seen.probes))
    return judge(
        [_signs(load, seen) for load in _watched(call, target)],
        _baseline(call, seen),
        thresholds=Thresholds(**settings.get("thresholds", {})),
        over=over,
        reachable=seen.now is not None and seen.began is not None,
        users=max(0, seen.releases.get(target.name, Tally()).total.requests - seen.sent),
        quiet=str(settings["quiet"]),
        probes=newest,
    )


def _watched(call: Call, target: Revision) -> list[Workload]:
    """What is new; what both versions share is not this release's doing, unless nothing is new (a switch of routes)."""
    new = {change.service for change in call.plan.changes if change.action != "unchanged"}
    return [load for service, load in target.workloads.items() if service in new] or list(target.workloads.values())


def _signs(load: Workload, seen: _Seen) -> Signs:
    counted = seen.workloads.get(load.key, Tally()).total
    return Signs(
        service=load.service,
        requests=counted.requests,
        errors=min(counted.requests, counted.errors_5xx + counted.lost),
        p95_us=counted.latency_us.get("p95"),
        restarts=seen.restarted(load),
        unhealthy=seen.ill(load),
    )


def _baseline(call: Call, seen: _Seen) -> dict[str, Signs]:
    """The old version's own record: all that the proxy counted of it until the switch."""
    old = call.standing.before
    if old is None or seen.began is None:
        return {}
    found = {}
    for service, load in old.workloads.items():
        counters = seen.began.workloads.get(load.key)
        if counters and counters.requests:
            errors = min(counters.requests, counters.errors_5xx + counters.lost)
            found[service] = Signs(service, counters.requests, errors, counters.latency_us.get("p95"))
    return found


# --- telling --------------------------------------------------------------------------------------------------------


def _told(seen: _Seen, verdict: Verdict) -> dict[str, Any]:
    edge = {
        name: {"requests": counted.requests, "errors_5xx": counted.errors_5xx, "lost": counted.lost}
        for name, counted in ((name, tally.total) for name, tally in sorted(seen.releases.items()))
        if counted.requests
    }
    return {
        "verdict": {"answer": verdict.answer, "because": verdict.because},
        "numbers": {service: dict(numbers) for service, numbers in verdict.numbers.items()},
        "edge": edge,
        "probes": {"sent": seen.sent, "failed": seen.failed},
    }


async def _bad(call: Call, seen: _Seen, verdict: Verdict) -> SophiaError:
    """The failure to raise: go back, or stay where going back would be no better."""
    facts = {"final": True, "serving": call.serving_now(), **_told(seen, verdict)}
    if seen.last_failure:
        facts["answer"] = seen.last_failure
    broken = await _broken_way_back(call)
    if broken:
        message = f"{verdict.because}; but going back would not help: {broken}"
        return SophiaError(WAY_BACK_BROKEN, message, _choose(call), facts={**facts, "hold": True})
    return SophiaError(WATCH_FAILED, verdict.because, f"read the logs: `sophia logs {call.environment}`", facts=facts)


async def _broken_way_back(call: Call) -> str:
    """Why the version before cannot answer, in words; empty when it can. Two tries each: one lost probe is no proof.

    What this run stopped is started again by going back, and what calls it cannot be judged without it.
    """
    old = call.standing.before
    stopped = _stopped(call)
    for load in old.ordered() if old else ():
        place = call.standing.placements.get(load.key)
        if load.key in stopped or stopped & set(load.callees.values()):
            stopped.add(load.key)
            continue
        if load.kind != "service":
            continue
        if place is None or not place.serving:
            return f"`{load.service}` of the version before no longer runs"
        path = str(load.health["path"])
        for number in sorted(place.serving):
            answers = [await call.probe(place.ports[number], path, timeout_ms=2_000) for _ in range(2)]
            if not any(200 <= answer.status < 300 for answer in answers):
                return f"`{load.service}` of the version before: GET {path} {described(answers[-1])}"
    return ""


def _stopped(call: Call) -> set[str]:
    """What the run stopped and put nothing in the place of."""
    keys = {str(step.args["key"]) for step in call.plan.steps if step.verb == "stop"}
    return {key for key in keys if (place := call.standing.placements.get(key)) is not None and not place.begun}


def _unknown(call: Call, seen: _Seen, verdict: Verdict) -> SophiaError:
    facts = {"hold": True, "final": True, "serving": call.serving_now(), **_told(seen, verdict)}
    return SophiaError(WATCH_UNKNOWN, verdict.because, _choose(call), facts=facts)


def _choose(call: Call) -> str:
    return f"`sophia rollback {call.environment}` goes back, `sophia resume` watches again"
