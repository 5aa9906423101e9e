"""Server-sent events: how news become bytes, and what is said while there are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

from sophia_api.chat import News

HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": still here\n\n"


def event(name: str, fields: dict[str, object]) -> bytes:
    """One event. JSON has no line ends in it, so it is one `data:` line."""
    return f"event: {name}\ndata: {json.dumps(fields, separators=(',', ':'))}\n\n".encode()


async def stream(news: AsyncGenerator[News], every_seconds: float = HEARTBEAT_SECONDS) -> AsyncIterator[bytes]:
    """The news as events, with a comment whenever there was none for so long: pages and proxies take silence for a
    broken connection. Ends `news` with itself, also when nobody listens any more."""
    following = asyncio.ensure_future(_next(news))
    try:
        while True:
            await asyncio.wait({following}, timeout=every_seconds)
            if not following.done():
                yield HEARTBEAT
                continue
            if (said := following.result()) is None:
                return
            following = asyncio.ensure_future(_next(news))
            yield event(*said)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await news.aclose()


async def _next(news: AsyncGenerator[News]) -> News | None:
    return await anext(news, None)
