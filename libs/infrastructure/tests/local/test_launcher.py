"""The launcher's parts, one by one; no process is started."""

from __future__ import annotations

import json
import os
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Fenced
from sophia_infrastructure import launchers
from sophia_infrastructure.codes import DISK_FULL, LAUNCHER_BUSY, LAUNCHER_FAILED, NOT_STOPPED
from sophia_infrastructure.launcher import limits
from sophia_infrastructure.launcher.files import act, remove, replace
from sophia_infrastructure.launcher.keeping import Keeper, _announce
from sophia_infrastructure.launcher.locks import DOOR, HELD, LAUNCHER, give, take, taken, until
from sophia_infrastructure.launcher.logs import LOG_PAUSE_SECONDS, Log
from sophia_infrastructure.launcher.processes import boot, started, tell
from sophia_infrastructure.launcher.resource import Refused, Resource, file_name, grace_seconds, main_process
from sophia_infrastructure.launchers import Program


@pytest.fixture
def resource(tmp_path):
    return Resource(str(tmp_path), "instance/local/api-0")


# --- names ----------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_resources_name_becomes_a_files_name_and_back(name):
    file = file_name(name)
    assert "/" not in file and file.isascii() and unquote(file) == name


# --- locks ----------------------------------------------------------------------------------------------------------


def test_locks_of_one_file_are_independent_and_asking_takes_none(resource):
    ours, theirs = resource.open(), resource.open()
    assert take(ours, HELD) and take(ours, HELD)
    assert taken(theirs, HELD) and not taken(ours, HELD), "one's own lock is in nobody's way"
    assert not take(theirs, HELD)
    assert not taken(theirs, DOOR) and take(theirs, DOOR) and take(theirs, LAUNCHER)
    give(ours, HELD)
    assert not taken(theirs, HELD)
    os.close(theirs)
    assert not taken(ours, DOOR), "it dies with the file that had it"
    os.close(ours)


def test_an_inherited_file_holds_the_lock_when_the_first_is_closed(resource):
    ours, theirs = resource.open(), resource.open()
    take(ours, HELD)
    inherited = os.dup(ours)
    os.close(ours)
    assert taken(theirs, HELD)
    os.close(inherited)
    assert not taken(theirs, HELD)
    os.close(theirs)


def test_who_waited_at_the_door_of_a_file_that_was_removed_goes_to_the_new_one(resource, monkeypatch):
    stale = resource.open()
    os.unlink(resource.lock_path)
    files = iter([stale])
    opened = resource.open
    monkeypatch.setattr(resource, "open", lambda: next(files, None) or opened())
    door = resource.enter()
    assert os.path.samestat(os.fstat(door), os.stat(resource.lock_path))
    os.close(door)


def test_a_door_that_does_not_open_is_reported(resource):
    door = resource.enter()
    with pytest.raises(Refused) as refused:
        resource.enter(seconds=0)
    assert "busy" in refused.value.answer
    os.close(door)


def test_a_condition_is_asked_once_more_when_the_time_is_over():
    answers = iter([False, True])
    assert until(lambda: next(answers), seconds=0)
    assert not until(lambda: False, seconds=0)


# --- epochs ---------------------------------------------------------------------------------------------------------


def test_epochs_only_grow_and_are_one_number_for_all_resources(resource, tmp_path):
    resource.admit(3)
    resource.admit(3)
    Resource(str(tmp_path), "routes/local").admit(5)
    with pytest.raises(Refused) as refused:
        resource.admit(4)
    assert refused.value.answer == {"fenced": 5}
    resource.admit(12345678901)
    with pytest.raises(Refused):
        resource.admit(5)


# --- records --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["", "{", "[1]", '"text"', "\0" * 20])
def test_a_damaged_record_is_none(resource, damage):
    with open(resource.record_path, "w") as file:
        file.write(damage)
    assert resource.record() == {} and main_process(resource.record()) is None
    assert resource.look() == ("gone", {})


def test_a_process_is_the_recorded_one_if_start_and_boot_agree():
    me = {"boot": boot(), "pid": os.getpid(), "start": started(os.getpid())}
    assert main_process(me) == (os.getpid(), me["start"])
    for other in ({"boot": "other"}, {"start": 1}, {"pid": None}, {"pid": 2**22 + 1}):
        assert main_process({**me, **other}) is None
    assert not tell(os.getpid(), 1, 0)
    assert tell(os.getpid(), me["start"], 0)


def test_what_is_held_without_a_launcher_is_an_orphan(resource):
    assert resource.look()[0] == "gone"
    held, lone = resource.open(), resource.open()
    take(lone, LAUNCHER)
    take(held, HELD)
    assert resource.look()[0] == "kept"
    os.close(lone)
    assert resource.look()[0] == "orphaned"
    assert resource.holds(os.getpid(), HELD) and not resource.holds(os.getpid(), LAUNCHER)
    os.close(held)
    assert resource.look()[0] == "gone"


def test_a_living_program_without_any_lock_is_an_orphan_too(resource):
    os.close(resource.open())
    resource.write({"boot": boot(), "pid": os.getpid(), "start": started(os.getpid())})
    assert resource.look()[0] == "orphaned"


def test_forgetting_removes_what_is_there(resource):
    for _ in range(2):
        resource.forget()
    resource.write({})
    os.close(resource.open())
    resource.forget()
    assert os.listdir(resource.run) == []


def test_a_record_that_cannot_be_written_is_no_reason_to_stop(resource, monkeypatch):
    monkeypatch.setattr(resource, "record_path", os.path.join(resource.run, "missing", "x.json"))
    assert resource.write({}) is False


def test_the_grace_is_bounded_though_nobody_knows_it():
    assert (grace_seconds({"grace_ms": 250}), grace_seconds({})) == (0.25, 30)


