"""The strict client finds exactly what a bad server does wrong: a check that can fail."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.graph.service import Faults, Log, Request, Service, Wire, chunk, framed
from tests.support.graph import acted, running
from tests.support.load import Answers, LoadProcess, Mix, Result, join
from tests.support.load.client import Load
from tests.support.load.http1 import response_in
from tests.support.load.http2 import PREFACE
from tests.support.load.result import KINDS, of_one_release
from tests.support.load.tally import Tally

pytestmark = pytest.mark.slow
"""Real processes: they take seconds."""

NOBODY = Mix(keep_alive_get=0, keep_alive_post=0, new_connection=0, events=0, websocket=0, http2=0, timeout_seconds=2)
ONE_POSTER = replace(NOBODY, keep_alive_post=1)


class Bad(Service):
    """Misbehaves on each request whose number is a multiple of 50, as `misdeed` says."""

    def __init__(self, data: Path, misdeed: str) -> None:
        super().__init__("front", [], Faults("", ""), Log(str(data), "acted"))
        self.misdeed = misdeed

    def is_due(self, request: Request) -> bool:
        return int(request.id.rpartition("-")[2]) % 50 == 49

    def _answer(self, wire: Wire, request: Request) -> bool:
        if request.method == "POST" and self.is_due(request):
            return self._misbehave(wire, request)
        return super()._answer(wire, request)

    def _misbehave(self, wire: Wire, request: Request) -> bool:
        if self.misdeed == "drop":
            return False
        self.act(request)
        match self.misdeed:
            case "cut":
                wire.socket.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
                return False
            case "reset":
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                return False
            case "5xx":
                return self._send(wire, request, 503, {"error": "bad"})
            case "other":
                return self._send(wire, request, 200, {"id": "another", "chain": [self.me]})
            case "silence":
                threading.Event().wait(3)
            case "twice":
                self.act(request)
            case "mix":
                mixed = [self.me, {**self.me, "version": "2"}]
                return self._send(wire, request, 200, {"id": request.id, "chain": mixed})
        return self._send(wire, request, *self._chain(request))

    def _events(self, wire: Wire, request: Request) -> bool:
        wire.socket.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        numbers = [1, 3] if self.misdeed == "gap" else [1, 2]
        for number in numbers:
            data = f'data: {{"n": {number}, "id": "{request.id}", "chain": [{{"service": "front", "workload": "-", '
            wire.socket.sendall(chunk((data + '"version": "1"}]}\n\n').encode()))
        if self.misdeed == "ended early":
            wire.socket.sendall(chunk(b"event: end\ndata: {}\n\n"))
        if self.misdeed != "cut":
            wire.socket.sendall(chunk(b""))
        return False

    def _echo(self, wire: Wire, request: Request, text: str) -> None:
        if not text.endswith("9"):
            super()._echo(wire, request, text)
        elif self.misdeed == "goodbye":
            super()._echo(wire, request, text)
            wire.socket.sendall(framed(8, b"\x03\xe9"))
        elif self.misdeed == "goodbye instead":
            wire.socket.sendall(framed(8, b"\x03\xe9"))
        else:
            wire.socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(service: Service) -> Iterator[str]:
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=service.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


def load(url: str, mix: Mix, *, count: int = 200, seconds: float = 20) -> Result:
    tally = Tally("t-")
    asyncio.run(Load(tally, mix, url, http2_url=url, seconds=seconds, count=count).run())
    return tally.result()


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        ("drop", "cut"),
        ("cut", "cut"),
        ("reset", "reset"),
        ("5xx", "status 503"),
        ("other", "answer to another request"),
        ("silence", "timeout"),
    ],
)
def test_what_is_not_answered_well_is_lost_with_its_reason(tmp_path: Path, misdeed: str, reason: str) -> None:
    with serving(Bad(tmp_path, misdeed)) as url:
        result = load(url, replace(ONE_POSTER, timeout_seconds=0.5))
    assert (result.begun, result.ok, result.lost) == (200, 196, 4), result
    assert result.reasons == {f"keep-alive POST: {reason}": 4}
    assert sorted(result.lost_ids) == ["t-149", "t-199", "t-49", "t-99"]
    unanswered = 0 if misdeed == "drop" else 4
    joined = join(result, acted(tmp_path))
    assert (len(joined.unanswered), joined.doubled, joined.unlogged) == (unanswered, frozenset(), 0)


def test_a_request_that_was_acted_on_twice_is_found_in_the_logs(tmp_path: Path) -> None:
    with serving(Bad(tmp_path, "twice")) as url:
        result = load(url, ONE_POSTER)
    assert result.lost == 0
    assert sorted(join(result, acted(tmp_path)).doubled) == ["t-149", "t-199", "t-49", "t-99"]


def test_an_answer_of_two_releases_is_counted_unless_a_release_has_both_versions(tmp_path: Path) -> None:
    with serving(Bad(tmp_path, "mix")) as url:
        result = load(url, ONE_POSTER)
    assert (result.lost, result.mixed()) == (0, 4)


def test_logs_that_are_not_the_servers_are_noticed(tmp_path: Path) -> None:
    with serving(Bad(tmp_path, "")) as url:
        result = load(url, ONE_POSTER, count=20)
    assert join(result, []).unlogged == 20


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [("cut", "cut"), ("gap", "events missing"), ("no end", "last chunk without the end event")],
)
def test_an_event_stream_that_does_not_end_properly_is_lost(tmp_path: Path, misdeed: str, reason: str) -> None:
    with serving(Bad(tmp_path, misdeed)) as url:
        result = load(url, replace(NOBODY, events=1), count=3)
    assert result.reasons == {f"events: {reason}": 3}


def test_an_event_stream_that_ends_early_but_properly_is_counted_apart(tmp_path: Path) -> None:
    with serving(Bad(tmp_path, "ended early")) as url:
        result = load(url, replace(NOBODY, events=1, events_count=5), count=3)
    assert (result.lost, result.ended_early) == (0, 3)


def test_a_live_event_stream_is_no_loss_when_the_client_stops(tmp_path: Path) -> None:
    with running(tmp_path, services=["front"]) as graph:
        result = load(graph.url, replace(NOBODY, events=2, events_count=10_000), seconds=0.3)
    assert (result.ok, result.lost, result.ended_early) == (2, 0, 0) and result.events > 4


@pytest.mark.parametrize(
    ("misdeed", "lost", "early"),
    [
        ("cut", {"websocket: cut": 2}, 0),
        ("goodbye instead", {"websocket: closed before the echo": 2}, 0),
        ("goodbye", {}, 1),
    ],
)
def test_a_websocket_that_is_cut_is_lost_and_one_that_says_goodbye_between_messages_is_not(
    tmp_path: Path, misdeed: str, lost: dict[str, int], early: int
) -> None:
    with serving(Bad(tmp_path, misdeed)) as url:
        result = load(url, replace(NOBODY, websocket=1, websocket_every_ms=2), count=20)
    assert (result.begun, result.reasons, result.ended_early) == (20, lost, early)


async def http2_server_that_leaves_after(answers: int) -> Result:
    """A client's result with a server that takes so many streams, says GOAWAY, and answers what it took."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encoder, decoder = Encoder(), Decoder()
        taken: list[tuple[int, str]] = []
        await reader.readexactly(len(PREFACE))
        writer.write(SettingsFrame(0).serialize())
        while len(taken) <= answers:
            frame, size = Frame.parse_frame_header(memoryview(await reader.readexactly(9)))
            frame.parse_body(memoryview(await reader.readexactly(size)))
            if isinstance(frame, HeadersFrame):
                headers = dict(decoder.decode(frame.data, raw=True))
                taken.append((frame.stream_id, headers[b"x-strict-id"].decode()))
        writer.write(GoAwayFrame(0, last_stream_id=taken[answers - 1][0]).serialize())
        for stream, id in taken[:answers]:
            body = f'{{"id": "{id}", "chain": [{{"service": "s", "workload": "w", "version": "1"}}]}}'.encode()
            head = HeadersFrame(stream, data=encoder.encode([(":status", "200")]), flags=["END_HEADERS"])
            writer.write(head.serialize() + DataFrame(stream, data=body, flags=["END_STREAM"]).serialize())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    tally = Tally("t-")
    mix = replace(NOBODY, http2=1, http2_streams=4)
    await Load(tally, mix, url, http2_url=url, seconds=20, count=4).run()
    server.close()
    return tally.result()


