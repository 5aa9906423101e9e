"""From the words of a command to what it needs: interpreters and programs that run others; the rest is in `programs`.

`interpret` is told the words that would reach `exec` and where, and adds to a `Trace`. Text that a command runs as
shell (`bash -c`, `ssh`, `docker exec … sh -c`) goes back to the shell's reader through `Run.shell`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sophia_preflight.calls.embedded import python_text
from sophia_preflight.calls.model import Attribute, Module, Needed, Program, Script, System
from sophia_preflight.calls.operands import mentioned
from sophia_preflight.calls.options import Parted, part
from sophia_preflight.calls.programs import READERS
from sophia_preflight.calls.programs.node import MANAGERS, package_manager
from sophia_preflight.calls.programs.python import environment
from sophia_preflight.calls.running import URL, Run
from sophia_preflight.calls.wrappers import SCRIPTS, WAITING, WRAPPERS
from sophia_preflight.text import MANY, UNKNOWN, Word, is_known, joined, named

DEEPEST = 12
PYTHON = re.compile(r"(?:.*/)?(?:python|pypy)[0-9.]*(?:\.exe)?|py")
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "ash"})
NODE_RUNNERS = frozenset({"node", "nodejs", "tsx", "ts-node", "ts-node-dev", "nodemon", "ts-node-esm", "babel-node"})
_NODE_VALUED = frozenset(
    {"-r", "--require", "--import", "--loader", "--env-file", "--conditions", "-C", "-P", "--project", "--watch-path",
     "-w", "--watch", "-e", "--ext", "--signal", "--config", "--cwd", "--exec", "-x", "--delay", "-d", "--tsconfig",
     "--ignore", "-i"}
)  # fmt: skip
_INSTALLER = re.compile(r"(install|setup|bootstrap|get)([-_.]|$)")
_GLUED_MODULE = re.compile(r"-[bBdEiIOPqsSuvx]*m([A-Za-z_][\w.]*)")
"""`-mvenv`: a module without a blank before it."""
_PACKAGE = re.compile(r"([A-Za-z][\w.-]*?)(?:\[[\w,-]+\])?(?:(?:@|==)[\w.]+)?")
"""What uvx runs: the command of a package by its name, in some version."""


def interpret(words: Sequence[Word], run: Run) -> None:
    """What a command needs and makes. Words of unknown content are skipped over, never guessed."""
    words = list(words)
    if run.depth > DEEPEST:
        return
    while words and words[0].value == "":
        words = words[1:]
    if not words:
        return
    name = words[0].value
    program = posixpath.basename(name)
    if URL.match(name) or "\n" in name:  # the argument of a shell that is named elsewhere
        return
    if _wrapped(program, words, run):
        return
    if WAITING.fullmatch(program) and "--" in (values := [word.value for word in words]):
        interpret(words[values.index("--") + 1 :], run.deeper())
        words = words[: values.index("--")]
    if program == "su":
        text = part(words[1:], frozenset(("-c", "--command", "-s", "--shell"))).first("-c", "--command")
        if text is not None:
            run.shell(text, run.deeper())
        return
    since = len(run.trace.calls)
    _outputs(words, run)
    _classes(words, run)
    _dispatch(words, run)
    mentioned(words, run, since)


def _dispatch(words: Sequence[Word], run: Run) -> None:
    name = words[0].value
    program = posixpath.basename(name)
    if PYTHON.fullmatch(name) or PYTHON.fullmatch(program):
        _python(words, run)
    elif program in SHELLS:
        _shell(words, run)
    elif program in NODE_RUNNERS and "/" not in name.replace("node_modules/.bin/", ""):
        _node(words, run)
    elif program in MANAGERS and "/" not in name:
        package_manager(words, run)
    elif (reader := _READERS.get(program)) and (not _is_own_path(name) or "/bin/" in name):
        reader(words, run)
    elif _is_own_path(name):
        run.call(Script(words[0], "", tuple(words[1:])), words)
        if _INSTALLER.match(program) and any(each.path.endswith(f"/{program}") for each in run.trace.produced):
            run.produces(Word("."), tree=True)  # it was fetched before, and nobody knows what it brings
    elif is_known(name):
        run.call(Program(words[0], tuple(words[1:])), words)


def _is_own_path(name: str) -> bool:
    """Whether the command word is a path to something of ours rather than the name of a program on PATH."""
    return "/" in name and not name.startswith(("-", "/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/opt/homebrew/"))


# --- programs that run others ---------------------------------------------------------------------------------------


def _wrapped(program: str, words: Sequence[Word], run: Run) -> bool:
    """Whether the command only runs another, which then was interpreted."""
    for wrapper in WRAPPERS.get(program, ()):
        verb = wrapper.verb
        before = part(words[1:], wrapper.valued, stop=True) if verb else Parted(rest=list(words[1:]))
        told = before.rest
        if tuple(word.value for word in told[: len(verb)]) != verb:
            continue
        rest = list(told[len(verb) :])
        if wrapper.after_dashes:
            dashes = next((index for index, word in enumerate(rest) if word.value == "--"), None)
            if dashes is None:
                return False
            rest = rest[dashes + 1 :]
            parted = Parted()
        else:
            parted = part(rest, wrapper.valued, stop=True)
            rest = parted.rest[wrapper.operands :]
            directory = parted.first("--directory", "--chdir", "--cwd") or before.first("--directory", "--cwd")
            if directory is None and program in ("env", "poetry"):
                directory = parted.first("-C") or before.first("-C")
            if directory is not None:
                run = run.at(directory=joined(run.site.directory, directory.value))
        if program == "tox" and rest and not (PYTHON.fullmatch(rest[0].value) or rest[0].value in SHELLS):
            return False  # arguments of the commands that the environment has
        while wrapper.assignments and rest and re.match(r"[A-Za-z_]\w*=", rest[0].value):
            if re.match(r"_\w+_COMPLETE=", rest[0].value):
                return True  # the program only tells a shell what could be typed
            rest = rest[1:]
        if wrapper.more:
            rest = [*rest, Word(MANY, words[0].line, words[0].column)] if rest else rest
        if program in ("uvx", "pipx") and rest and (own := _PACKAGE.fullmatch(rest[0].value)):
            rest = [replace(rest[0], value=own[1]), *rest[1:]]
        if program in ("npx", "bunx", "uvx", "pipx") and rest and re.search(r"[/@]|^[a-z]+\+", rest[0].value):
            return True  # a package by its name
        if program in SCRIPTS and rest and rest[0].value.endswith(".py"):
            run.call(Script(rest[0], "python", tuple(rest[1:])), rest)
        elif program == "coverage" and rest and verb and any(word.value == "-m" for word in words[2:4]):
            interpret([Word("python"), *words[2:]], run.deeper())
        elif program == "uv" and parted.has("-m", "--module") and rest:
            _module(rest[0], rest[1:], words, run)
        else:
            interpret(rest, run.deeper())
        return True
    return False


def _python(words: Sequence[Word], run: Run) -> None:
    index = 1
    while index < len(words):
        word = words[index]
        value = word.value
        if value in ("-", "-c") or (value.startswith("-") and not value.startswith("--") and value.endswith("c")):
            if value != "-" and index + 1 < len(words):
                python_text(words[index + 1], words, run)
            return
        if glued := _GLUED_MODULE.fullmatch(value):
            _module(replace(word, value=glued[1]), words[index + 1 :], words, run)
            return
        if value.startswith("-") and not value.startswith("--") and value.endswith("m"):
            if index + 1 < len(words):
                _module(words[index + 1], words[index + 2 :], words, run)
            return
        if value in ("-W", "-X", "--check-hash-based-pycs"):
            index += 2
        elif value.startswith("-"):
            index += 1
        else:
            break
    if index < len(words) and not words[index].many:
        run.call(Script(words[index], "python", tuple(words[index + 1 :])), words)


_MODULE_PROGRAMS = frozenset(
    {"uvicorn", "gunicorn", "hypercorn", "daphne", "celery", "pytest", "streamlit", "flask", "alembic", "pip", "uv",
     "coverage", "fastapi", "granian", "poetry", "pipenv", "build", "dotenv", "tox", "nox", "invoke", "hatch", "pdm",
     "mkdocs", "locust", "kopf", "chainlit", "honcho"}
)  # fmt: skip


_STARTERS = frozenset(
    {"debugpy", "ptvsd", "pdb", "ipdb", "cProfile", "profile", "trace", "pyinstrument", "scalene", "memray",
     "viztracer", "kernprof", "line_profiler", "torch.distributed.run", "torch.distributed.launch", "ddtrace"}
)  # fmt: skip
"""Modules that start another, or a script, and look at what it does."""


def _started(arguments: Sequence[Word]) -> Sequence[Word]:
    """From `-m MODULE` or the script on what a starter is given; nothing where nobody can tell."""
    for index, word in enumerate(arguments):
        if word.value in ("-m", "--module") and index + 1 < len(arguments):
            return [replace(word, value="-m"), *arguments[index + 1 :]]
        if word.value.endswith(".py") and not arguments[index - 1].value.startswith("--output"):
            return arguments[index:]
    return ()


def _module(name: Word, arguments: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    if name.value in _MODULE_PROGRAMS:
        interpret([name, *arguments], run.at(search=(*run.site.search, run.site.directory)).deeper())
    elif name.value in _STARTERS and (started := _started(arguments)):
        interpret([Word("python", words[0].line, words[0].column), *started], run.deeper())
    elif name.value in ("venv", "virtualenv"):
        environment(arguments, run)
    elif name.value == "runpy" or not is_known(name.value):
        return
    else:
        run.call(Module(name, tuple(arguments), (run.site.directory, *run.site.search)), words)


def _shell(words: Sequence[Word], run: Run) -> None:
    index, only_read = 1, False
    while index < len(words) and words[index].value[:1] in ("-", "+"):
        value = words[index].value
        if value == "--":
            index += 1
            break
        if value in ("--rcfile", "--init-file") or (re.fullmatch(r"[-+][a-zA-Z]*[oO]", value)):
            index += 2
            continue
        if not value.startswith("--") and "c" in value[1:]:
            if index + 1 < len(words):
                run.shell(words[index + 1], run.deeper())
            return
        if not value.startswith("--") and "s" in value[1:]:
            return
        only_read = only_read or value == "-n"
        index += 1
    if index < len(words) and only_read:
        run.call(Needed(words[index], "the script whose syntax is checked"), words)
    elif index < len(words) and not words[index].many:
        run.call(Script(words[index], posixpath.basename(words[0].value), tuple(words[index + 1 :])), words)


def _node(words: Sequence[Word], run: Run) -> None:
    program = posixpath.basename(words[0].value)
    parted = part(words[1:], _NODE_VALUED, stop=True)
    if program == "nodemon" and (command := parted.first("--exec", "-x")):
        run.shell(command, run.deeper())
        return
    if parted.has("-e", "--eval", "-p", "--print", "--test", "--run") and program != "nodemon":
        return
    rest = parted.rest
    if program == "tsx" and rest and rest[0].value == "watch":
        rest = part(rest[1:], _NODE_VALUED, stop=True).rest
    if rest and not rest[0].many:
        run.call(Script(rest[0], "node", tuple(rest[1:])), words)


def _remote(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named("-i -p -o -l -F -L -R -D -J -b -c -E -e -I -m -O -Q -S -W -w -B"),
        stop=True,
    )
    if len(parted.rest) > 1:
        first = parted.rest[1]
        text = " ".join(word.value for word in parted.rest[1:])
        run.shell(Word(text, first.line, first.column), run.at(system=System.REMOTE, directory=UNKNOWN).deeper())


def _find(words: Sequence[Word], run: Run) -> None:
    for index, word in enumerate(words):
        if word.value in ("-exec", "-execdir", "-ok") and index + 1 < len(words):
            inner = [each for each in words[index + 1 :] if each.value not in (";", "+")]
            unknown = [replace(each, value=each.value.replace("{}", UNKNOWN)) for each in inner]
            interpret(unknown, run.deeper())
            return


def _texts(words: Sequence[Word], run: Run) -> None:
    """Programs whose operands are commands as text: concurrently, watch."""
    parted = part(words[1:], named("-n --names -c --prefix-colors -d --interval -p --prefix"))
    for word in parted.operands:
        run.shell(word, run.deeper())


_OUTPUT = re.compile(
    r"-o|-out|-O|--([\w-]+-)?(out(put)?|dest(ination)?|save|export|write)([-_]?(to|as|dir|directory|file|path|folder|json|xml|csv|html|md|report|name))?"
)


def _valued(words: Sequence[Word], names: re.Pattern[str]) -> Iterator[Word]:
    """The values of options of these names, whatever the program: behind `=`, or the next word."""
    for index, word in enumerate(words[1:], 1):
        name, equals, value = word.value.partition("=")
        if names.fullmatch(name):
            if equals:
                yield replace(word, value=value)
            elif index + 1 < len(words):
                yield words[index + 1]


def _outputs(words: Sequence[Word], run: Run) -> None:
    """`-o FILE` and its kin, whatever the program."""
    for target in _valued(words, _OUTPUT):
        run.produces(target, tree=True)


_OF_CLASS = re.compile(r"--[\w-]*(class|backend|scheduler|handler)|-k")
_CLASS = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)+\.[A-Z]\w*")


def _classes(words: Sequence[Word], run: Run) -> None:
    """`--queue-class shop.queues.Fair` and its kin: a class of Python by its whole name, whatever the program."""
    for target in _valued(words, _OF_CLASS):
        if _CLASS.fullmatch(target.value):
            module, _, attribute = target.value.rpartition(".")
            program = posixpath.basename(words[0].value)
            run.call(Attribute(replace(target, value=f"{module}:{attribute}"), program), words)


_READERS = {**READERS, "ssh": _remote, "find": _find, **dict.fromkeys(("concurrently", "watch"), _texts)}
