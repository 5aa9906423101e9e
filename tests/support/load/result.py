"""What a load run is asked for, what it found, and the judgements that follow from it. Nothing here does anything."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, Protocol, Self, get_args

Kind = Literal["keep-alive GET", "keep-alive POST", "new connection", "events", "websocket", "HTTP/2"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNANSWERED = 0
"""Index of the outcome of a request that has none yet."""


@dataclass(frozen=True)
class Mix:
    """How many clients of each kind, and how fast. Counts are connections; an HTTP/2 one carries `http2_streams`."""

    keep_alive_get: int = 4
    keep_alive_post: int = 4
    new_connection: int = 2
    events: int = 1
    websocket: int = 1
    http2: int = 1
    http2_streams: int = 4
    rate: float = 0
    """Requests per second of all HTTP clients together; 0 is as fast as answers come."""
    path: str = "/"
    websocket_path: str = "/ws/chain"
    websocket_every_ms: float = 20
    events_count: int = 100
    """Events per stream, then it is asked for again."""
    events_every_ms: float = 20
    timeout_seconds: float = 10
    """An answer that takes longer is lost."""

    @property
    def requesters(self) -> int:
        """Clients that share `rate`."""
        return self.keep_alive_get + self.keep_alive_post + self.new_connection + self.http2 * self.http2_streams

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `keep_alive_get=4,rate=500`; what is not named keeps its default. Raises ValueError."""
        kinds = {each.name: each.type for each in fields(cls)}
        given: dict[str, int | float | str] = {}
        for part in filter(None, text.split(",")):
            name, equals, value = part.partition("=")
            if name not in kinds or not equals:
                raise ValueError(f"`{part}` is not one of {', '.join(f'{each}=…' for each in kinds)}")
            given[name] = {"int": int, "float": float, "str": str}[str(kinds[name])](value)
        return cls(**given)  # type: ignore[arg-type]  # the names and types were looked up in the class itself

    def render(self) -> str:
        """What `parse` reads."""
        return ",".join(f"{name}={value}" for name, value in asdict(self).items())


@dataclass(frozen=True)
class OfKind:
    begun: int = 0
    ok: int = 0
    p50_ms: float = 0
    p99_ms: float = 0
    longest_ms: float = 0


@dataclass(frozen=True)
class Result:
    """The counts of one run. An id is `prefix` and a number below `begun`; `lost_ids` gives each lost one a reason."""

    prefix: str
    seconds: float
    begun: int
    ok: int
    lost_ids: Mapping[str, str]
    kinds: Mapping[str, OfKind]
    chains: Mapping[str, int]
    """`service/workload/version service/workload/version …`, front first, and how often exactly that answered."""
    events: int = 0
    ended_early: int = 0
    """Streams and websockets that the other side closed as their protocols want it, before they were over."""

    @property
    def lost(self) -> int:
        return len(self.lost_ids)

    @property
    def reasons(self) -> Counter[str]:
        return Counter(self.lost_ids.values())

    def mixed(self, releases: Iterable[Mapping[str, str]] = ()) -> int:
        """Answers that two releases had a part in.

        A release is {service: version}; without any, every chain has to be of one version throughout.
        """
        known = list(releases)
        return sum(count for chain, count in self.chains.items() if not of_one_release(chain, known))

    def line(self) -> str:
        """One line for a log."""
        rate = self.begun / max(self.seconds, 1e-9)
        return (
            f"{self.begun} requests in {self.seconds:.1f} s ({rate:.0f}/s): {self.ok} ok, "
            f"{self.lost} lost{_brackets(self.reasons)}, {self.mixed()} of two releases, "
            f"{self.events} events, {self.ended_early} streams ended early"
        )

    def table(self) -> str:
        """One row per kind of client, then the line."""
        rows = [f"{'':16}{'begun':>9}{'ok':>9}{'lost':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"]
        rows += [
            f"{kind:16}{of.begun:9}{of.ok:9}{of.begun - of.ok:7}{of.p50_ms:9.2f}{of.p99_ms:9.2f}{of.longest_ms:9.2f}"
            for kind, of in self.kinds.items()
        ]
        return "\n".join([*rows, self.line()])

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        return cls(**{**raw, "kinds": {name: OfKind(**of) for name, of in raw["kinds"].items()}})

    def __str__(self) -> str:
        return self.line()


