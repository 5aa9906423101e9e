"""What cannot be meant, cannot be read or cannot be run: one clear error each, and what serves goes on serving.

The services that misbehave are in test_bad_services.py, bundles that were tampered with in test_releases.py, machines
with an old Python in the tests of the bootstrap, and full disks in the middle of a release in tests/faults.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sophia_infrastructure.places import Places

from tests.support.graph import Graph, make_graph
from tests.support.launching import processes_of
from tests.support.load.process import LoadProcess
from tests.support.load.result import Mix
from tests.support.owner import Owner, Said, until
from tests.support.refusal import refused, unchanged

pytestmark = pytest.mark.slow
MIX = Mix(1, 1, 1, events=0, websocket=0, http2=0, rate=30)
RUN = [sys.executable, "-I", "-S", "service.py", "front", "--calls", "stock"]
SMALL: dict[str, Any] = {
    "services": {"orders": None, "prices": None, "front": {"needs": ["stock"], "bundle": {"run": RUN}}}
}
"""front -> stock"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return make_graph(tmp_path_factory.mktemp("bad-input"), changes=SMALL)


@pytest.fixture(scope="module")
def owner(graph: Graph) -> Iterator[Owner]:
    """Users are there all the time, and lose nothing."""
    owner = Owner(graph.root)
    try:
        owner.does("up")
        with LoadProcess(str(owner.environment()["url"]), MIX) as load:
            yield owner
        assert (load.result.lost, load.result.mixed()) == (0, 0), load.result.table()
    finally:
        owner.end()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Owner]:
    """A repository in which nothing was ever started."""
    owner = Owner(make_graph(tmp_path, changes=SMALL).root)
    try:
        yield owner
        until(lambda: not processes_of(owner.state))
    finally:
        owner.end()


# --- sophia.yaml ----------------------------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "sophia.yaml:1:1: the file is empty"),
    "no YAML": (b"platform: [shop\n  services: }\n", "sophia.yaml:2:11: this is not YAML"),
    "10 MB": (b"# all work and no play\n" * 440_000, "the file is too large: at most 1,000,000 bytes are read"),
    "binary": (bytes(range(256)) * 64, "this is not UTF-8 text"),
    "a program": (b"\x7fELF\x02\x01\x01\x00\x00", "the character U+007F is not allowed in YAML"),
    "tabs": (b"platform: shop\nservices:\n\tapi:\n\t\tsource: api\n", "sophia.yaml:3:1: a tab cannot indent"),
    "anchors that explode": (BOMB.encode(), "more than 50,000 values"),
    "nested too deep": (b"[" * 5_000, "nested deeper than 50 levels"),
    "a list": (b"- platform: shop\n", "must be a mapping, not a list"),
    "escape sequences": (b'platform: "\x1b[2J\x07"\n', "the character U+001B is not allowed in YAML"),
}


@contextlib.contextmanager
def instead(root: Path, content: bytes | None) -> Iterator[None]:
    """Another `sophia.yaml`, or none."""
    path, kept = root / "sophia.yaml", root / "sophia.yaml.kept"
    path.rename(kept)
    try:
        if content is not None:
            path.write_bytes(content)
        yield
    finally:
        kept.replace(path)


def test_a_file_that_is_no_platform_is_one_error_with_its_place(owner: Owner) -> None:
    with unchanged(owner):
        for kind, (content, message) in FILES.items():
            began = time.monotonic()
            with instead(owner.root, content):
                assert message in refused(owner.call("deploy"), "SPH-1010", exit=2), kind
            assert time.monotonic() - began < 10, kind


def test_all_mistakes_of_a_file_are_told_at_once(graph: Graph, owner: Owner) -> None:
    good = (graph.root / "sophia.yaml").read_text()
    bad = good.replace("    routes:", "    rotes:").replace(
        "runtime: local", "runtime: swarm\n    approvals: {minimum: 1}"
    )
    with unchanged(owner), instead(owner.root, f"{bad}platform: another\n".encode()):
        said = refused(owner.call("deploy"), "SPH-1010", exit=2)
    assert "services.front.rotes: unknown key" in said and "did you mean `routes`?" in said
    assert "environments.local.approvals: not yet: " in said and "not yet: the runtime `swarm`" in said
    assert "platform: the key is already in line 1" in said
    assert said.count("sophia.yaml:") == 4, "each with its line and column"


