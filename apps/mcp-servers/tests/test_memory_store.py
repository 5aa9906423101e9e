"""Memories in SQLite: kept once, found by words, forgotten exactly, safe with two versions at once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sophia_mcp_servers.ai_memory.store import Store, search_expression


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def texts(store: Store, question: str) -> list[str]:
    return [memory.text for memory in store.recall(question, 10)]


def test_what_is_remembered_is_found_by_a_question_with_one_of_its_words(store: Store) -> None:
    store.remember("The train leaves on Thursdays.")
    store.remember("My sister is called Anna.")
    assert texts(store, "When does the train leave?") == ["The train leaves on Thursdays."]


def test_the_same_text_twice_is_one_memory(store: Store) -> None:
    first, new = store.remember("the kettle is blue")
    again, new_again = store.remember("  the kettle is blue\n")
    assert (new, new_again, first.id == again.id, store.count()) == (True, False, True, 1)


def test_more_shared_words_rank_higher(store: Store) -> None:
    store.remember("the garden gate is painted every spring")
    store.remember("the red garden shed holds a spare bicycle and many other old things")
    store.remember("red garden gate key")
    assert texts(store, "red gate key in the garden")[0] == "red garden gate key"


def test_words_that_say_nothing_find_nothing_beside_words_that_do(store: Store) -> None:
    store.remember("it is what it is")
    assert texts(store, "what is the capital of France?") == []
    assert texts(store, "what is it") == ["it is what it is"]


def test_forgetting_is_exact(store: Store) -> None:
    store.remember("the code is 1234")
    assert store.forget("the code is 123") is False
    assert store.forget("the code is 1234") is True
    assert store.forget("the code is 1234") is False
    assert texts(store, "code 1234") == []


def test_what_is_forgotten_leaves_no_words_behind(store: Store, tmp_path: Path) -> None:
    store.remember("the code is 1234")
    store.remember("the gate is green")
    store.forget("the code is 1234")
    with sqlite3.connect(tmp_path / "memory.db") as connection:
        connection.execute("INSERT INTO memory_words(memory_words, rank) VALUES ('integrity-check', 1)")
    connection.close()


def test_a_number_names_a_memory_and_is_never_used_again(store: Store) -> None:
    first, _ = store.remember("one")
    assert store.forget_id(first.id) is True
    assert store.forget_id(first.id) is False
    second, _ = store.remember("two")
    assert second.id > first.id


def test_memories_outlive_the_process_that_kept_them(tmp_path: Path) -> None:
    Store(tmp_path).remember("the server room is cold")
    assert texts(Store(tmp_path), "server room") == ["the server room is cold"]


def test_accents_and_word_forms_do_not_hide_a_memory(store: Store) -> None:
    store.remember("Das Café öffnet um neun")
    store.remember("she was running home")
    assert texts(store, "cafe") == ["Das Café öffnet um neun"]
    assert texts(store, "runs") == ["she was running home"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80))
@pytest.mark.parametrize("kept", ['NEAR("a b") AND col:x*'])
def test_nothing_in_a_question_is_taken_for_search_syntax(store: Store, kept: str, question: str) -> None:
    store.remember(kept)
    store.recall(question, 5)


@pytest.mark.parametrize(
    "question", ['"', "a AND", "NEAR(", "text:x", "x*", "^x", "-x", "'; DROP TABLE memory; --", "()"]
)
def test_search_syntax_is_harmless(store: Store, question: str) -> None:
    store.remember("x marks the spot")
    store.recall(question, 5)
    assert store.count() == 1


def test_a_question_without_a_word_has_no_expression() -> None:
    assert search_expression("?! …") == ""


@pytest.mark.slow
def test_two_versions_may_start_and_write_at_once(tmp_path: Path) -> None:
    def version(name: str) -> None:
        store = Store(tmp_path)
        for number in range(40):
            store.remember(f"{name} {number}")
            store.remember(f"both {number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(version, ["blue", "green", "red", "grey"]))
    assert Store(tmp_path).count() == 5 * 40


def test_a_directory_that_cannot_hold_a_database_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "memory.db").write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Store(tmp_path)
