"""`status`, `queue`, `report`, `logs`, `secrets`, `audit`, `doctor`: what people look at, whole."""

import io
import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest
import yaml
from sophia_deployment import doctor
from sophia_deployment.client import Engine
from sophia_deployment.wire import EnvironmentOut
from sophia_deployment_core.ledger import Draft
from sophia_infrastructure.clock import SystemClock
from sophia_infrastructure.places import Places
from sophia_infrastructure.state.ledger import SqlLedger
from sophia_security.secrets import LocalSecrets

from apps.deployment.tests.scripted import RUN, environment_out, run_out

EMPTY = {"state": "empty", "live": None, "services": [], "history": [], "url": None, "previous": None}


@pytest.fixture
def now() -> int:
    return time.time_ns() // 1_000_000


def production(now: int, **given) -> EnvironmentOut:
    return environment_out(now, name="production", **{**EMPTY, **given})


STATUS = """\
ENVIRONMENT  STATE   LIVE          SINCE   URL
local        steady  3f2a9c41d0e1  12 min  http://127.0.0.1:8080
production   empty   -

IN LOCAL  RUNNING  WORKLOAD      ROUTES
api       2 of 2   9d3c21aa77f0  /       1 restart

local: set but not deployed yet: secret MODEL_KEY: `sophia deploy local` uses it
"""
ONE = """\
ENVIRONMENT  STATE   LIVE          SINCE   URL
local        steady  3f2a9c41d0e1  12 min  http://127.0.0.1:8080

IN LOCAL  RUNNING  WORKLOAD      ROUTES
api       2 of 2   9d3c21aa77f0  /       1 restart

INSTANCE  STATE    PID   PORT   SINCE   RESTARTS  LAST EXIT  LIMITS
api 0     running  4711  20017  12 min  0                    cgroup
api 1     running  4712  20018  1 min   1         signal 9

WAS LIVE      SINCE       RUN  FROM
3f2a9c41d0e1  12 min ago  #17  1a2b3c4d on main: "Fix it"
"""


def test_status_is_a_table_and_what_wants_attention(sophia, commands, engine, now):
    commands.environments = [environment_out(now, pending=["secret MODEL_KEY"]), production(now)]
    called = sophia("status")
    assert (called.exit, called.out, called.err) == (0, STATUS, "")


def test_status_of_one_environment_shows_instances_and_history(sophia, commands, engine, now):
    commands.environments = [environment_out(now), production(now)]
    assert sophia("status", "local").out == ONE


def test_what_crashes_after_its_watch_is_told_with_what_to_do(sophia, commands, engine, now):
    because = "`api` ended 3 times within 2 minutes, last with exit status 1"
    commands.environments = [environment_out(now, state="held", because=because)]
    why, ways = sophia("status").out.splitlines()[-2:]
    assert why == f"local: {because}"
    assert ways == (
        "local: nothing goes back by itself now: `sophia logs local` says why, `sophia deploy local` brings a version "
        "that is mended, `sophia rollback local --reason WHY` goes back to `77aa01b2c3d4`"
    )


def test_status_as_json_has_the_documented_keys(sophia, commands, engine, now):
    commands.environments = [environment_out(now)]
    found = json.loads(sophia("status", "-o", "json").out)["environments"][0]
    assert (found["name"], found["url"], found["state"]) == ("local", "http://127.0.0.1:8080", "steady")
    assert found["live"]["release"] == "3f2a9c41d0e1"
    assert EnvironmentOut(**found) == commands.environments[0]


def test_status_of_a_held_environment_says_why_and_who_has_it(sophia, commands, engine, now):
    commands.environments = [environment_out(now, state="held", because="`api` crashes", run=RUN, queued=["a", "b"])]
    assert sophia("status").out.endswith(
        "\nlocal: `api` crashes\nlocal: run 01990000 is under way: `sophia queue local`\n"
        "local: 2 runs waiting: `sophia queue local`\n"
    )


def test_status_of_an_unknown_environment_names_a_near_one(sophia, commands, engine, now):
    commands.environments = [environment_out(now)]
    assert sophia("status", "locl").err == (
        "error: there is no environment `locl` [SPH-1001]\nhint: did you mean `local`?\n"
    )


