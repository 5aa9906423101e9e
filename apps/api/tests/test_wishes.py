"""What a message asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_api.wishes import CALLS, Call, Check, Forget, Remember, Wish, wishes, without_code

CODE = "```python\nimport os\n```"


@pytest.mark.parametrize(
    ("message", "wish"),
    [
        ("remember that the train leaves on Thursday", Remember("the train leaves on Thursday")),
        ("Please remember: milk, eggs", Remember("milk, eggs")),
        ("remember “my sister is Anna”", Remember("my sister is Anna")),
        ("Remember two\nlines", Remember("two\nlines")),
        ("forget that the train leaves on Thursday", Forget("the train leaves on Thursday")),
        ("forget #7", Forget("#7", 7)),
        (f"check this: {CODE}", Check("import os\n")),
        (f"{CODE}\nIs anything wrong with it?", Check("import os\n")),
        ("review:\n```\nx = 1", Check("x = 1")),
        ('/call ai-memory.recall {"query": "train"}', Call("ai-memory.recall", {"query": "train"})),
        ("/call check", Call("check", {})),
        ("/call check [1]", Call("check", None)),
        ("/call check {broken", Call("check", None)),
    ],
)
def test_a_message_asks_for_one_thing(message: str, wish: Wish) -> None:
    assert wishes(message) == (wish,)


@pytest.mark.parametrize(
    "message",
    [
        "When does the train leave?",
        "Do you remember my name?",
        "remember when we met?",
        "remember",
        "I will never forget you",
        f"What does this do? {CODE}",
        "check the weather",
        "say /call check",
        "```\n\n``` check",
    ],
)
def test_a_question_asks_for_nothing_but_an_answer(message: str) -> None:
    assert wishes(message) == ()


def test_calls_are_made_in_order_and_not_without_end() -> None:
    message = "\n".join(f"/call tool{number}" for number in range(9))
    assert [wish.tool for wish in wishes(message) if isinstance(wish, Call)] == [f"tool{n}" for n in range(CALLS)]


def test_memories_are_looked_for_without_the_code() -> None:
    assert without_code(f"check {CODE} for mistakes") == "check   for mistakes"


@given(st.text(max_size=200))
def test_any_message_can_be_read(message: str) -> None:
    for wish in wishes(message):
        if isinstance(wish, Remember | Forget):
            assert wish.text
