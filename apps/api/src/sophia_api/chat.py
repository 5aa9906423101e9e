"""One message, its answer as a stream of news.

    wishes ──► done through tools ─┐
    question ► memories looked up ─┴─► a model writes the answer, or it is composed of what was found ──► done

A dependency that is down makes a poorer answer that says so, never a failed one. Names and fields of the news are the
public format of `POST /chat`; `news` documents them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from sophia_api import model as models
from sophia_api.composing import Found, Memory, Outcome, composed, shortened
from sophia_api.mcp import RECALL_SECONDS, Answer, McpServer, Tool, Unavailable
from sophia_api.model import ChatModel, Reply
from sophia_api.wishes import Call, Check, Forget, Remember, Wish, wishes, without_code

MEMORIES = 5
ROUNDS = 4
"""How often a model may ask for tools before it has to answer."""

News = tuple[str, dict[str, Any]]
"""Name and fields:

memory  {memories: [{id, text, score}]}                      what was found; once, if memories were looked for
tool    {id, name, state, arguments?, result?|error?, milliseconds?}   `running`, then `succeeded` or `failed`
token   {text}                                               the answer's next piece
done    {answer, by: "model" | "composed", model, complete, unavailable: [{name, why}]}     always the last
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chat:
    """Answers messages. Keeps nothing between two of them."""

    memory: McpServer
    gateway: McpServer
    model: ChatModel | None = None

    async def answer(self, message: str) -> AsyncIterator[News]:
        """The news of one answer, in order; ends with `done` whatever was down."""
        found = Found()
        asked_for = wishes(message)
        looks = not asked_for or isinstance(asked_for[0], Check)
        if looks and (memories := await self._recall(without_code(message), found)):
            yield "memory", {"memories": [asdict(memory) for memory in memories]}
        for number, wish in enumerate(asked_for):
            async for news in self._grant(wish, f"t{number + 1}", found):
                yield news
        async for news in self._say(message, found):
            yield news

    async def _recall(self, question: str, found: Found) -> list[Memory]:
        try:
            answer = await self.memory.call(
                "recall", {"query": question[:2000], "limit": MEMORIES}, seconds=RECALL_SECONDS
            )
        except Unavailable as error:
            found.unavailable[self.memory.name] = str(error)
            return []
        if not answer.ok or answer.value is None:
            found.unavailable[self.memory.name] = answer.text
            return []
        found.looked = True
        found.memories = [Memory(each["id"], each["text"], each["score"]) for each in answer.value["memories"]]
        return found.memories

    async def _grant(self, wish: Wish, identity: str, found: Found) -> AsyncIterator[News]:
        """Does what was asked for, and tells when it begins and how it ends."""
        server, tool, arguments = self._place(wish)
        name = f"{server.name}.{tool}" if server is self.memory else tool
        if arguments is None:
            found.outcomes.append(Outcome(identity, name, False, None, "its arguments are no JSON object", 0.0))
        else:
            yield "tool", {"id": identity, "name": name, "state": "running", "arguments": arguments}
            found.outcomes.append(await self._outcome(server, tool, arguments, found, identity=identity, name=name))
        yield "tool", _over(found.outcomes[-1])

    def _place(self, wish: Wish) -> tuple[McpServer, str, dict[str, Any] | None]:
        """Who grants the wish, by which tool, with what."""
        match wish:
            case Remember(text):
                return self.memory, "remember", {"text": text}
            case Forget(text, None):
                return self.memory, "forget", {"text": text}
            case Forget(_, number):
                return self.memory, "forget", {"id": number}
            case Check(code):
                return self.gateway, "code-quality.check", {"code": code}
            case Call(tool, arguments):
                return self.gateway, tool, arguments

    async def _outcome(
        self, server: McpServer, tool: str, arguments: dict[str, Any], found: Found, *, identity: str, name: str
    ) -> Outcome:
        """The call, made once. Whoever turns out to be down is put down in `found`."""
        began = time.perf_counter()
        try:
            answer = await server.call(tool, arguments)
        except Unavailable as error:
            answer = Answer(False, {"server": server.name, "why": str(error)}, f"`{server.name}` is down: {error}")
        if not answer.ok and answer.value and {"server", "why"} <= answer.value.keys():
            found.unavailable[answer.value["server"]] = answer.value["why"]
        milliseconds = round((time.perf_counter() - began) * 1000, 1)
        log.info("tool called", tool=name, ok=answer.ok, ms=milliseconds)
        return Outcome(identity, name, answer.ok, answer.value, answer.text, milliseconds)

    async def _say(self, message: str, found: Found) -> AsyncIterator[News]:
        """The answer itself. A model that cannot be asked leaves it to be composed; one that breaks off is named."""
        said, why = "", ""
        if self.model is not None:
            try:
                async for name, fields in self._written(self.model, message, found):
                    said += fields["text"] if name == "token" else ""
                    yield name, fields
            except Unavailable as error:
                why = str(error)
                found.unavailable["model"] = why
                log.warning("model failed", model=self.model.name, why=why, after_characters=len(said))
        by = "model" if said else "composed"
        for piece in _rest(said, why, found):
            said += piece
            yield "token", {"text": piece}
        yield (
            "done",
            {
                "answer": said,
                "by": by,
                "model": self.model.name if self.model and by == "model" else None,
                "complete": not why or by == "composed",
                "unavailable": [{"name": name, "why": reason} for name, reason in found.unavailable.items()],
            },
        )

    async def _written(self, model: ChatModel, message: str, found: Found) -> AsyncIterator[News]:
        """What the model writes, with the calls it asks for made in between."""
        tools = await self._offered(found)
        messages: list[models.Message] = [
            {"role": "system", "content": instructions(found)},
            {"role": "user", "content": message},
        ]
        for round_ in range(ROUNDS):
            reply = Reply()
            # In its last round it is offered nothing, so that it has to answer.
            async for text in model.reply(messages, tools if round_ < ROUNDS - 1 else [], reply):
                yield "token", {"text": text}
            if not reply.asked:
                return
            messages.append(models.called(reply))
            for number, asked in enumerate(reply.asked):
                identity = f"m{round_ + 1}.{number + 1}"
                arguments = _arguments(asked.arguments)
                yield "tool", {"id": identity, "name": asked.tool, "state": "running", "arguments": arguments}
                outcome = await self._outcome(
                    self.gateway, asked.tool, arguments, found, identity=identity, name=asked.tool
                )
                found.outcomes.append(outcome)
                yield "tool", _over(outcome)
                messages.append(models.came_back(asked, shortened(outcome.text)))

    async def _offered(self, found: Found) -> list[Tool]:
        try:
            return await self.gateway.tools()
        except Unavailable as error:
            found.unavailable[self.gateway.name] = str(error)
            return []


