"""Is the new version bad? A verdict over two readings, with its numbers. Pure.

    fail   proven worse than allowed: going back is right        → the switch is undone
    hold   not enough known (no data, statistics unreachable)    → never counted as good, never a reason to go back
    pass   enough was seen and it was good

Shares are parts per thousand, latencies microseconds. A share is above what is allowed when the lower end of its 99 %
interval (Wilson) is; since the question is asked again and again, that proves nothing before some requests failed:
two of two make the watch hold, five of five fail it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sophia_deployment_core.ports import Counters

Z = 2.576
"""Of the normal distribution: 99 % lie within so many deviations."""
FAILED_REQUESTS = 5
"""Fewer failed requests than this are no proof, whatever their share."""
BASELINE_REQUESTS = 20
"""Fewer requests than this say nothing about the old version's error share."""
LATENCY_REQUESTS = 100
"""Fewer requests than this say nothing about a 95th percentile."""
NOTHING = Counters()


@dataclass(frozen=True)
class Thresholds:
    """What is allowed of a new version."""

    errors_permille: int = 10
    """error share that is always allowed; above it the old version's own share counts"""
    latency_factor_percent: int = 200
    """the new p95 may be this much of the old one"""
    latency_floor_us: int = 50_000
    """a p95 below this is never too slow"""


@dataclass(frozen=True)
class Signs:
    """What was seen of one workload since the switch."""

    service: str
    requests: int = 0
    errors: int = 0
    """5xx answers and requests that were never answered"""
    p95_us: int | None = None
    restarts: int = 0
    unhealthy: str | None = None
    """what the health probe said, once it failed the declared number of times in a row"""

    @property
    def seen(self) -> int:
        """A request that was never answered may be missing among those counted."""
        return max(self.requests, self.errors)


@dataclass(frozen=True)
class Verdict:
    """`numbers` is one line per workload, for reports."""

    answer: Literal["pass", "hold", "fail"]
    because: str
    numbers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def judge(
    signs: list[Signs],
    baseline: Mapping[str, Signs],
    *,
    thresholds: Thresholds,
    over: bool,
    reachable: bool,
    users: int,
    quiet: str = "probes",
    probes: tuple[int, int] = (0, 0),
) -> Verdict:
    """The verdict now. `baseline` is the old version's by service, `users` how many requests the edge answered beside
    the engine's own, `probes` the newest of those (sent, failed), `over` whether the watch time has passed."""
    numbers = {sign.service: _numbers(sign) for sign in signs}
    sent, failed = probes
    bad = [_bad(sign, baseline.get(sign.service), thresholds) for sign in signs]
    if lower_bound(failed, sent) > 0.5:
        bad.append(f"{failed} of {sent} probes through the edge failed")
    if found := [because for because in bad if because]:
        return Verdict("fail", found[0], numbers)
    if not over:
        return Verdict("hold", "watching", numbers)
    if not reachable:
        unknown = "the proxy's statistics cannot be reached: nothing is known of the users' requests"
        return Verdict("hold", unknown, numbers)
    if doubts := [sign for sign in signs if _fails_too_much(sign, baseline.get(sign.service), thresholds)]:
        few = f"`{doubts[0].service}` failed {doubts[0].errors} of {doubts[0].seen} requests: too few to tell"
        return Verdict("hold", few, numbers)
    if lower_bound(failed, sent) > thresholds.errors_permille / 1000:
        return Verdict("hold", f"{failed} of the newest {sent} probes through the edge failed", numbers)
    if users == 0 and quiet == "hold":
        quietly = "no user's request was seen, and `quiet: hold` does not let probes speak for them"
        return Verdict("hold", quietly, numbers)
    if users == 0 and sent - failed <= 0:
        return Verdict("hold", "neither a user's request nor a probe was answered", numbers)
    return Verdict("pass", _praise(users, sent), numbers)


def _praise(users: int, probes: int) -> str:
    if users:
        return f"{users} requests, errors and latency within what is allowed"
    return f"no user's request; {probes} probes through the edge were answered"


