"""Proof before anybody sees it: health of every instance, the candidate on the private listener, smoke checks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from sophia_deployment_core.errors import SophiaError, declare
from sophia_deployment_core.ports import Answer, Instance, Routes
from sophia_deployment_core.release import Workload
from sophia_deployment_core.steps.call import Call, Verb

PROBE_MS = 5_000
WORKER_MS = 2_000
"""A worker has no health probe: it counts as well when it ran so long without ending."""
CRASHES = 3
"""An instance that ended so often while it was to become healthy is a crash loop; waiting longer would not help."""
CANNOT_RUN = (126, 127)
"""Exit statuses of a command that is not there, or not executable."""

NOT_HEALTHY = declare(
    "SPH-1210",
    "an instance did not become healthy",
    "The instance was started and its health path did not answer 2xx often enough within the time that `health: "
    "{within: …}` allows. Before the switch this changes nothing for users. The message has the last answer; the "
    "service's log (`sophia logs ENVIRONMENT SERVICE`) usually has the cause: a missing variable, a wrong port (an "
    "instance must listen on 127.0.0.1 at `$PORT`), a dependency that it cannot reach.",
)
CRASH_LOOP = declare(
    "SPH-1211",
    "an instance ends again and again",
    "The process was started several times and ended each time before it was healthy. The message has its exit "
    "status (negative: a signal; 126 or 127: the command cannot be run), the log its last words.",
)
SMOKE_FAILED = declare(
    "SPH-1212",
    "a smoke check of the candidate failed",
    "The new version was healthy, and answered a check under `smoke:` in another way than declared. Users never saw "
    "it. The message has what was asked, expected and answered.",
)


class Verify(Verb):
    """Every instance is healthy: `consecutive` good answers in a row (or out of `of`), within the time."""

    async def do(self, call: Call) -> dict[str, Any]:
        found = await asyncio.gather(*(self._one(call, number) for number in call.numbers))
        return {
            "attempts": sum(int(one["attempts"]) for one in found),
            "took_ms": max((int(one["took_ms"]) for one in found), default=0),
            "url": found[0]["url"] if found else None,
            "instances": len(found),
        }

    async def _one(self, call: Call, number: int) -> dict[str, Any]:
        if call.workload.kind == "worker":
            return await _worker(call, number)
        return await _probed(call, number)


async def _probed(call: Call, number: int) -> dict[str, Any]:
    load, clock = call.workload, call.hands.clock
    health, quick = load.health, bool(call.args.get("quick"))
    port, path = call.place().ports[number], str(health["path"])
    wanted = 1 if quick else int(health["consecutive"])
    answers: deque[int | None] = deque(maxlen=1 if quick else int(health.get("of") or wanted))
    every, within = int(health["every_ms"]), 5_000 if quick else int(health["within_ms"])
    began, attempts, good = clock.boot_ms(), 0, 0
    while True:
        left = within - (clock.boot_ms() - began)
        answer = await call.probe(port, path, timeout_ms=max(10, min(PROBE_MS, left)))
        instance = await seen(call, load, number)
        attempts += 1
        answers.append(_answered_by(instance, answer))
        good += answers[-1] is not None
        took = clock.boot_ms() - began
        if answers[-1] is not None and answers.count(answers[-1]) >= wanted:
            return {"attempts": attempts, "took_ms": took, "url": call.url(port) + path}
        if took + every >= within or _is_crashing(instance, answer):
            raise _unhealthy(
                call, number, answer, instance, within_ms=within, good=f"{good} of {attempts}" if good else ""
            )
        await clock.sleep(every if answer.status else min(every, 100))


def _answered_by(instance: Instance | None, answer: Answer) -> int | None:
    """The process that gave a good answer, `None` for a bad one. All that count must be of one process, and it must
    run: on the port of an instance that could not bind it, somebody else answers."""
    if instance is None or instance.state not in ("running", "orphaned") or not 200 <= answer.status < 300:
        return None
    return instance.pid


def _is_crashing(instance: Instance | None, answer: Answer) -> bool:
    if instance is None or instance.restarts < CRASHES:
        return False
    return instance.state != "running" or not answer.status


def _unhealthy(
    call: Call, number: int, answer: Answer, instance: Instance | None, *, within_ms: int, good: str
) -> SophiaError:
    """It only crashes, or its time is over. `good`: how many of its answers were, if any."""
    load, path = call.workload, str(call.workload.health["path"])
    facts = _facts(call, load, number, answer, path, instance)
    if instance is not None and _is_crashing(instance, answer):
        said = f"`{load.service}` ended {instance.restarts} times before it was healthy, last with {ended(instance)}"
        return SophiaError(CRASH_LOOP, said, hint=_crash_hint(call, load, instance), facts=facts)
    said = f"GET {path} {described(answer)}"
    if good:
        said = f"{good} probes of {path} were good, never {_wanted(load)}; the last one {described(answer)}"
    return SophiaError(
        NOT_HEALTHY,
        f"`{load.service}` was not healthy within {_seconds(within_ms)}: {said}",
        hint=_log_hint(call, load) if answer.status else _silence_hint(call, load, number, within_ms),
        facts=facts,
    )


def _wanted(load: Workload) -> str:
    """What `health` asks for, in words."""
    consecutive, of = int(load.health["consecutive"]), load.health.get("of")
    return f"{consecutive} out of {of}" if of else f"{consecutive} in a row"


async def _worker(call: Call, number: int) -> dict[str, Any]:
    load, clock, began = call.workload, call.hands.clock, call.hands.clock.boot_ms()
    first = await seen(call, load, number)
    while clock.boot_ms() - began < WORKER_MS:
        await clock.sleep(200)
        now = await seen(call, load, number)
        if now is None or now.state not in ("running", "orphaned") or now.restarts > (first.restarts if first else 0):
            raise SophiaError(
                CRASH_LOOP,
                f"the worker `{load.service}` did not go on running: {ended(now)}",
                hint=_log_hint(call, load),
                facts=_facts(call, load, number, Answer(0), "", now),
            )
    return {"attempts": 1, "took_ms": clock.boot_ms() - began, "url": None}


class Candidate(Verb):
    """The private listener serves the whole candidate, before any user does."""

    async def do(self, call: Call) -> dict[str, Any]:
        assert call.plan.target is not None
        target = call.plan.target
        generation = next(int(step.args["generation"]) for step in call.plan.steps if step.verb == "switch")
        routes = Routes(call.environment, generation, target.name, target.table())
        await call.hands.traffic.show_candidate(routes, epoch=call.hands.epoch)
        return {"port": call.standing.private_port}


class Smoke(Verb):
    """The checks of one service, one after the other, the first failure ends them."""

    async def do(self, call: Call) -> dict[str, Any]:
        load = call.workload
        assert call.plan.target is not None
        is_public = load.service in call.plan.target.routes.values()
        port = (call.standing.private_port or 0) if is_public else call.place().listener_port
        return {"checks": [await _check(call, load, check, port) for check in load.smoke]}


async def _check(call: Call, load: Workload, check: Mapping[str, Any], port: int) -> dict[str, Any]:
    timeout_ms = int(check["within_ms"])
    if check.get("run"):
        asked = " ".join(check["run"])
        around = call.hands.runtime.surroundings(call.environment, load.service, load.artifact, prepare=load.prepare)
        env = {
            **around.env,
            "SOPHIA_URL": call.url(port),
            "SOPHIA_SERVICE": load.service,
            "SOPHIA_ENVIRONMENT": call.environment,
            "SOPHIA_RUN": call.run,
        }
        answer = await call.hands.probes.command(check["run"], cwd=around.directory, env=env, timeout_ms=timeout_ms)
        wrong = _wrong_command(answer, check)
    else:
        method, path = ("POST", check["post"]) if check.get("post") else ("GET", check["get"])
        asked = f"{method} {path}"
        answer = await call.probe(port, path, method=method, timeout_ms=timeout_ms)
        wrong = _wrong_answer(answer, check)
    if wrong:
        facts = {"check": asked, "url": call.url(port), "body": answer.body[:500].decode("utf-8", "replace")}
        raise SophiaError(
            SMOKE_FAILED,
            f"`{load.service}`: {asked} {wrong}",
            hint=_log_hint(call, load),
            facts={**_facts(call, load, 0, answer, "", None), **facts},
        )
    return {"check": asked, "status": answer.status, "took_ms": answer.took_ms}


def _wrong_command(answer: Answer, check: Mapping[str, Any]) -> str:
    if answer.status != 0:
        return answer.error or f"ended with exit code {answer.status}"
    text = check.get("contains")
    return f"printed nothing like `{text}`" if text and text.encode() not in answer.body else ""


def _wrong_answer(answer: Answer, check: Mapping[str, Any]) -> str:
    """What differs from what is declared, in words; empty when nothing does."""
    if answer.status != int(check["status"]):
        return f"{described(answer)}, expected {check['status']}"
    text = check.get("contains")
    if text and text.encode() not in answer.body:
        return f"answered without `{text}`"
    headers = {name.lower(): value for name, value in answer.headers.items()}
    for name, wanted in check.get("header", {}).items():
        if wanted not in headers.get(name.lower(), ""):
            return f"answered with `{name}: {headers.get(name.lower(), '')}`, expected `{wanted}` in it"
    return ""


# --- words and facts for failures -----------------------------------------------------------------------------------


async def seen(call: Call, load: Workload, number: int) -> Instance | None:
    """The instance as it is now, or `None` if nothing is known of it."""
    instances = await call.hands.runtime.observe(call.environment)
    return next((one for one in instances if (one.workload, one.number) == (load.identity, number)), None)


def described(answer: Answer) -> str:
    return f"answered {answer.status}" if answer.status else f"was not answered: {answer.error or 'no answer'}"


def ended(instance: Instance | None) -> str:
    if instance is None or instance.exit is None:
        return "no exit status known"
    return f"signal {-instance.exit}" if instance.exit < 0 else f"exit status {instance.exit}"


def _facts(
    call: Call, load: Workload, number: int, answer: Answer, path: str, instance: Instance | None
) -> dict[str, Any]:
    place = call.standing.placements.get(load.key)
    port = place.ports.get(number) if place else None
    return {
        "service": load.service,
        "url": call.url(port) + path if port and path else None,
        "answer": described(answer),
        "exit": instance.exit if instance else None,
        "restarts": instance.restarts if instance else 0,
        "log": call.log_tail(load, number),
        "serving": call.serving_now(),
    }


def _log_hint(call: Call, load: Workload) -> str:
    return f"read its log: `sophia logs {call.environment} {load.service}`"


def _silence_hint(call: Call, load: Workload, number: int, within_ms: int) -> str:
    port, within = call.place().ports[number], _seconds(within_ms)
    asked = f"it has to listen on 127.0.0.1 at `$PORT` ({port}) within {within} (`health: {{within: …}}`)"
    return f"{asked}; {_log_hint(call, load)}"


def _crash_hint(call: Call, load: Workload, instance: Instance) -> str:
    if instance.exit in CANNOT_RUN and load.run:
        asked = f"is `{load.run[0]}` in the bundle (`include`) or on the PATH, and executable?"
        return f"{asked} its log says why it cannot be run: `sophia logs {call.environment} {load.service}`"
    return _log_hint(call, load)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.0f} s" if ms >= 10_000 else f"{ms / 1000:.1f} s"