# --- effects --------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_with_its_mode_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "table"
    (tmp_path / ".table.new").write_text("of a writer that was killed, and longer")
    replace(str(path), "ü", mode=0o640)
    assert path.read_text() == "ü" and path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["table"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "table"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        replace(str(path), "new")
    assert path.read_text() == "old"


def test_removing_takes_links_not_what_they_lead_to(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    for name in ("link", "link", "never"):
        remove(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["tree"]


def test_an_effect_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such effect"):
        act({"do": "explode", "path": str(tmp_path / "x")})


# --- limits ---------------------------------------------------------------------------------------------------------


def test_our_own_control_groups_are_existing_directories_up_to_the_root():
    groups = list(limits.cgroups())
    assert all(os.path.isdir(group) for group in groups)
    assert groups == sorted(groups, key=len, reverse=True)


def test_a_group_that_limits_nothing_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "cgroups", lambda: iter([str(tmp_path), str(tmp_path / "missing")]))
    assert limits.Limits({"cpu_millicores": 500}, "sophia-x").group is None
    assert os.listdir(tmp_path) == ["missing"] or os.listdir(tmp_path) == []


# --- logs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path):
    log = Log(str(tmp_path / "logs" / "api.log"), 400)
    log.open()
    return log


def write(path, text):
    with open(path, "a") as file:
        file.write(text)


def test_a_full_log_is_moved_on_and_only_its_end_is_kept(log, tmp_path):
    path = tmp_path / "logs" / "api.log"
    for number in range(6):
        write(path, f"{number}" * 150)
        log.tend()
    parts = {each.name: each.read_text() for each in path.parent.iterdir()}
    assert parts == {"api.log": "", "api.log.1": "5" * 100, "api.log.2": "4" * 100, "api.log.3": "3" * 100}


def test_a_log_is_looked_at_the_sooner_the_faster_it_grows(log, tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 1))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    path = tmp_path / "logs" / "api.log"
    shortest, longest = LOG_PAUSE_SECONDS
    assert log.tend() == longest
    write(path, "x" * 99)
    assert log.tend() == shortest
    assert log.tend() == longest


def test_a_log_that_was_removed_is_begun_anew(log, tmp_path):
    path = tmp_path / "logs" / "api.log"
    path.unlink()
    file = log.open()
    assert os.path.samestat(os.fstat(file), path.stat())
    assert log.open() == file


def test_a_log_that_cannot_be_is_done_without(tmp_path):
    (tmp_path / "logs").write_text("in the way")
    log = Log(str(tmp_path / "logs" / "api.log"), 400)
    os.write(log.open(), b"x" * 1000)
    assert log.tend() == LOG_PAUSE_SECONDS[1]


def test_on_a_full_disk_the_old_text_is_given_up(log, tmp_path, monkeypatch):
    path = tmp_path / "logs" / "api.log"
    write(path, "x" * 150)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "sendfile", full)
    log.tend()
    assert {each.name: each.read_text() for each in path.parent.iterdir()} == {"api.log": ""}


# --- launchers ------------------------------------------------------------------------------------------------------


def test_a_launcher_goes_on_when_who_asked_for_it_is_dead(resource):
    door = resource.enter()
    hear, say = os.pipe()
    os.close(hear)
    _announce({"state": "running"}, door, say)
    os.close(resource.enter(seconds=0))


def test_a_machine_without_a_process_to_spare_is_asked_again_later(resource, tmp_path, monkeypatch):
    asked = Program(("true",), tmp_path, {}, tmp_path / "log", gathers=False).to_data()
    keeper = Keeper(resource, asked, held=-1)

    def exhausted():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", exhausted)
    monkeypatch.setattr(keeper._family, "empty", lambda: True)
    keeper._spawn()
    assert (resource.record()["state"], resource.record()["exit"]) == ("waiting", 127)
    assert 0 < keeper._pause() <= 0.25
    assert (tmp_path / "log").read_text() == "launcher: cannot start a process: Resource temporarily unavailable\n"


# --- what the engine makes of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"busy": "x"}, LAUNCHER_BUSY),
        ({"stuck": "x"}, NOT_STOPPED),
        ({"failed": "x", "errno": 28}, DISK_FULL),
        ({"failed": "x", "errno": 13}, LAUNCHER_FAILED),
    ],
)
def test_a_helper_that_did_nothing_says_why(answer, code):
    with pytest.raises(SophiaError) as error:
        launchers._answer("once", "routes/local", json.dumps(answer).encode(), b"")
    assert error.value.code is code and error.value.hint


def test_a_fenced_helper_stops_its_engine():
    with pytest.raises(Fenced):
        launchers._answer("once", "routes/local", b'{"fenced": 7}', b"")


def test_a_helper_that_broke_shows_its_last_line():
    with pytest.raises(SophiaError, match="KeyError: 'x'"):
        launchers._answer("once", "routes/local", b"", b"Traceback:\n  line\nKeyError: 'x'\n")
    with pytest.raises(SophiaError, match="it was killed"):
        launchers._answer("once", "routes/local", b"", b"")


@pytest.mark.parametrize(
    ("standing", "told", "state"),
    [
        ("kept", "running", "running"),
        ("kept", "waiting", "waiting"),
        ("kept", "stopping", "stopping"),
        ("kept", "gone", "starting"),
        ("kept", None, "starting"),
        ("orphaned", "running", "orphaned"),
        ("gone", "running", "gone"),
    ],
)
def test_locks_decide_what_a_record_may_say(standing, told, state):
    kept = launchers._kept("instance/local/api-0", standing, {"state": told, "launcher_pid": 5} if told else {})
    assert kept.state == state
    assert kept.launcher_pid == (5 if standing == "kept" and told else None)
