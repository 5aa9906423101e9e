import hashlib

from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.ledger import ORIGIN, Broken, Event, Head, chain, verify

names = st.none() | st.text()


@given(previous=st.text(), seq=st.integers(), run=names, kind=st.text(), key=names)
def test_the_prefix_of_a_hash_is_the_canonical_text_of_its_facts(previous, seq, run, kind, key):
    expected = canonical([previous, seq, 7, 3, run, kind, key]) + "\n{}"
    hashed = chain(previous, seq=seq, at_ms=7, epoch=3, run=run, kind=kind, key=key, text="{}")
    assert hashed == hashlib.sha256(expected.encode()).hexdigest()


def test_an_entry_from_before_the_one_in_front_of_it_is_found_though_its_hash_is_right():
    events, previous = [], ORIGIN
    for seq, at_ms in enumerate([5, 7, 6], 1):
        previous = chain(previous, seq=seq, at_ms=at_ms, epoch=1, run=None, kind="note", key=None, text="{}")
        events.append(Event(seq, at_ms, 1, None, "note", None, "{}", previous))
    assert verify(events[:2]) == Head(2, events[1].hash)
    assert verify(events) == Broken(3, "its time is before that of the entry in front of it")
