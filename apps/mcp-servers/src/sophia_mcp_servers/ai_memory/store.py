"""Memories in one SQLite file, found by full-text search.

Two processes (an old and a new version) may use the file at once: WAL, short transactions, a connection for each
operation. Changes of the tables must therefore be such that the version before goes on working.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BUSY_SECONDS = 5.0
TEXT_CHARACTERS = 4_000
TERMS = 32
"""A question longer than so many distinct words is searched by its first ones."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS memory (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS memory_words USING fts5(
    text, content='memory', content_rowid='id', tokenize="porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER IF NOT EXISTS memory_added AFTER INSERT ON memory BEGIN
    INSERT INTO memory_words(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER IF NOT EXISTS memory_gone AFTER DELETE ON memory BEGIN
    INSERT INTO memory_words(memory_words, rowid, text) VALUES ('delete', old.id, old.text);
END;
"""

# Words that are in nearly every question and say nothing about what it is after.
_COMMON_TEXT = (
    "a about am an and are as at be been but by can could did do does for from had has have he her his how i if in is"
    " it its me my of on or our she should so tell that the their them there they this to us was we were what when"
    " where which who whom whose why will with would you your"
)
_COMMON = frozenset(_COMMON_TEXT.split())


@dataclass(frozen=True, slots=True)
class Memory:
    """`score` is bm25 turned round: higher is closer. 0 where nothing was searched."""

    id: int
    text: str
    created_ms: int
    score: float = 0.0


def search_expression(question: str) -> str:
    """The question as an FTS5 expression: any of its words, each quoted, so that nothing in it is taken for syntax.

    Words that say nothing (`what`, `is`, `my`) count only where there are no others. Empty where there is no word.
    """
    words = list(dict.fromkeys(re.findall(r"\w+", question.lower())))
    telling = [word for word in words if word not in _COMMON] or words
    return " OR ".join(f'"{word}"' for word in telling[:TERMS])


class Store:
    """Memories below `directory`. Every method may be called from any thread, and by several processes at once."""

    def __init__(self, directory: Path) -> None:
        """Creates what is missing. Raises `OSError` or `sqlite3.Error` where the directory cannot be used."""
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "memory.db"
        self._prepare()

    def remember(self, text: str) -> tuple[Memory, bool]:
        """Keeps the text, trimmed. The second value is whether it is new: the same text is one memory."""
        text = text.strip()
        with self._connection() as connection:
            added = connection.execute(
                "INSERT INTO memory(text, created_ms) VALUES (?, ?) ON CONFLICT(text) DO NOTHING",
                (text, int(time.time() * 1000)),
            ).rowcount
            row = connection.execute("SELECT id, text, created_ms FROM memory WHERE text = ?", (text,)).fetchone()
        return Memory(*row), added == 1

    def recall(self, question: str, limit: int) -> list[Memory]:
        """The closest memories first; none where no word of the question is in any."""
        expression = search_expression(question)
        if not expression:
            return []
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT m.id, m.text, m.created_ms, -bm25(memory_words) FROM memory_words"
                " JOIN memory m ON m.id = memory_words.rowid WHERE memory_words MATCH ?"
                " ORDER BY bm25(memory_words), m.id DESC LIMIT ?",
                (expression, limit),
            ).fetchall()
        return [Memory(*row) for row in rows]

    def forget(self, text: str) -> bool:
        """Removes the memory with exactly this text (trimmed). Whether there was one."""
        with self._connection() as connection:
            return connection.execute("DELETE FROM memory WHERE text = ?", (text.strip(),)).rowcount == 1

    def forget_id(self, identity: int) -> bool:
        """Removes the memory with this id. Whether there was one; ids are never used again."""
        with self._connection() as connection:
            return connection.execute("DELETE FROM memory WHERE id = ?", (identity,)).rowcount == 1

    def count(self) -> int:
        with self._connection() as connection:
            return int(connection.execute("SELECT count(*) FROM memory").fetchone()[0])

    def _prepare(self) -> None:
        """WAL and the tables. Changing to WAL ignores the busy timeout, and another version may be starting too."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with self._connection() as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Autocommit: each statement is a transaction of its own, and the busy timeout covers all of it."""
        connection = sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()
