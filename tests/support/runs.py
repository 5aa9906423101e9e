"""Journals of typical runs, as an engine would have written them: for tests of what is told about runs.

    run = RUNS["deploy"]()          # a Told: view, events, provenance, what stood before and after
    report.of(run.view, run.events, now_ms=run.now_ms, provenance=run.provenance, after=run.after)

Plans are written out by hand, so that these stay the same when planning changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sophia_deployment_core import run
from sophia_deployment_core.environment import Standing
from sophia_deployment_core.ledger import ORIGIN, Event, chain
from sophia_deployment_core.plan import Change, Kind, Plan, Step
from sophia_deployment_core.release import Revision, Workload
from sophia_deployment_core.run import View

START_MS = 1_795_687_200_000  # 2026-11-26 10:00:00 UTC
HIDDEN = "hunter2-do-not-show"
"""Value of a variable, of an override and of a secret in every run: no report may show it."""


def workload(service: str, version: str = "2", **more: Any) -> Workload:
    fields: dict[str, Any] = {
        "identity": (service + version).encode().hex().ljust(64, "0"),
        "environment": "production",
        "service": service,
        "artifact": (service + version).encode().hex().ljust(64, "a"),
        "run": ("serve",),
        "static": None,
        "env": {"PASSWORD": HIDDEN},
        "secrets": {"KEY": 3},
        "resources": {},
        "stop_signal": "SIGTERM",
        "grace_ms": 10_000,
        "needs": {},
    }
    return Workload(**{**fields, **more})


def revision(version: str, *services: str) -> Revision:
    loads = {name: workload(name, version) for name in services}
    overrides = {"api": {"LOG_LEVEL": HIDDEN}} if version == "2" else {}
    settings = {"watch_ms": 15_000, "warm_ms": 900_000, "quiet": "probes", "thresholds": {}, "edge_port": 8082}
    return Revision("production", version * 64, overrides, loads, {"/": services[0]}, settings)


SERVICES = ("api", "catalog", "site", "mailer")
OLD, NEW = revision("1", *SERVICES), revision("2", *SERVICES)
CHANGES = (
    Change("api", "follows", "it needs `catalog`, which changed"),
    Change("catalog", "changed", "artifact 5f0c2a11 → 9b21cc07; env LIMIT, PAGE_SIZE"),
    Change("site", "unchanged", "same artifact, settings and dependencies; it goes on running"),
    Change("mailer", "changed", "artifact 0a1b2c3d → 4e5f6071"),
)


def _step(id: str, verb: str, service: str = "", after: tuple[str, ...] = (), **more: Any) -> Step:
    args = {"key": NEW.workloads[service].key, "workload": NEW.workloads[service].identity} if service else {}
    return Step(id, verb, args, after, **more)


def releasing(kind: Kind = "deploy", *, first: bool = False, watch: bool = True) -> Plan:
    steps = [
        _step("open", "open"),
        _step("place", "place", after=("open",)),
        _step("prepare catalog", "prepare", "catalog"),
        _step("prepare api", "prepare", "api"),
        _step("start catalog", "start", "catalog", ("place", "prepare catalog")),
        _step("verify catalog", "verify", "catalog", ("start catalog",), attempts=1),
        _step("start api", "start", "api", ("verify catalog", "prepare api")),
        _step("verify api", "verify", "api", ("start api",), attempts=1),
        _step("candidate", "candidate", after=("verify api",)),
        _step("smoke api", "smoke", "api", ("candidate",), attempts=1),
        _step("room", "room", after=("open",)),
        _step("switch", "switch", after=("smoke api", "room")),
        _step("start mailer", "start", "mailer", ("switch",)),
        _step("verify mailer", "verify", "mailer", ("start mailer",), attempts=1),
    ]
    if watch and not first:
        steps.append(_step("watch", "watch", after=("verify mailer",), attempts=1))
    loads = {load.identity: load for load in NEW.workloads.values()}
    changes = tuple(Change(c.service, "new", "it was not live before") for c in CHANGES) if first else CHANGES
    previous = None if first else OLD.name
    return Plan(kind, "production", "b" * 64, tuple(steps), loads, NEW, previous, changes)


@dataclass
class Journal:
    """Writes events at given offsets from the start, in order of time."""

    plan: Plan
    number: int = 17
    by: str = "ada"
    reason: str | None = None
    first_seq: int = 41
    events: list[Event] = field(default_factory=list)
    epoch: int = 3
    id: str = "01938f2c-7d4e-7c11-9a55-3f2b6a1c0d17"

    def write(self, at_ms: int, kind: str, body: Mapping[str, Any], *, epoch: int | None = None) -> None:
        text = json.dumps(body)
        seq = self.first_seq + len(self.events)
        previous = self.events[-1].hash if self.events else ORIGIN
        at = START_MS + at_ms
        epoch = self.epoch if epoch is None else epoch
        hash = chain(previous, seq=seq, at_ms=at, epoch=epoch, run=self.id, kind=kind, key=None, text=text)
        self.events.append(Event(seq, at, epoch, self.id, kind, None, text, hash))

    def submit(self, *, taken_ms: int | None = 4, **more: Any) -> None:
        body = {
            "plan": self.plan.to_data(),
            "number": self.number,
            "kind": self.plan.kind,
            "environment": self.plan.environment,
            "by": self.by,
            "reason": self.reason,
        }
        self.write(0, "run submitted", body | more, epoch=0)
        if taken_ms is not None:
            self.write(taken_ms, "lane taken", {"environment": self.plan.environment})

    def steps(self, *rows: tuple[Any, ...], phase: str = "do") -> None:
        """Rows of (step, begins, ends, result or error or `None` for lost), in milliseconds from the start.

        An error is a mapping with `code`; it counts as final.
        """
        timed = []
        for step, begins, ends, outcome in rows:
            about = {"step": step, "phase": phase, "attempt": 1}
            timed.append((begins, "step started", {**about, "until_ms": 0, "with": {}}))
            if outcome is not None and "code" in outcome:
                timed.append((ends, "step failed", {**about, "error": outcome, "again": False}))
            elif outcome is not None:
                timed.append((ends, "step done", {**about, "result": outcome}))
        for at_ms, kind, body in sorted(timed, key=lambda row: row[0]):
            self.write(at_ms, kind, body)

    def end(self, at_ms: int, state: str, because: str = "") -> None:
        self.write(at_ms, "run ended", {"state": state, "because": because})

    @property
    def view(self) -> View:
        view = run.fold(self.events)
        assert view is not None
        return view


@dataclass(frozen=True)
class Told:
    journal: Journal
    after: Standing | None = None
    provenance: Mapping[str, Any] | None = None
    lasts_ms: int = 60_000

    @property
    def view(self) -> View:
        return self.journal.view

    @property
    def events(self) -> list[Event]:
        return self.journal.events

    @property
    def now_ms(self) -> int:
        return START_MS + self.lasts_ms


PROVENANCE = {
    "commit": "4c1d0e5b7a9f2c3d4e5f60718293a4b5c6d7e8f9",
    "branch": "main",
    "dirty": False,
    "author": "Ada Lovelace",
    "subject": "Show prices with tax",
}


def _standing(live: Revision | None, **more: Any) -> Standing:
    return Standing("production", live=live, open=live is not None, edge_port=8082, **more)


def _verified(took_ms: int, port: int = 20_017, attempts: int = 3) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/health"
    return {"attempts": attempts, "took_ms": took_ms, "url": url, "instances": 1}


def _until_smoke(journal: Journal) -> None:
    journal.steps(
        ("open", 6, 31, {"edge_port": 8082, "private_port": 20_000}),
        ("prepare catalog", 8, 1_260, {"took_ms": 1_240}),
        ("prepare api", 9, 2_110, {"took_ms": 2_094}),
        ("place", 33, 160, {}),
        ("room", 34, 41, {"reserved_bytes": 262_144}),
        ("start catalog", 2_115, 2_160, {"pids": [4711]}),
        ("verify catalog", 2_162, 2_940, _verified(774, 20_016)),
        ("start api", 2_944, 2_992, {"pids": [4712]}),
        ("verify api", 2_995, 4_120, _verified(1_121)),
        ("candidate", 4_124, 4_236, {"port": 20_000}),
    )


SMOKED = {
    "checks": [
        {"check": "GET /version", "status": 200, "took_ms": 4},
        {"check": "POST /orders", "status": 201, "took_ms": 21},
        {"check": "npm run smoke", "status": 0, "took_ms": 640},
    ]
}


def _until_switch(journal: Journal) -> None:
    _until_smoke(journal)
    journal.steps(("smoke api", 4_240, 4_921, SMOKED), ("switch", 4_925, 5_031, {"generation": 8, "confirmed_ms": 4}))


def _until_watch(journal: Journal) -> None:
    _until_switch(journal)
    journal.steps(
        ("start mailer", 5_034, 5_080, {"pids": [4713]}),
        ("verify mailer", 5_083, 7_090, {"attempts": 1, "took_ms": 2_002, "url": None}),
    )


WATCHED = {
    "watched_ms": 15_004,
    "verdict": {"answer": "pass", "because": "3980 requests, errors and latency within what is allowed"},
    "numbers": {
        "api": {"requests": 2_604, "errors": 0, "restarts": 0, "p95_us": 31_400},
        "catalog": {"requests": 1_911, "errors": 0, "restarts": 0, "p95_us": 8_200},
    },
    "edge": {
        OLD.name: {"requests": 12, "errors_5xx": 0, "lost": 0},
        NEW.name: {"requests": 3_980, "errors_5xx": 0, "lost": 0},
    },
    "probes": {"sent": 30, "failed": 0},
}


def deployed() -> Told:
    journal = Journal(releasing(), reason="prices with tax before Friday")
    journal.submit()
    _until_watch(journal)
    journal.steps(("watch", 7_094, 22_101, WATCHED))
    journal.end(22_105, "done")
    return Told(journal, _standing(NEW), PROVENANCE)


def watched_quietly() -> Told:
    """Nobody came while it was watched; the engine's own probes spoke."""
    journal = Journal(releasing())
    journal.submit()
    _until_watch(journal)
    because = "no user's request; 30 probes through the edge were answered"
    quiet = {
        "watched_ms": 15_002,
        "verdict": {"answer": "pass", "because": because},
        "numbers": {"api": {"requests": 0, "errors": 0, "restarts": 0}},
        "edge": {NEW.name: {"requests": 30, "errors_5xx": 0, "lost": 0}},
        "probes": {"sent": 30, "failed": 0},
    }
    journal.steps(("watch", 7_094, 22_099, quiet))
    journal.end(22_102, "done")
    return Told(journal, _standing(NEW))