def test_queue_lists_the_newest_first(sophia, commands, engine, now):
    commands.known[RUN] = run_out(submitted_ms=now - 125_000)
    waiting = {"run": "b", "number": 18, "status": "queued", "because": "waits for #17", "submitted_ms": now - 1_500}
    commands.known["b"] = run_out(**waiting)
    called = sophia("queue")
    assert called.out == (
        "RUN  KIND    ENVIRONMENT  STATUS  RELEASE       BY   SUBMITTED  BECAUSE\n"
        "#18  deploy  local        queued  3f2a9c41d0e1  ann  1 s ago    waits for #17\n"
        "#17  deploy  local        done    3f2a9c41d0e1  ann  2 min ago\n"
    )
    assert sophia("queue", "production").out == "no runs so far\n"
    assert [run["number"] for run in json.loads(sophia("queue", "-o", "json").out)] == [18, 17]


def test_a_report_of_the_newest_run_that_somebody_asked_for(sophia, commands, engine):
    commands.known[RUN] = run_out()
    commands.known["b"] = run_out(run="b", number=18, kind="retire", by="sophia")
    assert sophia("report").out == "md of 17\n"
    assert sophia("report", "#18", "-o", "json").out == "json of 18\n"
    path = sophia("report", "--html").out.strip()
    assert path.endswith(".sophia/reports/17.html")
    assert Path(path).read_text() == "html of 17\n"


def test_a_kept_report_needs_no_engine(sophia, places):
    kept = places.reports / "17-deploy-local"
    kept.mkdir(parents=True)
    (kept / "report.md").write_text("# kept\n")
    (kept / "report.html").write_text("<p>kept")
    assert sophia("report", "17").out == "# kept\n"
    assert sophia("report", "17", "--html").out == f"{kept / 'report.html'}\n"
    assert sophia("report", "18").exit == 3


def test_without_any_run_there_is_no_report(sophia, commands, engine):
    assert sophia("report").err == "error: there was no run so far [SPH-1001]\nhint: `sophia up` makes the first\n"


# --- logs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(places: Places):
    """Writes an instance's log."""
    places.logs("local").mkdir(parents=True)

    def write(name: str, text: str, *, at: float | None = None) -> None:
        path = places.logs("local") / name
        path.write_text(text)
        if at is not None:
            os.utime(path, (at, at))

    return write


def test_logs_are_read_without_an_engine_each_line_with_its_instance(sophia, logged):
    logged("api-9d3c21aa77f0-0.log", "one\ntwo\n", at=1_000)
    logged("api-9d3c21aa77f0-1.log", "three\n", at=1_001)
    logged("worker-0d3c21aa77f0-0.log", "four\nfive", at=1_002)
    logged("envoy.log", "edge\n")
    called = sophia("logs")
    assert called.exit == 0
    assert called.out == ("api-0 | one\napi-0 | two\napi-1 | three\nworker-0 | four\nworker-0 | five\n")
    assert sophia("logs", "api", "--instance", "1").out == "api-1 | three\n"
    assert sophia("logs", "local", "worker", "-n", "1").out == "worker-0 | five\n"
    assert sophia("logs", "local", "edge").out == "edge | edge\n"


def test_no_service_can_command_the_terminal(sophia, logged):
    logged("api-9d3c21aa77f0-0.log", "\x1b[31mred\x1b[0m \x1b]0;owned\x07 a\rb \x9b2J\u202egpj.exe\n")
    assert sophia("logs").out == "api-0 | red \\x1b]0;owned\\x07 a\\x0db \\x9b2J\\u202egpj.exe\n"


def test_secrets_are_masked_old_ones_too(sophia, logged, places):
    store = LocalSecrets(places.state)
    store.set("local", "MODEL_KEY", "first-secret")
    store.set("local", "MODEL_KEY", "second-secret")
    store.set("production", "MODEL_KEY", "elsewhere-secret")
    logged("api-9d3c21aa77f0-0.log", "a first-secret b second-secret c elsewhere-secret\n")
    assert sophia("logs").out == "api-0 | a *** b *** c elsewhere-secret\n"
    (places.state / "secrets.key").unlink()
    called = sophia("logs")
    assert called.err.startswith("note: secrets are not masked, because the store cannot be read: ")


def test_older_parts_are_read_where_the_newest_is_short(sophia, logged):
    logged("api-9d3c21aa77f0-0.log.1", "older 1\nolder 2\n")
    logged("api-9d3c21aa77f0-0.log", "newest\n")
    assert sophia("logs", "-n", "2").out == "api-0 | older 2\napi-0 | newest\n"


def test_versions_that_are_long_gone_are_left_out(sophia, logged):
    logged("api-000000000000-0.log", "gone\n", at=1_000)
    logged("api-9d3c21aa77f0-0.log", "here\n", at=100_000)
    assert sophia("logs").out == "api-0 | here\n"


