import os
import signal
import subprocess
from pathlib import Path

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_infrastructure.state import ownership
from sophia_infrastructure.state.ledger import SqlLedger
from sophia_infrastructure.state.liveness import Holder, Locks, kill, start_of, this_process
from sophia_infrastructure.state.schema import head
from sophia_infrastructure.state.sqlite import writing
from sqlalchemy import select, update


@pytest.fixture
def other(ledger, tmp_path, clock):
    other = SqlLedger(tmp_path / "state", clock=clock)
    yield other
    other.close()


def refused(code, call, **arguments) -> SophiaError:
    with pytest.raises(SophiaError) as caught:
        call(**arguments)
    assert caught.value.code.name == code
    assert caught.value.hint
    return caught.value


def rewrite(ledger, **values):
    with writing(ledger._engine) as connection:
        connection.execute(update(head), values)


def stored(ledger):
    with ledger._engine.connect() as connection:
        return connection.execute(select(head)).one()


def test_a_second_engine_is_refused_and_told_who_and_since_when(ledger, other):
    ledger.claim(holder="engine of mine", lease_ms=1000)
    error = refused("SPH-2001", other.claim, holder="second", lease_ms=1000)
    assert f"pid {os.getpid()}" in error.message and "engine of mine" in error.message and "1970-01-01" in error.message
    assert "sophia down" in error.hint


def test_claiming_twice_in_one_process_is_refused_too(ledger):
    ledger.claim(holder="engine", lease_ms=1000)
    refused("SPH-2001", ledger.claim, holder="engine", lease_ms=1000)


def test_what_was_given_back_can_be_claimed(ledger, other):
    assert ledger.claim(holder="one", lease_ms=1000) == 1
    ledger.release(epoch=1)
    assert other.claim(holder="two", lease_ms=1000) == 2
    ledger.release(epoch=1)
    assert stored(other).epoch == 2 and stored(other).holder is not None


def test_a_dead_owner_is_replaced_though_its_lease_is_not_over(ledger, other):
    ledger.claim(holder="one", lease_ms=1_000_000)
    ledger.close()  # as death: the kernel frees the lock, the head still names it
    assert other.claim(holder="two", lease_ms=1000) == 2


def test_an_owner_that_lets_its_lease_run_out_and_cannot_be_killed_is_named(ledger, other, clock, monkeypatch):
    monkeypatch.setattr(ownership, "CLAIM_SECONDS", 0.0)
    ledger.claim(holder="one", lease_ms=1000)
    clock.boot += 1001
    error = refused("SPH-2008", other.claim, holder="two", lease_ms=1000)  # it never kills itself
    assert f"kill -KILL {os.getpid()}" in error.hint


def test_every_append_and_renewal_holds_the_lease_on(ledger, other, clock, monkeypatch):
    from sophia_deployment_core.ledger import Draft

    monkeypatch.setattr(ownership, "CLAIM_SECONDS", 0.0)
    epoch = ledger.claim(holder="one", lease_ms=1000)
    for hold_on in (
        lambda: ledger.append([Draft("note")], epoch=epoch),
        lambda: ledger.renew(epoch=epoch, lease_ms=1000),
    ):
        clock.boot += 900
        hold_on()
        clock.boot += 900
        refused("SPH-2001", other.claim, holder="two", lease_ms=1000)
    ledger.append([Draft("cancel asked")], epoch=0)  # a person's command does not
    clock.boot += 101
    refused("SPH-2008", other.claim, holder="two", lease_ms=1000)


def test_the_wall_clock_has_no_say_in_leases(ledger, other, clock):
    ledger.claim(holder="one", lease_ms=1000)
    clock.wall += 3_600_000
    refused("SPH-2001", other.claim, holder="two", lease_ms=1000)


def test_after_a_reboot_a_lease_means_nothing(ledger, other, clock):
    ledger.claim(holder="one", lease_ms=1_000_000)
    ledger.close()
    clock.boot = 10
    assert other.claim(holder="two", lease_ms=1000) == 2


def test_a_holder_on_another_machine_is_never_killed_nor_replaced(ledger, other, clock):
    ledger.claim(holder="one", lease_ms=1000)
    far = Holder("far", os.getpid(), start_of(os.getpid()), "another boot", 0)
    rewrite(ledger, holder=far.text(), until_ms=0)
    assert "`far`" in refused("SPH-2001", other.claim, holder="two", lease_ms=1000).message


def test_a_claimer_that_loses_the_race_sees_the_winner(ledger, other, monkeypatch):
    monkeypatch.setattr(ownership, "CLAIM_SECONDS", 0.2)
    lost = ledger._ownership._set

    def too_late(expected, owner):
        rewrite(ledger, epoch=7, holder=owner.holder.text(), until_ms=owner.until_ms)
        return lost(expected, owner)

    monkeypatch.setattr(ledger._ownership, "_set", too_late)
    winner = Locks(ledger.path.parent / "run")
    assert winner.take(7)
    refused("SPH-2001", ledger.claim, holder="one", lease_ms=1000)
    winner.drop()


def test_a_claimer_waits_for_one_that_is_claiming_and_goes_on_if_it_dies(ledger, monkeypatch):
    starting = Locks(ledger.path.parent / "run")
    assert starting.take(1)
    monkeypatch.setattr(ownership.time, "sleep", lambda _seconds: starting.drop())
    assert ledger.claim(holder="one", lease_ms=1000) == 1


def test_old_lock_files_are_removed(ledger):
    for epoch in range(1, 4):
        assert ledger.claim(holder="one", lease_ms=1000) == epoch
        ledger.release(epoch=epoch)
    assert [path.name for path in (ledger.path.parent / "run").iterdir()] == ["engine-3.lock"]


def test_asking_whether_a_lock_is_held_does_not_look_like_holding_it(tmp_path):
    import fcntl

    owner, asker = Locks(tmp_path), Locks(tmp_path)
    assert owner.take(1) and asker.is_held(1)
    owner.drop()
    with open(tmp_path / "engine-1.lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as another asker at the same instant
        assert not asker.is_held(1)
    assert not asker.is_held(2)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_only_the_very_same_process_is_killed():
    me = this_process("me", since_ms=0)
    other = subprocess.Popen(["sleep", "30"])
    start = start_of(other.pid) or 0
    assert not kill(me)
    assert not kill(Holder("reused pid", other.pid, start + 1, me.boot, 0))
    assert not kill(Holder("other boot", other.pid, start, "elsewhere", 0))
    assert kill(Holder("the one", other.pid, start, me.boot, 0))
    assert other.wait(10) == -signal.SIGKILL
    assert not kill(Holder("gone", other.pid, start, me.boot, 0))