def first() -> Told:
    journal = Journal(releasing(first=True), number=1)
    journal.submit()
    _until_watch(journal)
    journal.end(7_095, "done")
    return Told(journal, _standing(NEW), {**PROVENANCE, "dirty": True})


def nothing() -> Told:
    plan = releasing()
    same = Plan(
        "deploy",
        "production",
        plan.basis,
        (),
        {},
        NEW,
        NEW.name,
        tuple(
            Change(c.service, "unchanged", "same artifact, settings and dependencies; it goes on running")
            for c in CHANGES
        ),
    )
    journal = Journal(same)
    journal.submit()
    journal.end(6, "done")
    return Told(journal, _standing(NEW), PROVENANCE)


def never_healthy() -> Told:
    journal = Journal(releasing())
    journal.submit()
    journal.steps(
        ("open", 6, 31, {"edge_port": 8082}),
        ("prepare catalog", 8, 1_260, {"took_ms": 1_240}),
        ("prepare api", 9, 2_110, {"took_ms": 2_094}),
        ("place", 33, 160, {}),
        ("start catalog", 2_115, 2_160, {"pids": [4711]}),
        ("verify catalog", 2_162, 32_170, {
            "code": "SPH-1210",
            "message": "`catalog` was not healthy within 30 s: GET /health answered 503",
            "hint": "read its log: `sophia logs production catalog`",
            "facts": {
                "service": "catalog",
                "url": "http://127.0.0.1:20016/health",
                "answer": "answered 503",
                "exit": None,
                "restarts": 0,
                "log": [
                    "INFO  listening on 127.0.0.1:20016",
                    "WARN  no DATABASE_URL, using the built-in one",
                    "\x1b[31mERROR\x1b[0m could not open /var/lib/catalog.db: permission denied",
                    "ERROR not ready: <database> is \"down\" & stays so | retry in 5 s",
                ],
                "serving": OLD.name,
            },
        }),
    )  # fmt: skip
    message = "`catalog` was not healthy within 30 s: GET /health answered 503"
    journal.write(32_174, "undo decided", {"kind": "failure", "step": "verify catalog", "message": message})
    journal.steps(("start catalog", 32_178, 32_391, {"exits": [0]}), ("place", 32_395, 32_540, {}), phase="undo")
    journal.end(32_544, "failed", message)
    return Told(journal, _standing(OLD), PROVENANCE)


