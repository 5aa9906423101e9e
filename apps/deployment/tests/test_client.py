"""The client of the engine's socket: answers, failures, and a stream that breaks."""

import socket
import threading
from pathlib import Path

import pytest
from sophia_deployment import client
from sophia_deployment.client import Engine
from sophia_deployment.codes import ENGINE_LOST, ENGINE_SILENT, ENGINE_UNREACHABLE
from sophia_deployment_core.errors import CATALOG, INTERNAL, NOT_FOUND, SophiaError

from apps.deployment.tests.scripted import GOOD_RUN, RUN, Running, run_out


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