def test_without_a_file_the_way_to_one_is_shown_and_looking_goes_on(owner: Owner, tmp_path: Path) -> None:
    with unchanged(owner), instead(owner.root, None):
        for verb in ("deploy", "plan", "build", "up"):
            assert "sophia.yaml` does not exist" in refused(owner.call(verb), "SPH-1011", exit=2)
        assert owner.live() and owner.does("logs", "local", "front").out
    assert "`sophia init`" in refused(Owner(tmp_path).call("deploy"), "SPH-1011", exit=2)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_its_place_is_told_as_one(owner: Owner) -> None:
    with unchanged(owner), instead(owner.root, None):
        (owner.root / "sophia.yaml").mkdir()
        try:
            assert "is a directory" in refused(owner.call("deploy"), "SPH-1011", exit=2).lower()
        finally:
            (owner.root / "sophia.yaml").rmdir()


# --- words ----------------------------------------------------------------------------------------------------------

NO_WORDS = "is not `SERVICE.env.KEY=VALUE`"
CALLS: list[tuple[str, str, str]] = [
    ("deploy locl", "SPH-1001", "did you mean `local`?"),
    ("up locl", "SPH-1001", "did you mean `local`?"),
    ("down locl", "SPH-1001", "did you mean `local`?"),
    ("status locl", "SPH-1001", "did you mean `local`?"),
    ("queue locl", "SPH-1001", "did you mean `local`?"),
    ("logs locl", "SPH-1001", "did you mean `local`?"),
    ("secrets set locl TOKEN", "SPH-1001", "did you mean `local`?"),
    ("rollback locl --reason why", "SPH-5201", "live are `local`"),
    ("deploy ../../etc", "SPH-1001", "there are `local`"),
    ("build frnt", "SPH-1001", "did you mean `front`?"),
    ("logs local frnt", "SPH-1001", "did you mean `front`?"),
    ("rollback --to abcdef --reason why", "SPH-5202", "`abcdef` was never live here"),
    ("rollback --to #99 --reason why", "SPH-5202", "live were"),
    ("rollback --reason why", "SPH-5202", "there is no good version before the live one"),
    ("rollback --reason", "SPH-5000", "`--reason`"),
    ("report 99", "SPH-1001", "there is no run `99`"),
    ("cancel 99", "SPH-1001", "there is no run `99`"),
    ("cancel 1", "SPH-5200", "has ended"),
    ("cancel", "SPH-1001", "there is no run to be cancelled"),
    ("resume 99", "SPH-1001", "there is no run `99`"),
    ("resume 1", "SPH-5200", "does not wait for anybody"),
    ("queue --follow 99", "SPH-1001", "there is no run `99`"),
    ("deploy --set nonsense", "SPH-5000", NO_WORDS),
    ("deploy --set front.env.A-B=1", "SPH-5000", NO_WORDS),
    ("deploy --set =", "SPH-5000", NO_WORDS),
    ("deploy --set frnt.env.A=1", "SPH-1001", "did you mean `front`?"),
    ("deploy --set front.env.PORT=1", "SPH-5000", "`PORT` of `front` is set by Sophia itself"),
    ("deploy --watch soon", "SPH-5000", "`soon` is not a duration"),
    ("secrets set local a-b", "SPH-3002", "the environment variable that the service reads"),
]


def test_a_call_that_cannot_be_meant_says_what_was_meant(owner: Owner) -> None:
    with unchanged(owner):
        for words, code, hint in CALLS:
            assert hint in refused(owner.call(*words.split(), stdin="value\n"), code, exit=2), words
        assert [each["name"] for each in owner.does("status", "-o", "json").json["environments"]] == ["local"]
        assert not list(owner.state.glob("*/locl"))


# --- builds and commands --------------------------------------------------------------------------------------------