BAD: dict[str, Any] = {
    "code": "SPH-1220",
    "message": "`api` failed 96 of 310 requests; allowed are 1.0 %",
    "hint": "read its log: `sophia logs production api`",
    "facts": {
        "final": True,
        "serving": NEW.name,
        "answer": "GET / answered 500",
        "verdict": {"answer": "fail", "because": "`api` failed 96 of 310 requests; allowed are 1.0 %"},
        "numbers": {
            "api": {"requests": 310, "errors": 96, "restarts": 0, "p95_us": 44_000},
            "catalog": {"requests": 214, "errors": 0, "restarts": 0, "p95_us": 7_900},
        },
        "edge": {
            OLD.name: {"requests": 9, "errors_5xx": 0, "lost": 0},
            NEW.name: {"requests": 402, "errors_5xx": 93, "lost": 3},
        },
        "probes": {"sent": 4, "failed": 2},
    },
}


def rolled_back() -> Told:
    journal = Journal(releasing())
    journal.submit()
    _until_watch(journal)
    journal.steps(("watch", 7_094, 8_730, BAD))
    journal.write(8_733, "undo decided", {"kind": "failure", "step": "watch", "message": BAD["message"]})
    journal.steps(
        ("switch", 8_736, 8_843, {"generation": 9, "confirmed_ms": 3}),
        ("start mailer", 8_847, 9_060, {"exits": [0]}),
        ("start api", 8_848, 9_320, {"exits": [0]}),
        ("start catalog", 9_324, 9_540, {"exits": [0]}),
        ("place", 9_544, 9_690, {}),
        phase="undo",
    )
    journal.end(9_694, "rolled back", BAD["message"])
    return Told(journal, _standing(OLD), PROVENANCE)


