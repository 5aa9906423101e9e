import hashlib

from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.ledger import chain

names = st.none() | st.text()


@given(previous=st.text(), seq=st.integers(), run=names, kind=st.text(), key=names)
def test_the_prefix_of_a_hash_is_the_canonical_text_of_its_facts(previous, seq, run, kind, key):
    expected = canonical([previous, seq, 7, 3, run, kind, key]) + "\n{}"
    hashed = chain(previous, seq=seq, at_ms=7, epoch=3, run=run, kind=kind, key=key, text="{}")
    assert hashed == hashlib.sha256(expected.encode()).hexdigest()