@pytest.fixture
def front(graph: Graph) -> Iterator[Any]:
    """Changes `front` in `sophia.yaml` for one test."""
    good = (graph.root / "sophia.yaml").read_text()
    yield lambda changes: graph.configure({"services": {"front": changes}})
    (graph.root / "sophia.yaml").write_text(good)


def test_a_pattern_that_matches_nothing_stores_nothing(owner: Owner, front: Any) -> None:
    front({"bundle": {"include": ["service.py", "dist/*.whl"]}})
    with unchanged(owner):
        said = refused(owner.call("deploy"), "SPH-5102", exit=1)
    assert "the bundle of `front` cannot be put together: `dist/*.whl` matches no file in `services/front`" in said


def test_every_build_that_fails_is_told_with_its_last_lines(graph: Graph, owner: Owner, front: Any) -> None:
    front({"build": ["sh", "-c", "echo '\x1b[31mno such module: tea' >&2; exit 4"]})
    graph.configure({"services": {"stock": {"build": ["no-such-builder"]}}})
    with unchanged(owner):
        said = refused(owner.call("deploy"), "SPH-5101", exit=1)
    assert "exit code 4" in said and "no such module: tea" in said
    assert "`stock` could not be built: `no-such-builder` ended with exit code 127" in said
    assert "build-front.log" in said and "build-stock.log" in said


CANNOT_RUN: dict[str, tuple[list[str], str]] = {
    "not there": (["./no-such-program", "--now"], "no such file or directory"),
    "not executable": (["./service.py"], "permission denied"),
}


@pytest.mark.parametrize("kind", CANNOT_RUN)
def test_a_command_that_cannot_be_run_is_named_with_the_reason(owner: Owner, front: Any, kind: str) -> None:
    run, reason = CANNOT_RUN[kind]
    front({"bundle": {"run": run}})
    with unchanged(owner) as live:
        said = refused(owner.call("deploy"), "SPH-1211", exit=1)
    assert f"cannot run `{run[0]}`" in said and reason in said and "with exit code 127" in said
    assert f"is `{run[0]}` in the bundle" in said and f"`{live}` went on serving" in said


def test_a_preparation_that_fails_starts_nothing(owner: Owner, front: Any) -> None:
    front({"bundle": {"prepare": ["sh", "-c", "echo no matching distribution >&2; exit 3"]}})
    with unchanged(owner) as live:
        said = refused(owner.call("deploy"), "SPH-2104", exit=1)
        assert not _prepared_half(owner)
    assert "ended with 3" in said and "no matching distribution" in said and f"`{live}` went on serving" in said
    assert not [step for step in _newest(owner, code=1)["steps"] if step["verb"] == "start" and step["state"] == "done"]


def test_a_preparation_that_hangs_is_ended_with_all_it_started(owner: Owner, front: Any) -> None:
    front({"bundle": {"prepare": ["sh", "-c", "setsid sleep 4711 & sleep 4712"]}})
    with unchanged(owner) as live:
        deploying = owner.start("deploy")
        until(lambda: len(_sleepers(owner)) == 2, seconds=60)
        said = owner.does("cancel", "--reason", "it hangs")
        out, err = deploying.communicate(timeout=60)
        assert _sleepers(owner) == [] and not _prepared_half(owner)
    assert "was stopped before it went live" in said.out and f"`{live}` went on serving" in said.out
    assert (deploying.returncode, out) == (6, "") and "hint:" not in out and "cancelled by" in err
    assert _newest(owner, code=6)["status"] == "cancelled"


def _newest(owner: Owner, *, code: int) -> dict[str, Any]:
    number = owner.does("queue", "-n", "1", "-o", "json").json[0]["number"]
    run: dict[str, Any] = owner.does("queue", "--follow", str(number), "-o", "json", code=code).json
    return run


def _prepared_half(owner: Owner) -> list[Path]:
    trees = [path for path in (owner.state / "prepared").iterdir() if path.is_dir()]
    return [path for path in trees if not path.with_name(f"{path.name}.ready").exists()]


def _sleepers(owner: Owner) -> list[int]:
    return [pid for pid in processes_of(owner.state) if b"sleep\x00471" in Path(f"/proc/{pid}/cmdline").read_bytes()]


# --- the machine ----------------------------------------------------------------------------------------------------