def test_streams_that_a_goaway_refused_are_lost_and_those_it_took_are_answered() -> None:
    result = asyncio.run(http2_server_that_leaves_after(3))
    assert (result.begun, result.ok, result.reasons) == (4, 3, {"HTTP/2: refused by goaway": 1})


def test_nobody_there_is_refused_and_does_not_spin() -> None:
    result = load("http://127.0.0.1:1", replace(NOBODY, new_connection=1), seconds=0.2)
    assert set(result.reasons) == {"new connection: refused"} and result.begun < 100


def test_a_good_graph_loses_doubles_and_mixes_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "data") as graph:
        mix = Mix(http2=0, events_count=5, events_every_ms=2)
        with LoadProcess(graph.url, mix, answers_path=tmp_path / "answers", count=1000) as process:
            result = process.wait(20)
    joined = join(result, acted(tmp_path / "data"))
    assert (result.lost, result.mixed(), result.ended_early) == (0, 0, 0), result
    assert (joined.doubled, joined.unanswered, joined.unlogged) == (frozenset(), frozenset(), 0)
    assert len(process.answers.begun_ns) == result.begun and result.begun >= 1000


def test_a_chain_is_of_one_release_when_its_versions_agree_or_a_release_says_so() -> None:
    chain = "front/w2/2 stock/w1/1"
    assert not of_one_release(chain)
    assert of_one_release(chain, [{"front": "2", "stock": "1"}])
    assert not of_one_release(chain, [{"front": "1", "stock": "1"}, {"front": "2", "stock": "2"}])


