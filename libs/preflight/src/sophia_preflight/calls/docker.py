"""Calls of Dockerfiles: what RUN runs while an image is built, and what its container starts and probes with.

Paths are those of the image. `Site.image` says which: `path#stage@instruction`, the state of the stage before that
instruction, so that a file that is copied later is not there yet.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from sophia_preflight.base_images import begins_in
from sophia_preflight.calls.commands import PYTHON, SHELLS, interpret
from sophia_preflight.calls.model import Caller, Site, System, Trace
from sophia_preflight.calls.running import Run
from sophia_preflight.calls.shell import follow
from sophia_preflight.calls.states import Held
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import MANY, Word, is_known, joined


def trace_of(made: Dockerfile) -> Trace:
    found = Trace()
    for stage in made.stages:
        _stage(made, stage, found)
    return found


def image_key(path: str, stage: int, instruction: int) -> str:
    return f"{path}#{stage}@{instruction}"


def working_directory(made: Dockerfile, stage: Stage, before: int | None = None) -> str:
    """Where the stage works before an instruction; unknown where a foreign base image decides."""
    inherited = made.stage(stage.base)
    own = inherited is None or inherited is stage
    directory = begins_in(stage.base) if inherited is None or own else working_directory(made, inherited)
    for each in stage.instructions[:before]:
        if each.name == "WORKDIR" and not each.onbuild:
            directory = joined(directory, each.expanded(each.flat.strip("\"'")))
    return directory


def start_words(stage: Stage) -> list[list[Word]]:
    """The commands a container of the stage starts with: entrypoint and command as Docker joins them."""
    entry, command = stage.last("ENTRYPOINT"), stage.last("CMD")
    if entry is not None and command is not None and _index(stage, command) < _index(stage, entry):
        command = command if entry.words is not None else None
    first = _exec_words(entry) if entry else None
    second = _exec_words(command) if command else None
    return combined(first, second)


def combined(first: list[Word] | None, second: list[Word] | None) -> list[list[Word]]:
    """Entrypoint and command: together where the first runs a program, one after the other where it is a script."""
    if not first:
        return [second] if second else []
    if not second:
        return [first]
    program = posixpath.basename(first[0].value)
    wraps = not PYTHON.fullmatch(program) and program not in (*SHELLS, "node") and not second[0].value.startswith("-")
    looks_like_program = program.endswith((".sh", ".py")) or "entrypoint" in program
    if wraps and looks_like_program:
        return [[*first, *second], second]
    return [[*first, *second]]


def _index(stage: Stage, instruction: Instruction) -> int:
    return next(index for index, each in enumerate(stage.instructions) if each is instruction)


def _exec_words(instruction: Instruction) -> list[Word] | None:
    if instruction.words is None:
        return None
    return [Word(word, instruction.line, instruction.column) for word in instruction.words]


def _stage(made: Dockerfile, stage: Stage, found: Trace) -> None:
    for index, each in enumerate(stage.instructions):
        if each.onbuild:
            continue
        directory = working_directory(made, stage, index)
        site = Site(
            made.path, Caller.BUILD, directory, System.IMAGE, image_key(made.path, stage.index, index), owner=stage.name
        )
        if each.name == "RUN":
            _run(made.path, each, site, found)
        elif each.name == "HEALTHCHECK" and not each.flat.upper().startswith("NONE"):
            _probe(made, stage, each, found)
    _start(made, stage, found)


def _variables(each: Instruction) -> dict[str, Held]:
    return {name: Held(held.value, held.assumed) for name, held in each.variables.items() if is_known(held.value)}


def _run(path: str, each: Instruction, site: Site, found: Trace) -> None:
    if each.words is not None:
        interpreted([Word(word, each.line, each.column) for word in each.words], site, found)
        return
    if each.heredocs and each.value.lstrip().startswith("<<"):
        for _, text, line in each.heredocs:
            if not text.startswith("#!") or "sh" in text.split("\n", 1)[0]:
                follow(Snippet(path, text, line, 1), site, found, _variables(each))
        return
    follow(each.snippet(path), site, found, _variables(each))


def _final_site(made: Dockerfile, stage: Stage, caller: Caller, environment: dict[str, Held]) -> Site:
    directory = working_directory(made, stage)
    search = environment["PYTHONPATH"].value.split(":") if "PYTHONPATH" in environment else []
    key = image_key(made.path, stage.index, len(stage.instructions))
    return Site(
        made.path, caller, directory, System.IMAGE, key, owner=stage.name or "image",
        search=tuple(joined(directory, each) for each in search if each),
    )  # fmt: skip


def final_environment(stage: Stage) -> dict[str, Held]:
    """Variables at the end of a stage."""
    from sophia_preflight.readers.dockerfile import environment_of

    if not stage.instructions:
        return {}
    last = stage.instructions[-1]
    found = _variables(last)
    if last.name == "ENV":
        found.update({name: Held(value) for name, value in environment_of(last).items()})
    return found


def _start(made: Dockerfile, stage: Stage, found: Trace) -> None:
    environment = final_environment(stage)
    site = _final_site(made, stage, Caller.START, environment)
    for instruction in (stage.last("ENTRYPOINT"), stage.last("CMD")):
        if instruction is not None and instruction.words is None and not instruction.flat.startswith("["):
            follow(instruction.snippet(made.path), site, found, environment)
    handed_on = stage.last("CMD") is None and stage.last("ENTRYPOINT") is not None
    for words in start_words(stage):
        more = [Word(MANY, words[-1].line, words[-1].column)] if handed_on else []  # who starts it says the rest
        interpreted([*words, *more], site, found)


def _probe(made: Dockerfile, stage: Stage, each: Instruction, found: Trace) -> None:
    site = _final_site(made, stage, Caller.START, final_environment(stage))
    if each.words is not None:
        interpreted([Word(word, each.line, each.column) for word in each.words], site, found)
        return
    start = each.value.upper().find("CMD")
    if start >= 0:
        text = each.value[start + 3 :]
        first = each.value[: start + 3]
        line = each.line + first.count("\n")
        column = each.column + start + 3 if "\n" not in first else start + 3 - first.rfind("\n")
        follow(Snippet(made.path, text, line, column), site, found, final_environment(stage))


def running(site: Site, found: Trace) -> Run:
    """Where words are run that no shell has read; what they give to one stands in quotes."""

    def shell(word: Word, run: Run) -> None:
        follow(Snippet(site.path, word.value, word.line, word.column + 1), run.site, found)

    return Run(site, found, shell, interpret)


def interpreted(words: Sequence[Word], site: Site, found: Trace) -> None:
    """A command in exec form: no shell, unless its words name one, or are a script for the one that is started."""
    if len(words) == 1 and "\n" in words[0].value.strip():
        running(site, found).shell(words[0], running(site, found))
        return
    commands: list[list[Word]] = [[]]
    for word in words:
        if word.value == "&&":  # some programs take several commands as their words
            commands.append([])
        else:
            commands[-1].append(word)
    for command in commands:
        interpret(command, running(site, found))
