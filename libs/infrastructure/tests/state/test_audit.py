import io
import json
import os
import shutil
import sqlite3
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import ORIGIN, Broken, Draft, Event, Head, chain
from sophia_infrastructure.state import audit

COLUMN = {"text": "body"}


def filled(ledger):
    for n in range(6):
        ledger.append([Draft("step done", {"n": n}, run="r" if n % 2 else None, key=f"k{n}")], epoch=0)
    return ledger


@pytest.fixture(scope="module")
def full(shared_ledger):
    return filled(shared_ledger)


@pytest.fixture(scope="module")
def backup(full, tmp_path_factory):
    path = tmp_path_factory.mktemp("backup") / "copy.db"
    with sqlite3.connect(full.path) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()
    return path


@pytest.fixture
def copy(backup, tmp_path):
    """A copy of the database, to be tampered with."""
    return Path(shutil.copy(backup, tmp_path))


def exported(ledger) -> list[str]:
    out = io.StringIO()
    audit.export(ledger.path, out)
    return out.getvalue().splitlines(keepends=True)


def change(path, statement, *facts):
    connection = sqlite3.connect(path)
    connection.execute(statement, facts)
    connection.commit()
    connection.close()


def test_a_live_database_verifies_and_so_does_its_export(full, tmp_path):
    assert audit.verify(full.path.parent) == audit.verify(full.path) == full.head()
    lines = exported(full)
    (tmp_path / "out.ndjson").write_text("".join(lines))
    assert len(lines) == 7
    assert audit.verify(tmp_path / "out.ndjson", head=full.head()) == full.head()


def test_an_export_holds_the_stored_text(full):
    assert json.loads(exported(full)[2]) == {name.name: getattr(full.read()[2], name.name) for name in fields(Event)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at_ms", 999), ("at_ms", 1_000_001), ("at_ms", "soon"), ("epoch", 4), ("epoch", None), ("run", "other"),
        ("kind", "note"), ("kind", b"\xff\xfe"), ("key", None), ("body", '{"n":9}'), ("body", '{"n": 3}'),
        ("body", b"\xff"), ("body", 5), ("hash", "0" * 64), ("hash", b"\x00"), ("seq", 40),
    ],
)  # fmt: skip
def test_a_change_of_any_column_is_found_at_its_entry(copy, column, value):
    if value is None and column == "epoch":
        change(copy, "UPDATE ledger SET epoch = 'x' WHERE seq = 4")
    else:
        change(copy, f"UPDATE ledger SET {column} = ? WHERE seq = 4", value)
    found = audit.verify(copy)
    assert isinstance(found, Broken) and found.seq == 4


def test_a_removed_entry_is_found(copy):
    change(copy, "DELETE FROM ledger WHERE seq = 3")
    assert audit.verify(copy) == Broken(3, "entry 3 is missing; the next one found is 4")


def test_a_cut_tail_is_found_by_the_databases_own_head_and_by_one_kept_elsewhere(copy, full):
    kept = full.head()
    change(copy, "DELETE FROM ledger WHERE seq > 4")
    assert audit.verify(copy).seq == 5
    fourth = full.read()[3]
    change(copy, "UPDATE head SET seq = 4, hash = ?", fourth.hash)
    assert audit.verify(copy) == Head(4, fourth.hash)  # a chain alone cannot see it
    found = audit.verify(copy, head=kept)
    assert isinstance(found, Broken) and found.seq == 5 and "tail is cut" in found.because


def test_a_head_that_does_not_belong_is_found(copy):
    change(copy, "UPDATE head SET hash = ?", "f" * 64)
    assert isinstance(audit.verify(copy), Broken)


def test_a_rewritten_history_is_found_by_a_head_kept_elsewhere(copy, full):
    kept = full.head()
    last = full.read()[5]
    text = '{"n":99}'
    new = chain(full.read()[4].hash, seq=6, at_ms=last.at_ms, epoch=0, run="r", kind="step done", key="k5", text=text)
    change(copy, "UPDATE ledger SET body = ?, hash = ? WHERE seq = 6", text, new)
    change(copy, "UPDATE head SET hash = ?", new)
    assert audit.verify(copy) == Head(6, new)
    assert audit.verify(copy, head=kept) == Broken(
        6, "the head kept elsewhere has another hash for it: history was rewritten"
    )