VERBS = ("up", "build", "secrets set local TOKEN")


def everywhere(owner: Owner, code: str) -> set[str]:
    """Whatever would write says the same, and leaves nothing; what was said."""
    return {refused_or_told(owner, verb, code) for verb in VERBS}


def refused_or_told(owner: Owner, verb: str, code: str) -> str:
    said = owner.call(*verb.split(), stdin="value\n")
    out = "" if verb == "engine" else said.out  # its log, which is not what was asked for
    return refused(Said(said.code, out, said.err), code, exit=1)


def test_a_second_engine_is_told_who_the_first_one_is(owner: Owner) -> None:
    with unchanged(owner):
        pid = owner.does("status", "-o", "json").json["engine"]["pid"]
        assert f"pid {pid}" in refused_or_told(owner, "engine", "SPH-2001")
        assert owner.does("status", "-o", "json").json["engine"]["pid"] == pid


def test_a_port_that_is_taken_becomes_the_next_free_one_and_is_remembered(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        owner = Owner(make_graph(tmp_path, changes=SMALL, edge_port=port).root)
        try:
            said = owner.does("up", "--strict-port", code=1).err
            assert f"port {port} of `local` is taken by another program; nothing is live there [SPH-1202]" in said
            assert f"`ss -ltnp 'sport = :{port}'`" in said and owner.environment()["state"] == "empty"
            first = owner.does("up")
            url = owner.environment()["url"]
            assert f"port {port} is taken by another program: the edge listens on" in first.err
            assert url in first.out and owner.get(url)[0] == 200 and url != f"http://127.0.0.1:{port}"
            owner.does("down")
            assert url in owner.does("up").out
        finally:
            owner.end()
    assert processes_of(owner.state) == []
    assert not Places.of(owner.state).engine_socket.parent.exists(), "sockets go with those who listened"


def test_the_state_of_a_newer_version_is_left_alone(stranger: Owner) -> None:
    stranger.state.mkdir()
    (stranger.state / "format").write_text("2\n")
    assert all("has format `2`, this version of Sophia knows 1" in said for said in everywhere(stranger, "SPH-2007"))
    assert os.listdir(stranger.state) == ["format"]
    (stranger.state / "format").write_text("1\n")
    with contextlib.closing(sqlite3.connect(stranger.state / "state.db", isolation_level=None)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
    for verb in ("up", "engine"):
        assert "was written by a newer version" in refused_or_told(stranger, verb, "SPH-2007")
    assert "`9999`" in stranger.does("doctor", code=1).out
    shutil.rmtree(stranger.state)


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_state_directory_that_cannot_be_written_is_named(stranger: Owner) -> None:
    stranger.state.mkdir(mode=0o700)
    with mounted(stranger.state, "--bind", "-o", "ro", str(stranger.state)):
        assert all("read-only file system" in said for said in everywhere(stranger, "SPH-2004"))
        assert "cannot be written" in stranger.does("doctor", code=1).out
    assert os.listdir(stranger.state) == []
    stranger.state.rmdir()
    stranger.state.write_text("a file\n")
    assert all("it is not a directory" in said for said in everywhere(stranger, "SPH-2004"))
    stranger.state.unlink()


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_without_space_nothing_is_begun(stranger: Owner) -> None:
    stranger.state.mkdir(mode=0o700)
    with mounted(stranger.state, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        filler = stranger.state / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        assert all("no space left" in said for said in everywhere(stranger, "SPH-2002"))
        assert not [name for name in os.listdir(stranger.state) if name.startswith(("format", "state.db", "secrets"))]
        filler.unlink()
        stranger.does("build")


@contextlib.contextmanager
def mounted(place: Path, *words: str) -> Iterator[None]:
    done = subprocess.run(["mount", *words, str(place)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="only root can be somebody else")
def test_somebody_who_may_not_look_gets_one_error_too(owner: Owner) -> None:
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(owner.program), "status"]
    done = subprocess.run(command, cwd=owner.root, capture_output=True, text=True, check=False, timeout=60)
    refused(Said(done.returncode, done.stdout, done.stderr), "SPH-1011", exit=2)
