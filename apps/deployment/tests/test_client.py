"""The client of the engine's socket: answers, failures, and a stream that breaks."""

import re
import socket
import threading
from pathlib import Path

import pytest
from sophia_deployment import client
from sophia_deployment.client import Engine
from sophia_deployment.codes import ENGINE_LOST, ENGINE_SILENT, ENGINE_UNREACHABLE
from sophia_deployment_core.errors import CATALOG, INTERNAL, NOT_FOUND, SophiaError

from apps.deployment.tests.scripted import GOOD_RUN, RUN, Running, Scripted, run_out


def refused(call, *args, **named) -> SophiaError:
    with pytest.raises(SophiaError) as caught:
        call(*args, **named)
    return caught.value


def test_answers_are_plain_json(commands, engine):
    commands.known[RUN] = run_out()
    asked = Engine(commands.place)
    assert asked.engine()["version"] == "0.1.0"
    assert asked.run("#17") == run_out().model_dump(mode="json")
    assert asked.runs(environment="local") == [run_out().model_dump(mode="json")]
    assert asked.report("17", form="md") == "md of 17\n"
    assert asked.cancel("17", reason="no")["number"] == 17


def test_a_problem_becomes_the_error_that_it_was(commands, engine):
    error = refused(Engine(commands.place).run, "99")
    assert (error.code, error.message, error.hint) == (NOT_FOUND, "there is no run `99`", "`sophia queue` lists runs")


def test_a_code_of_another_build_keeps_its_exit_code():
    raw = b'{"code": "SPH-8888", "title": "new", "detail": "it is so", "exit": 5, "hint": null}'
    error = client.as_error(raw)
    assert (error.code.name, error.code.exit, error.message, error.hint) == ("SPH-8888", 5, "it is so", None)
    assert "SPH-8888" not in CATALOG


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b'{"detail": "x"}'])
def test_an_answer_that_is_no_problem_is_said_to_be_none(raw):
    assert client.as_error(raw).code is INTERNAL


def test_no_socket_and_a_socket_that_nobody_listens_on_are_the_same_to_the_caller(tmp_path):
    error = refused(Engine(tmp_path / "none").status)
    assert (error.code, error.code.exit, error.hint) == (ENGINE_UNREACHABLE, 3, "start it: `sophia up`")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    assert refused(Engine(tmp_path / "dead").status).code is ENGINE_UNREACHABLE
    assert Engine(tmp_path / "dead").answers() is None


def test_an_engine_that_accepts_and_does_not_answer_is_called_silent(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        error = refused(Engine(tmp_path / "s", answer_seconds=0.05).answers)
    assert (error.code, error.code.exit) == (ENGINE_SILENT, 3)


# --- an engine that is away for a moment ----------------------------------------------------------------------------


def request(connection: socket.socket) -> str:
    """All of it: head and body may come one after the other."""
    text = ""
    while "\r\n\r\n" not in text or len(text.partition("\r\n\r\n")[2]) < length(text):
        text += connection.recv(65_536).decode()
    return text


def length(head: str) -> int:
    found = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


class Dying:
    """An engine that takes requests, and is gone before it answers them, so many times; then the scripted one is there.

    What reached it is kept in `heard`, its first line and its body.
    """

    def __init__(self, commands: Scripted, *, deaths: int = 1, midway: bool = False) -> None:
        self.heard: list[str] = []
        self.running: Running | None = None
        self._commands = commands
        self._deaths = deaths
        self._midway = midway
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(commands.place))
        self._listener.listen()
        self._thread = threading.Thread(target=self._die, daemon=True)
        self._thread.start()

    def _die(self) -> None:
        for _ in range(self._deaths):
            connection, _ = self._listener.accept()
            with connection:
                self.heard.append(request(connection))
                if self._midway:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")
        self._listener.close()
        self._commands.place.unlink()
        self.running = Running(self._commands, self._commands.place)

    def __enter__(self) -> "Dying":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(10)
        if self.running is not None:
            self.running.stop()


def kept(path: Path) -> Engine:
    return Engine(path, is_kept=lambda: True)


def test_an_engine_that_is_starting_again_is_waited_for(commands):
    commands.known[RUN] = run_out()
    running: list[Running] = []
    later = threading.Timer(0.3, lambda: running.append(Running(commands, commands.place)))
    later.start()
    try:
        assert kept(commands.place).run("17")["number"] == 17
        assert refused(kept(commands.place).cancel, "99").code is NOT_FOUND, "a refusal is an answer"
    finally:
        later.join()
        running[0].stop()