def held() -> Told:
    """The watch could not tell; a night passes, somebody goes on, and the watch is good."""
    journal = Journal(releasing())
    journal.submit()
    _until_watch(journal)
    unknown: dict[str, Any] = {
        "code": "SPH-1221",
        "message": "no user's request was seen, and `quiet: hold` does not let probes speak for them",
        "hint": "look yourself, then `sophia resume 17` or `sophia rollback production --reason WHY`",
        "facts": {"hold": True, "final": True, "edge": {}, "probes": {"sent": 60, "failed": 0}},
        "hold": True,
    }
    journal.steps(("watch", 7_094, 37_100, unknown))
    journal.write(37_104, "held", {"because": unknown["message"]})
    return Told(journal, _standing(NEW), PROVENANCE, lasts_ms=40_000)


def resumed() -> Told:
    night = 9 * 3_600_000
    told = held()
    journal = told.journal
    journal.write(night, "resumed", {"by": "grace", "reason": "morning traffic is there"})
    journal.steps(("watch", night + 4, night + 15_010, WATCHED))
    journal.end(night + 15_014, "done")
    return Told(journal, _standing(NEW), PROVENANCE)


def expired() -> Told:
    """The watch could not tell, and nobody decided."""
    journal, day = held().journal, 24 * 3_600_000
    because = "no user's request was seen, and `quiet: hold` does not let probes speak for them"
    journal.end(37_104 + day + 400, "failed", f"expired: nobody decided within a day: {because}")
    return Told(journal, _standing(NEW), PROVENANCE)


