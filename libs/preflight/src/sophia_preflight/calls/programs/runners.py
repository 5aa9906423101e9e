"""Task runners that no language brings: just, task, nox, mise."""

from __future__ import annotations

from collections.abc import Sequence

from sophia_preflight.calls.model import Needed, Recipe
from sophia_preflight.calls.options import part
from sophia_preflight.calls.running import Reader, Run
from sophia_preflight.text import Word, named

_JUST = named(
    "-f --justfile -d --working-directory --color --command-color --dotenv-filename --dotenv-path -E --tempdir "
    "--timestamp-format --shell --shell-arg --list-heading --list-prefix --dump-format --cygpath --alias-style"
)
_JUST_ASKED = named(
    "-l --list --summary --evaluate --dump --fmt --choose --init --variables --groups -s --show -c --command -e --edit "
    "--changelog --completions --man --set --usage --help -h --version -V --json"
)
_TASK = named("-d --dir -t --taskfile -o --output -C --concurrency -I --interval --sort --timeout --expiry")
_TASK_ASKED = named("-l --list -a --list-all -i --init -g --global --version --help -h --completion --experiments")


def _just(words: Sequence[Word], run: Run) -> None:
    """`just [--justfile FILE] [NAME=VALUE …] RECIPE ARGUMENT …`: what follows the recipe may be its arguments."""
    parted = part(words[1:], _JUST, stop=True)
    if parted.has(*_JUST_ASKED):
        return
    file = parted.first("-f", "--justfile")
    if file is not None:
        run.call(Needed(file, "the justfile"), words)
    for word in parted.rest:
        if word.known and "=" in word.value:
            continue
        if word.known and "/" not in word.value:
            run.call(Recipe(word, "just", file), words)
        return


def _task(words: Sequence[Word], run: Run) -> None:
    """`task [--taskfile FILE] NAME … [NAME=VALUE …] [-- ARGUMENT …]`."""
    parted = part(words[1:], _TASK)
    if parted.has(*_TASK_ASKED) or parted.first("-d", "--dir") is not None or parted.uncertain:
        return
    file = parted.first("-t", "--taskfile")
    operands = parted.operands[: len(parted.operands) - len(parted.rest)] if parted.rest else parted.operands
    for word in operands:
        if word.known and "=" not in word.value and "/" not in word.value:
            run.call(Recipe(word, "task", file), words)


def _nox(words: Sequence[Word], run: Run) -> None:
    """`nox -s SESSION …`."""
    sessions: list[Word] = []
    reading, file = False, part(words[1:], named("-f --noxfile")).first("-f", "--noxfile")
    for word in words[1:]:
        if word.value == "--":
            break
        if word.value.startswith("-"):
            name, equals, value = word.value.partition("=")
            reading = name in ("-s", "--session", "--sessions", "-e") and not equals
            if equals and name in ("--session", "--sessions"):
                sessions.append(Word(value, word.line, word.column + len(name) + 1))
        elif reading:
            sessions.append(word)
    for word in sessions:
        if word.known:
            run.call(Recipe(word, "nox", file), words)


def _mise(words: Sequence[Word], run: Run) -> None:
    """`mise run NAME`."""
    outer = part(words[1:], named("-C --cd -E --env -j --jobs"), stop=True)
    if len(outer.rest) > 1 and outer.rest[0].value in ("run", "r") and not outer.options:
        inner = part(outer.rest[1:], named("-C --cd -j --jobs -t --tool -o --output -s --shell"), stop=True)
        if inner.rest and inner.rest[0].known and not inner.options:
            run.call(Recipe(inner.rest[0], "mise"), words)


READERS: dict[str, Reader] = {"just": _just, "task": _task, "go-task": _task, "nox": _nox, "mise": _mise}