def _brackets(reasons: Counter[str]) -> str:
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(6))
    return f" ({listed})" if listed else ""


def of_one_release(chain: str, releases: Iterable[Mapping[str, str]] = ()) -> bool:
    """Whether one release explains everybody in the chain; with none given, whether all have the same version."""
    parts = [part.split("/") for part in chain.split()]
    known = list(releases)
    if not known:
        return len({version for _, _, version in parts}) == 1
    return any(all(release.get(service) == version for service, _, version in parts) for release in known)


class Act(Protocol):
    """A line of a service's log."""

    @property
    def id(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def caller(self) -> str: ...


@dataclass(frozen=True)
class Joined:
    """A result beside what the services say they did."""

    doubled: frozenset[str]
    """Ids that a service acted on more than once for the same caller."""
    unanswered: frozenset[str]
    """Ids that somebody acted on and whose client got no good answer."""
    unlogged: int
    """Answered requests nobody acted on. Not 0 means that the wrong logs were read, and the other two prove nothing."""

    def line(self) -> str:
        doubled, unanswered = len(self.doubled), len(self.unanswered)
        return f"{doubled} acted on twice, {unanswered} acted on but not answered, {self.unlogged} unlogged"


def join(result: Result, acts: Iterable[Act]) -> Joined:
    """Lay the services' logs beside the client's counts; lines of other clients are passed over."""
    times: Counter[tuple[str, str, str]] = Counter()
    for act in acts:
        if act.id.startswith(result.prefix):
            times[act.id, act.service, act.caller] += 1
    ids = {id for id, _, _ in times}
    unanswered = ids & result.lost_ids.keys()
    return Joined(
        doubled=frozenset(id for (id, _, _), count in times.items() if count > 1),
        unanswered=frozenset(unanswered),
        unlogged=result.ok - len(ids - unanswered),
    )


@dataclass
class Answers:
    """Every request of a run in the order they began: when, until when (monotonic ns), of which kind, its outcome."""

    outcomes: list[str] = field(default_factory=lambda: ["unanswered"])
    begun_ns: array[int] = field(default_factory=lambda: array("q"))
    ended_ns: array[int] = field(default_factory=lambda: array("q"))
    kind: array[int] = field(default_factory=lambda: array("B"))
    outcome: array[int] = field(default_factory=lambda: array("H"))

    def last_old_ms(self, decided_ns: int, old: Callable[[str], bool]) -> float:
        """From a decision to the end of the last old answer to a request begun after it; 0 when there is none.

        `old` is asked about each distinct chain. Only requests are looked at: a stream that was opened before lives on,
        and so does a websocket, which may go on talking to the release that it was opened to.
        """
        of_old = {index for index, outcome in enumerate(self.outcomes) if "/" in outcome and old(outcome)}
        long_lived = {KINDS.index("websocket"), KINDS.index("events")}
        last = decided_ns
        for begun, ended, kind, outcome in zip(self.begun_ns, self.ended_ns, self.kind, self.outcome, strict=True):
            if begun >= decided_ns and ended > last and outcome in of_old and kind not in long_lived:
                last = ended
        return (last - decided_ns) / 1e6

    def write(self, path: Path) -> None:
        with path.open("wb") as file:
            head = {"outcomes": self.outcomes, "count": len(self.begun_ns)}
            file.write(json.dumps(head).encode() + b"\n")
            for column in (self.begun_ns, self.ended_ns, self.kind, self.outcome):
                column.tofile(file)

    @classmethod
    def read(cls, path: Path) -> Self:
        answers = cls()
        with path.open("rb") as file:
            head = json.loads(file.readline())
            for column in (answers.begun_ns, answers.ended_ns, answers.kind, answers.outcome):
                column.fromfile(file, head["count"])
        answers.outcomes = head["outcomes"]
        return answers


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the sorted `values` do not exceed; 0 of none."""
    return values[max(0, math.ceil(len(values) * share) - 1)] if values else 0.0