def given_up() -> Told:
    """The watch could not tell, and a person chose to go back."""
    journal = held().journal
    journal.write(90_000, "rollback asked", {"by": "grace", "reason": "the page is empty"}, epoch=0)
    message = "rolled back by grace: the page is empty"
    journal.write(90_004, "undo decided", {"kind": "rollback", "by": "grace", "message": message})
    journal.steps(
        ("switch", 90_008, 90_115, {"generation": 9, "confirmed_ms": 3}),
        ("start mailer", 90_119, 90_330, {"exits": [0]}),
        ("start api", 90_120, 90_590, {"exits": [0]}),
        ("start catalog", 90_594, 90_810, {"exits": [0]}),
        ("place", 90_814, 90_960, {}),
        phase="undo",
    )
    journal.end(90_964, "rolled back", message)
    return Told(journal, _standing(OLD), PROVENANCE)


def cancelled() -> Told:
    journal = Journal(releasing())
    journal.submit()
    _until_smoke(journal)
    journal.write(4_300, "cancel asked", {"by": "grace", "reason": "wrong branch"}, epoch=0)
    journal.steps(("smoke api", 4_240, 4_310, {"code": "SPH-1231", "message": "`smoke api` was ended", "facts": {}}))
    message = "cancelled by grace: wrong branch"
    journal.write(4_304, "undo decided", {"kind": "cancel", "by": "grace", "message": message})
    journal.steps(
        ("start api", 4_320, 4_610, {"exits": [0]}),
        ("start catalog", 4_612, 4_820, {"exits": [0]}),
        ("place", 4_824, 4_950, {}),
        phase="undo",
    )
    journal.end(4_954, "cancelled", message)
    return Told(journal, _standing(OLD), PROVENANCE)


def superseded() -> Told:
    journal = Journal(releasing())
    journal.submit(taken_ms=None)
    journal.end(61_000, "cancelled", "superseded by #18")
    return Told(journal, _standing(OLD), PROVENANCE)


def queued() -> Told:
    journal = Journal(releasing())
    journal.submit(taken_ms=None)
    return Told(journal, _standing(OLD), PROVENANCE, lasts_ms=8_000)


def running() -> Told:
    """Its engine was killed while it verified; the next one went on."""
    journal = Journal(releasing())
    journal.submit()
    journal.steps(
        ("open", 6, 31, {"edge_port": 8082}),
        ("prepare catalog", 8, 1_260, {"took_ms": 1_240}),
        ("prepare api", 9, 2_110, {"took_ms": 2_094}),
        ("place", 33, 160, {}),
        ("start catalog", 2_115, 2_160, {"pids": [4711]}),
        ("verify catalog", 2_162, 0, None),
    )
    journal.epoch = 4
    journal.steps(
        ("verify catalog", 3_300, 3_900, _verified(590, 20_016)),
        ("start api", 3_904, 3_950, {"pids": [4712]}),
        ("verify api", 3_954, 0, None),
    )
    return Told(journal, _standing(OLD), PROVENANCE, lasts_ms=4_800)


def went_back() -> Told:
    plan = releasing("rollback", watch=False)
    kept = tuple(step for step in plan.steps if step.verb in ("open", "verify", "room", "switch"))
    verify = tuple(step for step in kept if step.id != "verify mailer")
    journal = Journal(
        Plan("rollback", "production", plan.basis, verify, plan.workloads, NEW, OLD.name, CHANGES),
        reason="orders are charged twice",
        by="grace",
    )
    journal.submit()
    journal.steps(
        ("open", 6, 12, {"edge_port": 8082}),
        ("verify catalog", 14, 22, _verified(6, 20_016, 1)),
        ("verify api", 14, 25, _verified(8, 20_017, 1)),
        ("room", 15, 19, {"reserved_bytes": 262_144}),
        ("switch", 28, 134, {"generation": 10, "confirmed_ms": 3}),
    )
    journal.end(137, "done")
    return Told(journal, _standing(NEW))