def test_since_goes_by_the_times_in_the_lines(sophia, logged):
    logged(
        "api-9d3c21aa77f0-0.log",
        "2026-05-01T11:59:59Z before\n  its second line\n[2026-05-01 12:00:00,123] on time\n  goes with it\n",
    )
    called = sophia("logs", "--since", "2026-05-01T12:00:00+00:00")
    assert called.out == "api-0 | [2026-05-01 12:00:00,123] on time\napi-0 |   goes with it\n"
    assert sophia("logs", "--since", "10m").out == ""
    assert sophia("logs", "--since", "yesterday").exit == 2


def test_logs_as_json_are_lines_of_json(sophia, logged):
    logged("api-9d3c21aa77f0-2.log", "one\n")
    assert json.loads(sophia("logs", "-o", "json").out) == {
        "service": "api",
        "workload": "9d3c21aa77f0",
        "instance": 2,
        "line": "one",
    }


def test_logs_of_nobody_name_who_has_some(sophia, logged):
    logged("api-9d3c21aa77f0-0.log", "one\n")
    assert sophia("logs", "local", "apo").err == (
        "error: there are no logs of `apo` in `local` [SPH-1001]\nhint: did you mean `api`?\n"
    )
    assert sophia("logs", "production").err.startswith("error: nothing was logged in `production` so far")


def test_following_shows_what_is_appended_rotated_and_new(sophia, logged, places, monkeypatch):
    import _thread

    from sophia_deployment.cli import logs as verb

    monkeypatch.setattr(verb, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(verb, "LOOK_AGAIN_SECONDS", 0.02)
    logged("api-9d3c21aa77f0-0.log", "old\nlast\n")

    def write() -> None:
        path = places.logs("local") / "api-9d3c21aa77f0-0.log"
        with path.open("a") as file:
            file.write("half")
            file.flush()
            time.sleep(0.05)
            file.write(" a line\n")
        time.sleep(0.05)
        path.write_text("new\n")
        logged("api-0a3c21aa77f0-0.log", "candidate\n")
        time.sleep(0.2)
        _thread.interrupt_main()

    writer = threading.Thread(target=write)
    writer.start()
    called = sophia("logs", "-f", "-n", "1")
    writer.join()
    assert called.exit == 0
    assert called.out == "api-0 | last\napi-0 | half a line\napi-0 | new\napi-0 | candidate\n"


# --- secrets --------------------------------------------------------------------------------------------------------


def given(monkeypatch, value: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(value)))


def test_a_secret_comes_from_stdin_and_is_pending_until_it_is_deployed(sophia, monkeypatch, places):
    given(monkeypatch, b"hunter2-hunter2\n")
    called = sophia("secrets", "set", "local", "MODEL_KEY")
    assert (called.exit, called.err) == (0, "")
    assert called.out == "`MODEL_KEY` in `local` is version 1 now; pending: `sophia deploy local` uses it\n"
    assert LocalSecrets(places.state).value("local", "MODEL_KEY", 1) == "hunter2-hunter2"
    given(monkeypatch, b"hunter2-hunter2")
    assert sophia("secrets", "set", "local", "MODEL_KEY").out == (
        "`MODEL_KEY` in `local` has this value already (version 1)\n"
    )
    assert sophia("secrets", "list", "local").out == "NAME       VERSION\nMODEL_KEY  1\n"
    assert sophia("secrets", "unset", "local", "MODEL_KEY").exit == 0
    assert sophia("secrets", "list").out == "no secret is set in `local`\n"


def test_a_value_is_never_taken_from_the_command_line(sophia, monkeypatch):
    given(monkeypatch, b"")
    called = sophia("secrets", "set", "local", "MODEL_KEY", "hunter2-hunter2")
    assert called.exit == 2
    assert "unexpected extra argument" in called.err


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"a\0b"])
def test_a_value_that_cannot_be_used_is_refused(sophia, monkeypatch, value):
    given(monkeypatch, value)
    assert sophia("secrets", "set", "local", "MODEL_KEY").exit == 2


def test_a_secret_of_an_environment_that_is_not_there_is_refused(sophia, monkeypatch):
    given(monkeypatch, b"x")
    assert "did you mean `production`?" in sophia("secrets", "set", "prodction", "MODEL_KEY").err


# --- audit ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(places: Places):
    """A ledger with three entries; its head as `audit verify` takes it."""
    book = SqlLedger(places.state, clock=SystemClock())
    epoch = book.claim(holder="test", lease_ms=60_000)
    book.append([Draft("note", {"n": number}) for number in range(3)], epoch=epoch)
    head = book.head()
    book.release(epoch=epoch)
    book.close()
    return f"{head.seq}:{head.hash}"


