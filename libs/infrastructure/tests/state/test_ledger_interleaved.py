"""Random histories of several engines: whatever the order, the chain holds and only the newest epoch writes."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Draft, verify
from sophia_deployment_core.ports import Fenced
from sophia_infrastructure.state.ledger import SqlLedger

engines = st.integers(0, 2)


class FakeClock:
    def __init__(self) -> None:
        self.wall, self.boot = 1_000_000, 50_000

    def now_ms(self) -> int:
        return self.wall

    def boot_ms(self) -> int:
        return self.boot

    async def sleep(self, ms: int) -> None:
        self.boot += ms


class Histories(RuleBasedStateMachine):
    """Three engines on one state; `die` is death as the others see it: the lock is free, the process may wake up."""

    @initialize()
    def begin(self):
        self.directory = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.engines = [SqlLedger(Path(self.directory.name), clock=self.clock) for _ in range(3)]
        self.epochs = [-1, -1, -1]
        self.newest, self.alive = 0, None
        self.kept = []

    @rule(engine=engines)
    def claim(self, engine):
        try:
            epoch = self.engines[engine].claim(holder=f"engine {engine}", lease_ms=1000)
        except SophiaError as error:
            assert error.code.name == "SPH-2001" and self.alive is not None
            return
        assert self.alive is None and epoch == self.newest + 1
        self.newest = self.epochs[engine] = epoch
        self.alive = engine

    @rule(engine=engines)
    def die(self, engine):
        self.engines[engine]._ownership.forget()
        self.alive = None if self.alive == engine else self.alive

    @rule(engine=engines)
    def release(self, engine):
        if self.epochs[engine] > 0:
            self.engines[engine].release(epoch=self.epochs[engine])
            self.alive = None if self.alive == engine else self.alive

    @rule(engine=engines, keys=st.lists(st.none() | st.sampled_from("abcdefg"), max_size=4), wall=st.integers(-5, 5))
    def append(self, engine, keys, wall):
        self.clock.wall += wall
        epoch = self.epochs[engine]
        taken = {event.key for event in self.kept}
        fresh = [key for n, key in enumerate(keys) if key is None or (key not in taken and key not in keys[:n])]
        try:
            events = self.engines[engine].append([Draft("note", key=key) for key in keys], epoch=epoch)
        except Fenced:
            assert epoch != self.newest
            return
        assert epoch == self.newest and [event.key for event in events] == fresh
        self.kept += events

    @rule(engine=engines)
    def command(self, engine):
        self.kept += self.engines[engine].append([Draft("cancel asked")], epoch=0)

    @invariant()
    def everybody_reads_one_unbroken_history(self):
        for engine in self.engines:
            events = engine.read()
            assert events == self.kept
            assert verify(events) == engine.head()

    def teardown(self):
        for engine in getattr(self, "engines", []):
            engine.close()
        if hasattr(self, "directory"):
            self.directory.cleanup()


Histories.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestHistories = pytest.mark.slow(Histories.TestCase)