def _work(kind: Kind, *steps: Step, previous: str | None = None) -> Plan:
    loads = {load.identity: load for load in NEW.workloads.values()}
    return Plan(kind, "production", "c" * 64, steps, loads, NEW, previous, undoable=kind == "restart")


def retired() -> Told:
    plan = _work(
        "retire",
        _step("drain api 6170", "drain", "api"),
        _step("drain catalog 6361", "drain", "catalog", ("drain api 6170",)),
        _step("stop api 6170", "stop", "api", ("drain catalog 6361",)),
        _step("stop catalog 6361", "stop", "catalog", ("drain catalog 6361",)),
        _step("remove", "remove", after=("stop api 6170", "stop catalog 6361")),
        _step("prune", "prune", after=("remove",)),
    )
    journal = Journal(plan, number=18, by="sophia", reason="the version before is no longer needed")
    journal.submit()
    journal.steps(
        ("drain api 6170", 6, 30_110, {"waited_ms": 30_100, "cut": 2}),
        ("drain catalog 6361", 30_114, 30_330, {"waited_ms": 210, "cut": 0}),
        ("stop api 6170", 30_334, 30_570, {"exits": [0]}),
        ("stop catalog 6361", 30_335, 30_420, {"exits": [0]}),
        ("remove", 30_574, 30_690, {"removed": ["a", "b"]}),
        ("prune", 30_694, 30_760, {"bundles": 3, "prepared": 3}),
    )
    journal.end(30_764, "done")
    return Told(journal, _standing(NEW))


def started() -> Told:
    plan = _work(
        "start",
        _step("open", "open"),
        _step("start catalog", "start", "catalog", ("open",)),
        _step("verify catalog", "verify", "catalog", ("start catalog",)),
        _step("restore", "restore", after=("open",)),
        previous=NEW.name,
    )
    journal = Journal(plan, number=20)
    journal.submit()
    journal.steps(
        ("open", 5, 420, {"edge_port": 8082}),
        ("start catalog", 424, 470, {"pids": [1]}),
        ("restore", 424, 540, {"generation": 8, "found": 8}),
        ("verify catalog", 474, 1_490, _verified(1_010, 20_016)),
    )
    journal.end(1_494, "done")
    return Told(journal, _standing(NEW))


def stopped() -> Told:
    plan = _work("stop", _step("close", "close"), _step("stop api 6170", "stop", "api", ("close",)))
    journal = Journal(plan, number=21)
    journal.submit()
    journal.steps(("close", 5, 1_210, {}), ("stop api 6170", 1_214, 1_400, {"exits": [0]}))
    journal.end(1_404, "done")
    return Told(journal, Standing("production", live=NEW, open=False, edge_port=8082))


def restarted() -> Told:
    plan = _work(
        "restart",
        _step("place more api", "place"),
        _step("start more api", "start", "api", ("place more api",)),
        _step("verify more api", "verify", "api", ("start more api",)),
        _step("serve api", "serve", after=("verify more api",)),
        _step("stop api", "stop", "api", ("serve api",)),
        previous=NEW.name,
    )
    journal = Journal(plan, number=22, by="sophia", reason="the launcher of `api` is dead")
    journal.submit()
    journal.steps(
        ("place more api", 5, 110, {}),
        ("start more api", 114, 160, {"pids": [5]}),
        ("verify more api", 164, 1_200, _verified(1_030)),
        ("serve api", 1_204, 1_310, {"serving": [1]}),
        ("stop api", 1_314, 1_640, {"exits": [0]}),
    )
    journal.end(1_644, "done")
    return Told(journal, _standing(NEW))


RUNS: dict[str, Callable[[], Told]] = {
    "deployed": deployed,
    "watched quietly": watched_quietly,
    "first release": first,
    "nothing to do": nothing,
    "never healthy": never_healthy,
    "rolled back": rolled_back,
    "held": held,
    "resumed": resumed,
    "expired": expired,
    "given up": given_up,
    "cancelled": cancelled,
    "superseded": superseded,
    "queued": queued,
    "running": running,
    "rollback": went_back,
    "retired": retired,
    "started": started,
    "stopped": stopped,
    "restarted": restarted,
}
