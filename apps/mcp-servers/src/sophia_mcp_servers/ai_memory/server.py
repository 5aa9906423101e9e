"""`ai-memory`: remember, recall, forget. `$DATA_DIR` holds the memories; they survive restarts and new versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from anyio import to_thread
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, Field

from sophia_mcp_servers.ai_memory.store import TEXT_CHARACTERS, Memory, Store
from sophia_mcp_servers.serving import VERSION, Dependency, Misconfigured, application, new_registry

if TYPE_CHECKING:
    from starlette.types import ASGIApp

Text = Annotated[str, Field(min_length=1, max_length=TEXT_CHARACTERS, pattern=r"\S", description="What to keep.")]
T = TypeVar("T")


class Kept(BaseModel):
    id: int
    text: str
    new: bool


class Found(BaseModel):
    id: int
    text: str
    score: float
    created_ms: int


class Recalled(BaseModel):
    memories: list[Found]


class Forgotten(BaseModel):
    forgotten: bool


def served(environ: Mapping[str, str]) -> ASGIApp:
    """The server over `$DATA_DIR`. Raises `Misconfigured` where that is missing or cannot be used."""
    directory = environ.get("DATA_DIR", "")
    if not directory:
        raise Misconfigured("`DATA_DIR` is not set; memories are kept there")
    try:
        store = Store(Path(directory))
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(f"`DATA_DIR` ({directory}) cannot be used: {error}") from error
    registry = new_registry()

    async def readiness() -> list[Dependency]:
        return [await to_thread.run_sync(_store_answers, store)]

    return application(server(store, registry), registry, readiness)


def server(store: Store, registry: CollectorRegistry) -> MCPServer:
    """The MCP server alone. Its tools are plain functions, which the SDK runs in threads."""
    recalls = Counter("memory_recalls", "Recalls by whether anything was found", ["outcome"], registry=registry)
    changes = Counter("memory_changes", "Memories that were kept or forgotten", ["change"], registry=registry)
    for outcome in ("hit", "miss"):
        recalls.labels(outcome)
    mcp = MCPServer(
        "ai-memory", version=VERSION, instructions="Keeps texts and finds them again by words.", subscriptions=False
    )

    @mcp.tool()
    def remember(text: Text) -> Kept:
        """Keep a text. Keeping the same text again changes nothing."""
        memory, new = _asked(lambda: store.remember(text))
        changes.labels("kept").inc(new)
        return Kept(id=memory.id, text=memory.text, new=new)

    @mcp.tool()
    def recall(
        query: Annotated[str, Field(max_length=TEXT_CHARACTERS, description="Words to look for; a question will do.")],
        limit: Annotated[int, Field(ge=1, le=50)] = 5,
    ) -> Recalled:
        """Find kept texts that share words with the query, the closest first."""
        memories = _asked(lambda: store.recall(query, limit))
        recalls.labels("hit" if memories else "miss").inc()
        return Recalled(memories=[_found(memory) for memory in memories])

    @mcp.tool()
    def forget(
        text: Annotated[str | None, Field(description="The exact text to forget.")] = None,
        id: Annotated[int | None, Field(description="Or the id of the text.")] = None,
    ) -> Forgotten:
        """Forget one text for good, named by its exact text or by its id."""
        if (text is None) == (id is None):
            raise ToolError("say either `text` or `id`")
        gone = _asked(lambda: store.forget(text) if text is not None else store.forget_id(int(id or 0)))
        changes.labels("forgotten").inc(gone)
        return Forgotten(forgotten=gone)

    return mcp


def _found(memory: Memory) -> Found:
    return Found(id=memory.id, text=memory.text, score=round(memory.score, 6), created_ms=memory.created_ms)


def _asked(operation: Callable[[], T]) -> T:
    """What the store answers; a store that cannot is an error the caller is told, not a crash."""
    try:
        return operation()
    except sqlite3.Error as error:
        raise ToolError(f"the memory cannot be used: {error}") from error


def _store_answers(store: Store) -> Dependency:
    try:
        store.count()
    except sqlite3.Error as error:
        return Dependency("store", ready=False, why=str(error))
    return Dependency("store", ready=True)