def test_the_last_old_answer_counts_only_requests_begun_after_the_decision() -> None:
    answers = Answers(outcomes=["unanswered", "front/w1/1", "front/w2/2", "lost: cut"])
    post, stream = KINDS.index("keep-alive POST"), KINDS.index("events")
    ms = 1_000_000
    rows = [(0, 90, post, 1), (11, 15, post, 1), (12, 30, post, 2), (13, 40, post, 3), (14, 80, stream, 1)]
    for begun, ended, kind, outcome in rows:
        answers.begun_ns.append(begun * ms)
        answers.ended_ns.append(ended * ms)
        answers.kind.append(kind)
        answers.outcome.append(outcome)
    assert answers.last_old_ms(10 * ms, lambda chain: "/w1/" in chain) == 5
    assert answers.last_old_ms(20 * ms, lambda chain: "/w1/" in chain) == 0


@pytest.mark.parametrize("text", ["speed=3", "rate", "keep_alive_get=many"])
def test_a_mix_that_nobody_knows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"speed|rate|many"):
        Mix.parse(text)


def test_a_mix_is_read_back_as_it_was_written() -> None:
    mix = Mix(rate=12.5, path="/self", http2=0)
    assert Mix.parse(mix.render()) == mix


def lengthed(body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(body: bytes) -> bytes:
    parts = [body[at : at + 3] for at in range(0, len(body), 3)]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(map(chunk, parts)) + chunk(b"")


@given(st.binary(max_size=40), st.sampled_from([lengthed, chunked]))
def test_a_response_is_read_whole_however_it_arrives(body: bytes, encode: Callable[[bytes], bytes]) -> None:
    whole = encode(body)
    assert [response_in(whole[:arrived]) for arrived in range(len(whole))] == [None] * len(whole)
    assert response_in(whole + b"HTTP/1.1 2") == (200, body, True, len(whole))