def instructions(found: Found) -> str:
    """What the model is told beside the message: what was found and done, and who could not be asked."""
    parts = ["You are Sophia, a helpful assistant. Answer briefly. Do not claim to have done what is not listed here."]
    if found.memories:
        parts.append("Memories that may matter:\n" + "\n".join(f"- {memory.text}" for memory in found.memories))
    parts += [
        f"Tool `{each.tool}` {'answered' if each.ok else 'failed'}: {shortened(each.text)}" for each in found.outcomes
    ]
    parts += [f"`{name}` could not be asked: {why}. Say so." for name, why in found.unavailable.items()]
    return "\n\n".join(parts)


def _rest(said: str, why: str, found: Found) -> list[str]:
    """What is still to be said after the model: all of it, that it broke off, or nothing."""
    if said:
        return [f"\n\n(The model broke off here: {why}.)"] if why else []
    reason = f"the model could not be asked ({why})" if why else ""
    return re.findall(r"\S+\s*", composed(found, because=reason))


def _over(outcome: Outcome) -> dict[str, Any]:
    state = "succeeded" if outcome.ok else "failed"
    told = {"result": outcome.value if outcome.value is not None else outcome.text} if outcome.ok else {}
    why = {} if outcome.ok else {"error": outcome.text}
    return {"id": outcome.id, "name": outcome.tool, "state": state, **told, **why, "milliseconds": outcome.milliseconds}


def _arguments(text: str) -> dict[str, Any]:
    """What a model wrote as arguments; nothing where that is no JSON object, and the tool says what it misses."""
    try:
        arguments = json.loads(text or "{}")
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