def test_a_ledger_is_verified_exported_and_verified_elsewhere(sophia, ledger, root):
    seq = ledger.split(":")[0]
    called = sophia("audit", "verify", "--head", ledger)
    assert (called.exit, called.out) == (0, f"{seq} entries, the chain is whole\nhead {ledger}\n")
    exported = sophia("audit", "export")
    assert exported.err == f"{seq} entries, head {ledger}\n"
    (root / "out.ndjson").write_text(exported.out)
    assert json.loads(sophia("audit", "verify", "out.ndjson", "-o", "json").out) == {
        "ok": True,
        "seq": int(seq),
        "head": ledger,
    }


def test_the_first_entry_that_was_changed_is_named(sophia, ledger, root):
    lines = sophia("audit", "export").out.splitlines()
    (root / "out.ndjson").write_text("\n".join([lines[0], lines[1].replace('\\"n\\":1', '\\"n\\":9'), *lines[2:]]))
    called = sophia("audit", "verify", "out.ndjson")
    assert called.exit == 1
    assert called.err.startswith("error: entry 2 of `out.ndjson`: ")
    assert "[SPH-5008]" in called.err
    assert json.loads(sophia("audit", "verify", "out.ndjson", "-o", "json").out)["seq"] == 2


def test_a_head_kept_elsewhere_shows_a_cut_tail(sophia, ledger):
    called = sophia("audit", "verify", "--head", f"99:{'a' * 64}")
    assert called.exit == 1
    assert "the tail is cut" in called.err


def test_what_is_no_ledger_and_no_head_is_said(sophia, root):
    assert sophia("audit", "verify", "app.py").exit == 2
    assert sophia("audit", "export").exit == 2
    assert sophia("audit", "verify", "--head", "latest").err.startswith("error: `latest` is no head [SPH-5000]\n")


# --- doctor ---------------------------------------------------------------------------------------------------------


def test_doctor_looks_at_everything_and_a_warning_is_no_failure(sophia, commands, engine):
    called = sophia("doctor", "-o", "json")
    found = json.loads(called.out)
    whats = {each["what"] for each in found}
    assert {"python", "node", "envoy", "limits", "sophia.yaml", "state", "disk", "sockets", "engine", "ports"} <= whats
    assert called.exit == any(each["verdict"] == "bad" for each in found)
    assert all(each["todo"] for each in found if each["verdict"] != "ok")


def test_doctor_says_what_to_do_below_what_is_not_ok(sophia, root):
    (root / "sophia.yaml").write_text("platform: 1\n")
    called = sophia("doctor")
    assert called.exit == 1
    assert "\n      → `sophia plan` shows everything that is wrong with it\n" in called.out


def test_doctor_knows_a_port_that_one_environment_took_from_another(sophia, commands, engine, root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = yaml.safe_load((root / "sophia.yaml").read_text())
        file["environments"]["staging"] = {"runtime": "local", "edge": {"port": port}}
        (root / "sophia.yaml").write_text(yaml.safe_dump(file))
        said = f"{port} for `staging` is taken by another program"
        assert said in sophia("doctor").out
        commands.environments = [environment_out(int(time.time() * 1000), url=f"http://127.0.0.1:{port}")]
        assert f"{port} for `staging` is taken by `local`, whose own was taken" in sophia("doctor").out


def test_doctor_works_where_nothing_is(sophia, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    called = sophia("doctor")
    assert "sophia.yaml" in called.out and "`sophia init` writes one" in called.out


def test_doctor_finds_sockets_that_nobody_listens_on(places, root):
    import socket

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(places.engine_socket))
    found = {each.what: each for each in doctor.examine(root, places, Engine(places.engine_socket))}
    assert (found["sockets"].verdict, found["engine"].verdict) == ("warn", "warn")
    assert found["sockets"].said.startswith("nobody listens at engine.sock")


def test_a_check_that_fails_by_itself_is_a_finding(places, root, monkeypatch):
    def broken(_):
        raise OSError("input/output error")

    monkeypatch.setattr(doctor, "_disk", broken)
    found = {each.what: each for each in doctor.examine(root, places, Engine(places.engine_socket))}
    assert found["disk"] == doctor.Finding(
        "disk", "warn", "cannot be looked at: input/output error", "report this with the rest of the output"
    )


def test_an_engine_of_another_build_is_worth_a_warning(commands, engine, places, root):
    commands.about = commands.about.model_copy(update={"build": "older"})
    found = {each.what: each for each in doctor.examine(root, places, Engine(places.engine_socket))}
    assert (found["engine"].verdict, found["engine"].todo) == ("warn", "`sophia up` replaces it")
