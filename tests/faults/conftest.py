"""What the kill matrix shares: sites that many cases use one after the other, samples, and what was covered."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.site import Site

T = TypeVar("T")
CASES_PER_SITE = 20
"""A site is replaced after so many, or its ledger would grow for ever."""


class Sites:
    """Engine, Envoy and services take three seconds to stand; what a case leaves whole, the next one can use."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._standing: dict[bool, tuple[Site, int]] = {}

    def take(self, *, worker: bool) -> Site:
        """One on which a version is live, and nobody else."""
        site, used = self._standing.pop(worker, (None, 0))
        if site is not None and used >= CASES_PER_SITE:
            site.close()
            site = None
        if site is None:
            site, used = Site(self._factory.mktemp("site"), worker=worker), 0
            self._standing[worker] = site, CASES_PER_SITE  # closed, whatever happens
            site.start()
            site.released()
        self._standing[worker] = site, used + 1
        return site

    def spoil(self) -> None:
        """A case failed: nobody may build on what it left."""
        self._standing = {worker: (site, CASES_PER_SITE) for worker, (site, _) in self._standing.items()}

    def close(self) -> None:
        for site, _ in self._standing.values():
            site.close()


@pytest.fixture(scope="session")
def _sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    sites = Sites(tmp_path_factory)
    yield sites
    sites.close()


@pytest.fixture
def sites(_sites: Sites, request: pytest.FixtureRequest) -> Iterator[Sites]:
    failed = request.session.testsfailed
    yield _sites
    if request.session.testsfailed > failed or getattr(request.node, "failed", False):
        _sites.spoil()


@pytest.fixture
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Makes sites of a test's own, with the options of `Site`: an engine runs, and version 1 is live (`fault`: so)."""
    made: list[Site] = []

    def make(*, fault: str = "", fault_in: str = "front", **options: Any) -> Site:
        site = Site(tmp_path_factory.mktemp("site"), **options)
        made.append(site)
        site.start()
        site.released(fault=fault, fault_in=fault_in)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """One of its own."""
    return make_site()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]  # for the fixture above
    return report


def sampled(config: pytest.Config, cases: Sequence[T], count: int) -> list[T]:
    """All cases, or so many of them; the same ones for one seed."""
    if config.option.faults == "all":
        return list(cases)
    chosen = random.Random(config.option.seed).sample(range(len(cases)), min(count, len(cases)))
    return [cases[index] for index in sorted(chosen)]


SINGLY_SAMPLED = ("test_bad_releases", "test_engines", "test_side_by_side", "test_what_serves")
"""Of these files a sample takes every third test, and one variant of it."""


BUSY_SECONDS = 300
"""What a test may take where the machine has other things to do."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(BUSY_SECONDS))
    if config.option.faults == "all":
        return
    chance = random.Random(config.option.seed)
    left_out: set[pytest.Item] = set()
    for name in SINGLY_SAMPLED:
        variants: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in items:
            if item.path.stem == name:
                variants[getattr(item, "originalname", item.name)].append(item)
        tests = sorted(variants)
        taken = {chance.choice(variants[test]) for test in chance.sample(tests, (len(tests) + 2) // 3)}
        left_out.update(item for some in variants.values() for item in some if item not in taken)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


# --- what was covered -----------------------------------------------------------------------------------------------

COLUMNS = ("do started", "do done", "undo started", "undo done", "other")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "nodeid")]
    told: dict[str, list[Any]] = defaultdict(list)
    for report in reports:
        if getattr(report, "when", "") == "call" and report.passed:
            for name, value in report.user_properties:
                told[name].append(value)
    if told["killed"]:
        terminalreporter.section(f"killed and finished (seed {config.option.seed})")
        for line in _table(told["killed"]):
            terminalreporter.write_line(line)
    if told["back_seconds"]:
        seconds = sorted(each for some in told["back_seconds"] for each in some)
        terminalreporter.write_line(
            f"{len(seconds)} engines died; the next one's first entry after "
            f"p50 {statistics.median(seconds):.2f} s, max {seconds[-1]:.2f} s"
        )
    for line in told["measured"]:
        terminalreporter.write_line(str(line))


def _table(killed: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """A line per story and step; in each column the moments: b(efore), d(uring), a(fter)."""
    cells: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for story, place, moment in killed:
        step, column = _cell(place)
        cells[story, step][column].add(moment[0])
    width = max(len(f"{story}  {step}") for story, step in cells)
    yield f"{'':{width}}  " + "  ".join(f"{column:>12}" for column in COLUMNS)
    for (story, step), row in sorted(cells.items()):
        marks = ("".join(sorted(row[column], key="bda".index)) or "." for column in COLUMNS)
        yield f"{story + '  ' + step:{width}}  " + "  ".join(f"{mark:>12}" for mark in marks)


def _cell(place: str) -> tuple[str, str]:
    """`deploy: step started do switch` -> `switch`, `do started`; what is no step is a row of its own."""
    kind, _, rest = place.partition(": ")
    words = rest.split(" ", 3)
    if words[0] == "step" and words[1] in ("started", "done"):
        return f"{'retire ' * (kind == 'retire')}{words[3]}", f"{words[2]} {words[1]}"
    return (f"{kind} {rest}" if kind in ("effect", "retire") else rest), "other"