def test_a_database_that_grows_while_it_is_verified_is_not_broken(ledger, monkeypatch):
    recorded = filled(ledger).head()
    ledger.append([Draft("note")], epoch=0)
    monkeypatch.setattr(audit, "_recorded_head", lambda _path: recorded)
    assert audit.verify(ledger.path) == ledger.head()


@pytest.mark.parametrize(
    ("damage", "entry"),
    [
        (lambda lines: lines[:-1], 7),
        (lambda lines: lines[:3], 4),
        (lambda lines: [*lines[:3], *lines[4:]], 4),
        (lambda lines: [*lines[:2], "no json\n", *lines[3:]], 3),
        (lambda lines: [*lines[:2], '{"seq":3}\n', *lines[3:]], 3),
        (lambda lines: [*lines[:2], lines[2].replace('"seq":3', '"seq":"3"'), *lines[3:]], 3),
        (lambda lines: [*lines[:2], lines[2].replace('\\"n\\":2', "\\ud800"), *lines[3:]], 3),
        (lambda lines: [*lines[:5], lines[5][:20]], 6),
        (lambda lines: [*lines[:4], lines[6]], 5),
        (lambda lines: [*lines, lines[0]], 7),
        (lambda lines: [*lines[:6], '{"head":{"seq":6}}\n'], 7),
        (lambda lines: [*lines[:6], '{"head":{"seq":6,"hash":"x"}}\n'], 6),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
    ],
)
def test_a_damaged_export_is_found_at_its_first_bad_entry(full, tmp_path, damage, entry):
    (tmp_path / "out.ndjson").write_text("".join(damage(exported(full))))
    found = audit.verify(tmp_path / "out.ndjson")
    assert isinstance(found, Broken) and found.seq == entry


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x00" * 100, b'{"a":1}\n', b"[" * 100_000])
def test_what_is_no_ledger_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    for source in (tmp_path / "file", tmp_path / "nothing", tmp_path):
        with pytest.raises(SophiaError) as caught:
            audit.verify(source)
        assert caught.value.code.name == "SPH-2009"


def test_a_database_of_something_else_is_refused(tmp_path):
    change(tmp_path / "other.db", "CREATE TABLE cats (name)")
    with pytest.raises(SophiaError) as caught:
        audit.verify(tmp_path / "other.db")
    assert caught.value.code.name == "SPH-2009"


def test_a_damaged_page_is_reported_not_raised_bare(copy):
    with copy.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(copy.stat().st_size - 4096))
    with pytest.raises(SophiaError) as caught:
        audit.verify(copy)
    assert caught.value.code.name in ("SPH-2005", "SPH-2009")


entries = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["a", "b"]), st.none() | st.text(max_size=3), st.text("{}x", max_size=4)
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=200)
@given(entries=entries, data=st.data())
def test_any_change_of_any_entry_is_found_at_that_entry(entries, data):
    from sophia_deployment_core.ledger import verify

    events, previous, at = [], ORIGIN, 0
    for seq, (later, kind, run, text) in enumerate(entries, 1):
        at += later
        previous = chain(previous, seq=seq, at_ms=at, epoch=1, run=run, kind=kind, key=None, text=text)
        events.append(Event(seq, at, 1, run, kind, None, text, previous))
    assert verify(events) == Head(len(events), previous)
    index = data.draw(st.integers(0, len(events) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(Event)]))
    was = getattr(events[index], name)
    now = data.draw(
        (st.integers(0, 100) if isinstance(was, int) else st.text(max_size=5)).filter(lambda new: new != was)
    )
    changed = Event(**{**{field.name: getattr(events[index], field.name) for field in fields(Event)}, name: now})
    found = verify([*events[:index], changed, *events[index + 1 :]])
    assert isinstance(found, Broken) and found.seq == index + 1
