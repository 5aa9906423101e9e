import threading
import time

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import ORIGIN, Draft, Head
from sophia_deployment_core.ports import Fenced
from sophia_infrastructure.state.ledger import SqlLedger


def draft(kind="note", key=None, run=None, **body):
    return Draft(kind, body, run=run, key=key)


def test_a_new_ledger_is_empty(ledger):
    assert ledger.read() == []
    assert ledger.head() == Head(0, ORIGIN)


def test_what_was_appended_is_read_again_also_by_the_next_process(ledger, tmp_path, clock):
    events = ledger.append([draft(run="r", key="k", text="ä", n=1), draft("held")], epoch=0)
    assert [(event.seq, event.kind, event.run, event.key) for event in events] == [
        (1, "note", "r", "k"),
        (2, "held", None, None),
    ]
    assert events[0].text == '{"n":1,"text":"\\u00e4"}'
    assert ledger.read() == events
    again = SqlLedger(tmp_path / "state", clock=clock)
    assert again.read() == events
    assert again.head() == Head(2, events[1].hash)
    again.close()


def test_entries_are_read_by_run_and_from_a_place(ledger):
    ledger.append([draft(run=run, n=n) for n, run in enumerate(["a", "b", "a", None, "a"])], epoch=0)
    assert [event.seq for event in ledger.read(run="a")] == [1, 3, 5]
    assert [event.seq for event in ledger.read(run="a", after=1, limit=1)] == [3]
    assert [event.seq for event in ledger.read(after=2, limit=2)] == [3, 4]
    assert ledger.read(after=5) == []


def test_a_draft_whose_key_exists_is_left_out(ledger):
    ledger.append([draft(key="once", n=1)], epoch=0)
    events = ledger.append([draft(key="once", n=2), draft(key="other"), draft(key="other"), draft()], epoch=0)
    assert [event.key for event in events] == ["other", None]
    assert ledger.append([draft(key="once", n=3)], epoch=0) == []
    assert [event.body for event in ledger.read(limit=1)] == [{"n": 1}]


def test_more_keys_than_one_statement_takes_are_still_unique(ledger):
    drafts = [draft(key=f"k{n}") for n in range(1300)]
    assert len(ledger.append(drafts, epoch=0)) == 1300
    assert ledger.append(drafts, epoch=0) == []


def test_a_body_without_one_text_is_refused_and_nothing_is_written(ledger):
    with pytest.raises(TypeError):
        ledger.append([draft(n=1), draft(share=0.5)], epoch=0)
    assert ledger.read() == []


def test_a_guard_that_raises_refuses_its_whole_batch(ledger):
    def no(_reader):
        raise LookupError("no")

    with pytest.raises(LookupError):
        ledger.append([draft(), draft()], epoch=0, guard=no)
    assert ledger.read() == []


def test_a_guard_sees_what_was_appended_before_it(ledger):
    ledger.append([draft(run="r")], epoch=0)
    seen = []
    ledger.append([draft()], epoch=0, guard=lambda reader: seen.append((len(reader.read(run="r")), reader.head().seq)))
    assert seen == [(1, 1)]


def test_a_guard_may_not_append(ledger):
    with pytest.raises(AssertionError):
        ledger.append([draft()], epoch=0, guard=lambda _reader: ledger.append([draft()], epoch=0))


def test_batches_that_wait_share_a_transaction_and_one_refusal_harms_no_other(ledger):
    inside, go_on, results = threading.Event(), threading.Event(), {}

    def hold(_reader):
        inside.set()
        assert go_on.wait(10)

    def only_if(count):
        def guard(reader):
            if len(reader.read(run="race")) != count:
                raise LookupError("lost")

        return guard

    def append(name, guard, **facts):
        try:
            results[name] = ledger.append([draft(run="race", **facts)], epoch=0, guard=guard)
        except LookupError as error:
            results[name] = error

    leader = threading.Thread(target=append, args=("leader", hold))
    leader.start()
    assert inside.wait(10)
    racers = [threading.Thread(target=append, args=(n, only_if(1))) for n in range(5)]
    for racer in racers:
        racer.start()
    give_up = time.monotonic() + 10
    while len(ledger._group._waiting) < 5 and time.monotonic() < give_up:
        time.sleep(0.001)
    go_on.set()
    for thread in [leader, *racers]:
        thread.join(10)
    won = [name for name, result in results.items() if isinstance(result, list)]
    assert len(won) == 2 and "leader" in won
    assert [event.run for event in ledger.read()] == ["race", "race"]