def _numbers(sign: Signs) -> dict[str, int]:
    numbers = {"requests": sign.requests, "errors": sign.errors, "restarts": sign.restarts}
    return numbers | ({"p95_us": sign.p95_us} if sign.p95_us is not None else {})


def _bad(sign: Signs, old: Signs | None, thresholds: Thresholds) -> str | None:
    if sign.restarts:
        return f"`{sign.service}` ended and was restarted {sign.restarts} times"
    if sign.unhealthy:
        return f"`{sign.service}` is no longer healthy: {sign.unhealthy}"
    if sign.errors >= FAILED_REQUESTS and _fails_too_much(sign, old, thresholds):
        allowed = allowed_share(old, thresholds) * 100
        return f"`{sign.service}` failed {sign.errors} of {sign.seen} requests; allowed are {allowed:.1f} %"
    return _slow(sign, old, thresholds)


def _fails_too_much(sign: Signs, old: Signs | None, thresholds: Thresholds) -> bool:
    return lower_bound(sign.errors, sign.seen) > allowed_share(old, thresholds)


def _slow(sign: Signs, old: Signs | None, thresholds: Thresholds) -> str | None:
    if sign.p95_us is None or old is None or old.p95_us is None:
        return None
    if min(sign.requests, old.requests) < LATENCY_REQUESTS:
        return None
    limit = max(thresholds.latency_floor_us, old.p95_us * thresholds.latency_factor_percent // 100)
    if sign.p95_us <= limit:
        return None
    now, was, most = (us // 1000 for us in (sign.p95_us, old.p95_us, limit))
    return f"`{sign.service}` is slow: p95 {now} ms, was {was} ms; allowed are {most} ms"


def allowed_share(old: Signs | None, thresholds: Thresholds) -> float:
    """The error share that is not held against the new version: the declared one, or what the old one's may have been.

    Never more than half (unless declared): where most requests fail nothing is good.
    """
    own = upper_bound(old.errors, old.seen) if old and old.errors and old.seen >= BASELINE_REQUESTS else 0.0
    return max(thresholds.errors_permille / 1000, min(own, 0.5))


def lower_bound(bad: int, total: int) -> float:
    """The lower end of the Wilson interval of a share."""
    return _wilson(bad, total, -1) if bad else 0.0


def upper_bound(bad: int, total: int) -> float:
    """The upper end of the Wilson interval of a share."""
    return _wilson(bad, total, +1)


def _wilson(bad: int, total: int, sign: int) -> float:
    if total <= 0:
        return 0.0
    share = min(bad, total) / total
    middle = share + Z * Z / (2 * total)
    spread = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    return min(1.0, max(0.0, (middle + sign * spread) / (1 + Z * Z / total)))


@dataclass(frozen=True)
class Tally:
    """What was counted from a first reading to the newest, for as long as a counter is looked at again and again.

    A counter that is lower than before was begun anew (its proxy or its cluster was), and counts from nothing: what was
    counted until then stays counted. So no part of a total is negative, and none ever becomes less. Requests are
    compared, and failed ones as a sum: a request may be told as lost at first and as an error later.
    """

    before: Counters = NOTHING
    """counted in earlier beginnings"""
    base: Counters = NOTHING
    last: Counters = NOTHING

    @classmethod
    def beginning(cls, first: Counters) -> Tally:
        return cls(base=first, last=first)

    def then(self, now: Counters, *, anew: bool = False) -> Tally:
        """After another reading. `anew`: it is known to have begun at nothing since."""
        if anew or now.requests < self.last.requests or _failed(now) < _failed(self.last):
            return Tally(self.total, NOTHING, now)
        return Tally(self.before, self.base, now)

    @property
    def total(self) -> Counters:
        failed = _failed(self.last) - _failed(self.base)
        lost = min(failed, max(0, self.last.lost - self.base.lost))
        return Counters(
            requests=self.before.requests + self.last.requests - self.base.requests,
            errors_5xx=self.before.errors_5xx + failed - lost,
            lost=self.before.lost + lost,
            active=self.last.active,
            latency_us=self.last.latency_us,
        )


def _failed(counters: Counters) -> int:
    return counters.errors_5xx + counters.lost
