"""Obeys `run.next`: writes the intent, acts, writes the outcome, asks again. Going on after a crash is the same code.

    every change of the ledger ─► for each open run: next(view) ─► begin · undo · end · hold ─► ledger

All of one engine's runs are in one `Runner`. It keeps the world (a fold of the ledger) and is woken by every entry.
Steps under way are tasks; a step is begun in memory only once, and its intent is durable before its effect begins.
`Fenced`, and any fault of the ledger, ends the runner: the engine stops and folds anew, because guessing is the bug.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sophia_deployment_core import lanes, run
from sophia_deployment_core.errors import INTERNAL, SophiaError, declare
from sophia_deployment_core.ledger import Draft, Event
from sophia_deployment_core.ports import Fenced
from sophia_deployment_core.run import Begin, End, Phase, Undo, View
from sophia_deployment_core.steps import VERBS, Call, Hands

TOO_LONG = declare(
    "SPH-1230",
    "a step took too long",
    "Every step has a limit. This one was still under way when it was over and was ended; if the step may be tried "
    "again, it is. The report shows which step it was and what it was waiting for.",
)
ENDED_EARLY = declare(
    "SPH-1231",
    "a step was ended before it was done",
    "Somebody cancelled the run, or another step of it failed, so what was under way was ended and is undone.",
)

Append = Callable[[Sequence[Draft], int], Awaitable[Sequence[Event]]]
"""Append under the epoch (0: a person's command), durable on return, folded into the world. Raises `Fenced`."""


Key = tuple[str, Phase, str]


@dataclass
class _Doing:
    """One step under way. Only its act is ever cancelled: intent and outcome are always written whole."""

    task: asyncio.Task[None] | None = None
    act: asyncio.Task[dict[str, Any]] | None = None
    ended: bool = False

    def was_ended(self) -> bool:
        return self.ended

    def end(self) -> None:
        self.ended = True
        if self.act is not None:
            self.act.cancel()


@dataclass
class Runner:
    """`hands.world` is kept up to date by whoever implements `append`, which also calls `wake`."""

    hands: Hands
    append: Append
    tell: Callable[[str, dict[str, Any]], None] = lambda _event, _facts: None
    """For logs: what happened, with its facts."""
    _doing: dict[Key, _Doing] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _resolving: asyncio.Lock = field(default_factory=asyncio.Lock)
    _broken: BaseException | None = None

    def wake(self) -> None:
        """Something was appended: decide again."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Raises `Fenced` when a newer engine owns the state, and what the ledger raised.

        Steps under way are dropped then, as death would drop them; the next engine goes on with them.
        """
        try:
            while self._broken is None:
                self._woken.clear()
                await self._decide()
                if self._broken is None:
                    await self._woken.wait()
            raise self._broken
        finally:
            tasks = [doing.task for doing in self._doing.values() if doing.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _decide(self) -> None:
        world = self.hands.world
        drafts = lanes.decide(world, now_ms=self.hands.clock.now_ms())
        if drafts:
            await self.append(drafts, self.hands.epoch)
        for view in world.open_runs():
            if view.lane_ms is not None:
                await self._obey(view)

    async def _obey(self, view: View) -> None:
        for decision in run.next(view):
            if isinstance(decision, Begin):
                self._begin(view, decision)
            elif isinstance(decision, Undo):
                await self._write("undo decided", view, decision.because)
                self._end_steps(view, "do")
            elif isinstance(decision, End):
                await self._write("run ended", view, {"state": decision.state, "because": decision.because})
            else:
                await self._write("held", view, {"because": decision.because})
                self._end_steps(view, "do", "undo")  # which only pause before another attempt

    async def _write(self, kind: str, view: View, body: dict[str, Any]) -> None:
        await self.append([Draft(kind, body, run=view.id)], self.hands.epoch)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _begin(self, view: View, begin: Begin) -> None:
        key = (view.id, begin.phase, begin.step.id)
        if key not in self._doing:
            doing = self._doing[key] = _Doing()
            doing.task = asyncio.create_task(self._step(view, begin, doing), name=" ".join(key))
            doing.task.add_done_callback(lambda task: self._done(key, task))

    def _end_steps(self, view: View, *phases: Phase) -> None:
        for (id, phase, _), doing in self._doing.items():
            if id == view.id and phase in phases:
                doing.end()

    def _done(self, key: Key, task: asyncio.Task[None]) -> None:
        del self._doing[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
        self.wake()

    async def _step(self, view: View, begin: Begin, doing: _Doing) -> None:
        if begin.delay_ms:
            await self.hands.clock.sleep(begin.delay_ms)
        if doing.ended:
            return
        call, error = await self._intend(view, begin)
        result: dict[str, Any] = {}
        if error is None:
            result, error = await self._act(call, begin, doing)
        about = {"step": begin.step.id, "phase": begin.phase, "attempt": begin.attempt}
        if error is None:
            await self._write("step done", view, {**about, "result": result})
        else:
            failures = view.step(begin.phase, begin.step.id).failures
            again = not error.facts.get("final") and failures + 1 < begin.step.attempts
            await self._write("step failed", view, {**about, "error": told(error), "again": again})

    async def _intend(self, view: View, begin: Begin) -> tuple[Call, SophiaError | None]:
        """The call with what is fixed for it, its intent written. One at a time, or two would be given one port."""
        done, step = view.step("do", begin.step.id), view.step(begin.phase, begin.step.id)
        first_ms = step.first_ms if step.begun else 0
        call = Call(begin.step, view.plan, self.hands, view.id, done.given, switched=view.switched, first_ms=first_ms)
        error = None
        async with self._resolving:
            if begin.phase == "do" and not done.given:
                try:
                    call = replace(call, given=await VERBS[begin.step.verb].resolve(call))
                except SophiaError as refused:
                    error = refused
            until = self.hands.clock.now_ms() + begin.step.limit_ms
            about = {"step": begin.step.id, "phase": begin.phase, "attempt": begin.attempt}
            await self._write("step started", view, {**about, "until_ms": until, "with": dict(call.given)})
        return call, error

    async def _act(self, call: Call, begin: Begin, doing: _Doing) -> tuple[dict[str, Any], SophiaError | None]:
        """The verb's facts, or why it failed. `Fenced` goes up."""
        verb, limit = VERBS[begin.step.verb], begin.step.limit_ms / 1000
        if doing.ended:
            return {}, _ended_early(begin)
        doing.act = asyncio.create_task(verb.do(call) if begin.phase == "do" else verb.undo(call))
        try:
            async with asyncio.timeout(limit):
                return await doing.act, None
        except SophiaError as error:
            return {}, error
        except Fenced:
            raise
        except TimeoutError:
            return {}, SophiaError(TOO_LONG, f"`{begin.step.id}` was not done within {limit:.0f} s")
        except asyncio.CancelledError:
            if not doing.was_ended():  # the runner ends: no outcome, the next engine goes on with it
                raise
            return {}, _ended_early(begin)
        except Exception as error:
            self.tell("step crashed", {"step": begin.step.id, "traceback": traceback.format_exc()})
            return {}, SophiaError(INTERNAL, f"`{begin.step.id}`: {type(error).__name__}: {error}")


def _ended_early(begin: Begin) -> SophiaError:
    return SophiaError(ENDED_EARLY, f"`{begin.step.id}` was ended", facts={"final": True})


def told(error: SophiaError) -> dict[str, Any]:
    """An error as it stands in the ledger."""
    facts = {key: value for key, value in error.facts.items() if value is not None}
    body = {"code": error.code.name, "message": error.message, "hint": error.hint or "", "facts": facts}
    return body | ({"hold": True} if facts.get("hold") else {})