def test_the_time_of_entries_never_goes_back(ledger, clock):
    first = ledger.append([draft()], epoch=0)[0]
    clock.wall -= 3_600_000
    second = ledger.append([draft()], epoch=0)[0]
    clock.wall += 7_200_000
    third = ledger.append([draft()], epoch=0)[0]
    assert (first.at_ms, second.at_ms, third.at_ms) == (1_000_000, 1_000_000, 4_600_000)


def test_only_the_newest_epoch_may_append(ledger, tmp_path, clock):
    old = ledger.claim(holder="old", lease_ms=1000)
    ledger.append([draft()], epoch=old)
    ledger.release(epoch=old)
    other = SqlLedger(tmp_path / "state", clock=clock)
    new = other.claim(holder="new", lease_ms=1000)
    assert new == old + 1
    with pytest.raises(Fenced):
        ledger.append([draft(late=True)], epoch=old, guard=lambda _reader: pytest.fail("fencing comes first"))
    with pytest.raises(Fenced):
        ledger.renew(epoch=old, lease_ms=1000)
    ledger.release(epoch=old)
    assert [event.epoch for event in other.append([draft()], epoch=new)] == [new]
    assert len(ledger.read()) == 2
    other.close()


def test_a_command_of_a_person_is_not_fenced(ledger):
    ledger.claim(holder="engine", lease_ms=1000)
    assert ledger.append([draft("cancel asked")], epoch=0)[0].epoch == 0


def test_listeners_and_waiters_hear_of_every_commit(ledger):
    heads = []
    stop = ledger.listen(heads.append)
    ledger.append([draft()], epoch=0)
    assert heads == [ledger.head()]
    assert ledger.wait(0, timeout=0) == ledger.head()
    waiter = threading.Thread(target=lambda: heads.append(ledger.wait(1, timeout=10)))
    waiter.start()
    stop()
    ledger.append([draft()], epoch=0)
    waiter.join(10)
    assert [head.seq for head in heads] == [1, 2]
    assert ledger.wait(99, timeout=0).seq == 2


def test_an_error_that_leaves_open_what_was_written_stops_every_later_append(ledger):
    from sophia_infrastructure.state.sqlite import writing

    with writing(ledger._engine) as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    with pytest.raises(Exception, match="broken"):
        ledger.append([draft()], epoch=0)
    with writing(ledger._engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER broken")
    with pytest.raises(Exception, match="broken"):
        ledger.append([draft()], epoch=0)
    assert ledger.read() == []


def test_a_database_that_another_program_locks_is_a_clear_error_and_no_end(ledger, monkeypatch):
    import sqlite3

    ledger._engine.dispose()
    from sophia_infrastructure.state import sqlite

    ledger._engine = sqlite.open_database(ledger.path, busy_seconds=0.05)
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SophiaError) as caught:
        ledger.append([draft()], epoch=0)
    assert caught.value.code.name == "SPH-2003" and "fuser" in caught.value.hint
    other.execute("ROLLBACK")
    other.close()
    assert len(ledger.append([draft()], epoch=0)) == 1


def test_a_ledger_cannot_be_used_after_a_fork(ledger):
    ledger._pid += 1
    with pytest.raises(RuntimeError):
        ledger.read()
    with pytest.raises(RuntimeError):
        ledger.append([draft()], epoch=0)
    ledger._pid -= 1


def test_reserved_room_is_there_and_asking_again_costs_nothing(ledger):
    assert ledger.room() == 0
    ledger.reserve(100_000)
    assert ledger.room() >= 100_000
    size = ledger.path.stat().st_size
    ledger.reserve(100_000)
    assert ledger.path.stat().st_size == size
    ledger.append([draft(text="x" * 1000)], epoch=0)
    assert ledger.path.stat().st_size == size


def test_room_that_a_reader_keeps_out_of_the_file_is_not_claimed_to_be_there(ledger):
    import sqlite3

    from sophia_infrastructure.state import sqlite

    ledger._engine.dispose()
    ledger._engine = sqlite.open_database(ledger.path, busy_seconds=0.05)
    reader = sqlite3.connect(ledger.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM head").fetchall()
    with pytest.raises(SophiaError, match="SPH-2003"):
        ledger.reserve(100_000)
    assert ledger.room() == 0
    reader.close()
    ledger.reserve(100_000)
    assert ledger.room() >= 100_000