def test_waiting_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "RESTART_SECONDS", 0.2)
    asked: list[bool] = []
    away = Engine(tmp_path / "none", is_kept=lambda: asked.append(True) is None)
    assert refused(away.status).code is ENGINE_UNREACHABLE
    assert len(asked) > 1


def test_nobody_waits_for_an_engine_that_was_ended_nor_to_learn_whether_one_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(client.time, "sleep", lambda _: pytest.fail("waited"))
    assert refused(Engine(tmp_path / "none").status).code is ENGINE_UNREACHABLE
    assert kept(tmp_path / "none").answers() is None
    assert refused(kept(tmp_path / "none").metrics).code is ENGINE_UNREACHABLE
    assert refused(kept(tmp_path / "none").stop).code is ENGINE_UNREACHABLE


@pytest.mark.parametrize("midway", [False, True])
def test_what_makes_no_difference_is_asked_again_when_the_answer_was_lost(commands, midway):
    commands.known[RUN] = run_out()
    with Dying(commands, deaths=2, midway=midway) as dying:
        assert kept(commands.place).run("17")["number"] == 17
        assert len(dying.heard) == 2


def test_a_submission_is_sent_again_under_its_id(commands):
    commands.outcomes.append((run_out(), GOOD_RUN))
    submission = {"id": RUN, "kind": "start", "environment": "local"}
    with Dying(commands) as dying:
        assert kept(commands.place).submit(submission)["run"] == RUN
    assert RUN in dying.heard[0] and [asked.id for _, asked in commands.asked] == [RUN]


@pytest.mark.parametrize("verb", ["rollback", "cancel", "resume"])
def test_a_wish_that_may_have_been_granted_is_not_sent_twice(commands, verb):
    commands.known[RUN] = run_out()
    with Dying(commands) as dying:
        asked = kept(commands.place)
        submission = {"id": RUN, "kind": "rollback", "environment": "local", "reason": "slow"}
        call, given = (asked.submit, submission) if verb == "rollback" else (getattr(asked, verb), "17")
        error = refused(call, given)
    assert (error.code, error.code.exit, len(dying.heard), commands.asked) == (ENGINE_LOST, 3, 1, [])
    assert "may still happen" in str(error.hint)


def test_a_command_that_finds_no_engine_leaves_nothing_behind(sophia, places):
    before = sorted(places.state.rglob("*"))
    assert sophia("queue").exit == 3
    assert sorted(places.state.rglob("*")) == before


# --- events ---------------------------------------------------------------------------------------------------------


def numbers(path: Path, until: int, breaks: list[str], **more) -> list[int]:
    found = []
    for event in Engine(path).events(run=RUN, on_break=breaks.append, **more):
        found.append(event["seq"])
        if event["seq"] == until:
            return found
    raise AssertionError("a stream of events ends only by its reader")


def test_events_come_in_order_as_they_are_appended(commands, engine):
    commands.tell(RUN, GOOD_RUN[:5])
    later = threading.Timer(0.05, commands.tell, (RUN, GOOD_RUN[5:]))
    later.start()
    breaks: list[str] = []
    assert numbers(commands.place, 15, breaks) == list(range(1, 16))
    assert breaks == []
    later.join()


def test_a_reader_outlives_an_engine_and_sees_every_event_once(commands):
    commands.tell(RUN, GOOD_RUN[:5])
    first, second = Running(commands, commands.place), []

    def replace() -> None:
        first.stop()
        commands.tell(RUN, GOOD_RUN[5:])
        second.append(Running(commands, commands.place))

    later, breaks = threading.Timer(0.05, replace), []
    later.start()
    try:
        assert numbers(commands.place, 15, breaks) == list(range(1, 16))
        assert breaks == ["the engine is gone; waiting for it to come back", "the engine is back"]
    finally:
        later.join()
        second[0].stop()


def test_patience_ends(commands):
    error = refused(numbers, commands.place, 1, [], patience_seconds=0.0)
    assert (error.code, error.code.exit) == (ENGINE_LOST, 3)
    assert "`sophia up`" in str(error.hint)


def test_a_failure_that_waiting_does_not_cure_is_raised_at_once(commands, engine):
    commands.tell(RUN, GOOD_RUN)

    def no_events(**_):
        raise SophiaError(NOT_FOUND, "there is no such run")

    commands.events = no_events
    assert refused(numbers, commands.place, 15, []).code is NOT_FOUND


def test_half_an_event_is_none():
    lines = [b": hello\n", b"\n", b"id: 1\n", b"event: note\n", b'data: {"seq": 1}\n', b"\n", b'data: {"seq": 2}\n']
    assert list(client.parsed_events(iter(lines))) == [None, {"seq": 1}]
