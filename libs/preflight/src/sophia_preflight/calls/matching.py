"""Calls against the interfaces of what they call."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sophia_preflight.built import Built
from sophia_preflight.calls.anywhere import Told, told
from sophia_preflight.calls.documents import Page
from sophia_preflight.calls.doubting import Doubts
from sophia_preflight.calls.entering import is_in_our_image, started
from sophia_preflight.calls.model import Call, Caller, Module, Program, Script, Site, System
from sophia_preflight.calls.spoken_options import GivenOptions
from sophia_preflight.calls.spoken_words import FirstWords
from sophia_preflight.documented import documented
from sophia_preflight.grouping import together
from sophia_preflight.images import installs_project
from sophia_preflight.interfaces.flask import FlaskCommands
from sophia_preflight.interfaces.invoke import Tasks
from sophia_preflight.interfaces.model import Interface, Mismatch, Problem, mismatches
from sophia_preflight.interfaces.shell import READS
from sophia_preflight.interfaces.spoken import Spoken
from sophia_preflight.interfaces.testing import AddedOptions
from sophia_preflight.interfaces.vocabulary import Vocabulary, strange
from sophia_preflight.mentions import site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import consequence
from sophia_preflight.text import CWD, MANY, UNKNOWN, Word, is_known, joined, shown

if TYPE_CHECKING:
    from sophia_preflight.context import Context
    from sophia_preflight.readers.dockerfile import Instruction


_USUAL = re.compile(
    r"(install|setup|run|start|stop|build|test|tests|deploy|(docker-)?entrypoint|main|manage|configure|bootstrap|init|"
    r"check|update|release|lint|server|app|cli|clean|publish|autogen|launch|env|docker|package|make)\w*\."
)
_DEEPEST = 3
_MOST_SAID = 4
_TELLING = (Problem.CHOICE, Problem.UNKNOWN, Problem.EXTRA, Problem.VALUE, Problem.MISSING)
"""Which of several problems of one call says most."""
_ALL = r"""(?:"\$[@*]"|\$[@*]|"\$\{@\}")"""
_HANDS_ON = re.compile(rf"(?<=\s){_ALL}[ \t]*$", re.MULTILINE)
_AS_GIVEN = re.compile(rf"\bexec[ \t]+{_ALL}(?=[ \t]*(?:;|$))", re.MULTILINE)
_TEST = re.compile(r"\[\[?[ \t][^\n]*?[ \t]\]\]?")
_SHAPED = re.compile(r"[*?~%]|\$\{[^}]*(?:[#%/]|:[^-])")
"""A test of what a word looks like."""
_SENTENCE = frozenset({"is", "are", "was", "can", "will", "has", "does", "should", "must", "may", "and", "or"})
"""Words after a program's name that make a sentence of it."""
_ADDED = r"""(?:\(\s*(?:["'][^"'\n]*["']\s*,\s*)*|(?:\bin\b|\bcase\b|[=!]=)\s*)"""
"""What stands before an option in code that adds it, or looks for it; not in a list of what a program is given."""
_BESIDE = re.compile(r"(?:^|/)\.\./[\w-][\w.-]*/([^./][^$]*)$")
"""What lies in a directory beside the repository."""
_INSTALLED = re.compile(r".*/(?:bin|Scripts)/([\w.-]+)")
"""Where programs are installed, in an environment or on a host."""


@dataclass(frozen=True)
class Misfit:
    """A call that its callee does not accept, and why."""

    call: Call
    callee: str
    interface: Interface
    mismatch: Mismatch
    assumed: bool = False
    """Whether only its name says that this is what is called."""
    doubted: bool = False
    """Whether the program was more probably misread than called wrongly."""
    rest: tuple[Misfit, ...] = ()
    """What else is wrong with the same call, or with calls of the same file that are wrong in this as well."""


def misfits(context: Context) -> Iterator[Misfit]:
    """Every misfit of the repository; those of one cause in one."""
    groups: dict[tuple[str, str], list[list[Misfit]]] = {}
    doubts = Doubts(context, Spoken(context))
    for each in list(_misfits(context, doubts)):
        if _is_explained(context, each):
            continue
        if doubts.about(each.callee, each.interface, each.mismatch, _called(each.call)):
            each = replace(each, doubted=True)
        if each.mismatch.problem not in _TELLING:
            yield each
            continue
        known = groups.setdefault((each.callee, each.call.site.path), [])
        joined_by = [group for group in known if any(_has_cause_with(each, other) for other in group)]
        merged = [*(one for group in joined_by for one in group), each]
        known[:] = [*(group for group in known if group not in joined_by), merged]
    for group in (group for known in groups.values() for group in known):
        yield from _in_one(group)


def _has_cause_with(one: Misfit, other: Misfit) -> bool:
    """Whether two misfits are of one call, or of calls that give a program the same that it does not take."""
    if one.call.place == other.call.place and one.call.text == other.call.text:
        return True
    same = one.mismatch.subject == other.mismatch.subject and one.mismatch.problem is other.mismatch.problem
    return same and one.mismatch.problem is Problem.UNKNOWN and one.call.site.owner == other.call.site.owner


def _in_one(group: list[Misfit]) -> Iterator[Misfit]:
    """The misfits of a group as one, where they are of different things; of the same thing they are so anyway."""
    if len({(each.mismatch.subject, each.mismatch.problem) for each in group}) == 1:
        yield from group
        return
    group = sorted(group, key=lambda each: (_place(each).line, _place(each).column))
    first = min(group, key=lambda each: (each.doubted, _TELLING.index(each.mismatch.problem)))
    yield replace(first, rest=tuple(each for each in group if each is not first))


def _called(call: Call) -> str:
    """The name by which a program is started; empty where it is started by its file or module."""
    return call.target.name.value if isinstance(call.target, Program) else ""


def _misfits(context: Context, doubts: Doubts) -> Iterator[Misfit]:
    """Every misfit by itself."""
    built, spoken, tasks, flask = context.built, doubts.spoken, Tasks(context), FlaskCommands(context)
    testing, first = AddedOptions(context), FirstWords()
    judged: set[tuple[str, int, str]] = set()
    given = GivenOptions(context, spoken)
    for call in (*context.typed, *started(context), *_shown(context, built), *context.management.called()):
        if (task := tasks.told(call)) is not None:
            yield from (Misfit(call, task[0].path, Interface("invoke"), each, True) for each in strange(*task))
            continue
        for path, line, mismatch in testing.told(call):
            yield Misfit(call, path, Interface("pytest", line=line), mismatch, True)
        found = flask.told(call) or _callee(context, call)
        if found is None:
            given.give("", call, getattr(call.target, "arguments", ()) if _of_built(context, call) is None else ())
            for misfit in _strange(context, call):
                judged.update((call.place.path, line, misfit.callee) for line in _lines(call, ()))
                yield misfit
            continue
        path, arguments, interface = found
        judged.update((call.place.path, line, path) for line in _lines(call, arguments))
        assumed = not _is_found(context, call)
        if interface is None or interface.is_open:
            first.tell(path, call, tuple(arguments))
        wrong = list(mismatches(interface, arguments)) if interface is not None else []
        wrong = [each for each in wrong if each.word is None or each.word.line]  # others are told of who gives them
        if interface is not None:
            doubts.tell(path, interface, call, arguments, wrong)
            yield from (Misfit(call, path, interface, each, assumed) for each in wrong)
        more = interface is not None and interface.parser.takes_anything(arguments)
        if not wrong and not more and (interface is None or interface.is_open):
            known = _django(context, call) or (spoken.vocabulary(path) if context.python(path) is not None else None)
            if re.search(r"\.[cm]?[jt]s$", path):
                known = built.node.vocabulary(path)
            if known is None:
                given.give(path, call, arguments)
            for mismatch in strange(known, arguments) if known is not None else ():
                if mismatch.word is None or mismatch.word.line:
                    yield Misfit(call, path, Interface("spoken"), mismatch, True)
    for other in told(context):
        yield from _elsewhere_told(context, built, spoken, other, judged)
    for path, call, mismatch in (*first.strange(context, spoken), *given.strange()):
        yield Misfit(call, path, Interface("spoken"), mismatch, True)
    for call in _in_sentences(context):
        path, arguments, interface = _callee(context, call) or ("", (), None)
        if interface is not None and (isinstance(call.target, Program) or _is_found(context, call)):
            everywhere = interface.parser.all_names()  # a command may be left out where all know it
            for each in mismatches(interface, arguments):
                if each.problem is Problem.UNKNOWN and each.subject not in everywhere:
                    yield Misfit(call, path, interface, each, True)


def _lines(call: Call, arguments: Sequence[Word]) -> set[int]:
    """The lines that a call stands on."""
    return {call.place.line, *(word.line for word in arguments)}


def _elsewhere_told(
    context: Context, built: Built, spoken: Spoken, each: Told, judged: set[tuple[str, int, str]]
) -> Iterator[Misfit]:
    """What is wrong with what a text gives a program, of which nobody here reads more than these words."""
    words = list(each.words)
    interface: Interface | None = None
    path, known = each.file, None
    if path:
        interface = context.interface(path)
    elif entry := context.entries.find(each.name):
        path, interface = entry
    else:
        known = built.find(each.name)
        path = known.path if known is not None else ""
    last = max((word.line for word in words), default=each.line)
    if not path or any((each.path, line, path) in judged for line in range(each.line, last + 1)):
        return
    if interface is not None and interface.known:
        wrong = [found for found in mismatches(interface, words) if _is_surely_wrong(found, each)]
    else:
        wrong = []
    if interface is None or (interface.is_open and not wrong):
        known = known or (spoken.vocabulary(path) if context.python(path) is not None else None)
        if re.search(r"\.[cm]?[jt]s$", path):
            known = built.node.vocabulary(path)
        wrong += [found for found in strange(known, words) if _is_surely_wrong(found, each)] if known else []
    place = Place(each.path, each.line, each.column)
    target = Program(Word(each.name, each.line, each.column), each.words)
    for found in wrong[:1]:
        call = Call(target, site_of(each.path), place, each.name)
        yield Misfit(call, path, interface or Interface("spoken"), found, True)


def _is_surely_wrong(found: Mismatch, each: Told) -> bool:
    """Whether it is about an option, or about a command where an option says that one is given."""
    if found.word is None or not found.word.known:
        return False
    if found.problem is Problem.UNKNOWN:
        return found.subject.startswith("--") or each.listed
    return found.problem is Problem.CHOICE and found.message.startswith("it has no command")


def _in_sentences(context: Context) -> Iterator[Call]:
    """Commands that the sentences of pages tell people to run, of which only the options are sure to be told."""
    for path, facts in sorted(context.facts.items()):
        if isinstance(facts.data, Page) and facts.data.spoken.calls:
            for call in documented(context, path, facts.data.spoken, facts.data):
                if isinstance(call.target, Script | Module | Program):
                    yield call


def _django(context: Context, call: Call) -> Vocabulary | None:
    words = context.management.words(call)
    return context.management.vocabulary(words[0].value) if words else None


def _shown(context: Context, built: Built) -> Iterator[Call]:
    """Programs in a compiled language that pages start by paths which are there once they are built."""
    typed = {(call.place, call.text) for call in context.typed if call.site.caller is Caller.DOCUMENT}
    for facts in context.facts.values() if built.go.mains else ():
        for call in facts.trace.calls if isinstance(facts.data, Page) else ():
            if isinstance(call.target, Script) and not call.target.interpreter and (call.place, call.text) not in typed:
                name = posixpath.basename(call.target.path.value)
                if name not in context.repository.by_name and built.find(name) is not None:
                    yield call


def _strange(context: Context, call: Call) -> Iterator[Misfit]:
    """Misfits with programs of which only the vocabulary is known."""
    found = _of_built(context, call)
    if found is None:
        return
    known, words = found
    for mismatch in strange(known, words):
        yield Misfit(call, known.path, Interface(known.language, line=known.line), mismatch)


def _of_built(context: Context, call: Call) -> tuple[Vocabulary, Sequence[Word]] | None:
    """What a program that the repository builds accepts, and what it is told."""
    built = context.built
    known: Vocabulary | None = None
    words: Sequence[Word] = ()
    match call.target:
        case Script(path=name, arguments=arguments, interpreter="") if not _is_file(context, call):
            known, words = built.find(name.value), arguments
        case Program(name=name, arguments=arguments) if name.value == "go":
            return built.run(call, arguments)
        case Program(name=name, arguments=arguments) if name.value == "cargo":
            return built.cargo(arguments)
        case Program(name=name, arguments=arguments):
            known, words = built.find(name.value), arguments
    return (known, words) if known is not None else None


def _is_file(context: Context, call: Call) -> bool:
    """Whether a script is there, and no directory that only has the name of a program."""
    location = context.script(call)
    return location.found and location.path not in context.repository.directories


def _callee(context: Context, call: Call) -> tuple[str, Sequence[Word], Interface | None] | None:
    if (words := context.management.words(call)) and (managed := context.management.interface(words[0].value)):
        return managed[0], words[1:], managed[1]
    match call.target:
        case Script(interpreter="source"):
            return None
        case Script(arguments=arguments):
            location = context.script(call)
            path = location.path if location.found else "" if location.missing else _elsewhere(context, call)
            if path in context.repository.directories:
                return None
            if not path and (match := _INSTALLED.fullmatch(call.target.path.value)):
                return _entry(context, call, match[1], arguments)
            return _through(context, call.site, path, arguments, 0) if path else None
        case Module(name=name, arguments=arguments, search=search):
            location = context.finder.module(name.value, call.site, search)
            path = (
                location.path if location.found else "" if location.missing else context.finder.only_program(name.value)
            )
            if not path:
                return None
            if path.endswith("__init__.py"):
                path = path.removesuffix("__init__.py") + "__main__.py"
            elif not path.endswith(".py"):
                path += "/__main__.py"
            return path, arguments, context.interface(path)
        case Program(name=name, arguments=arguments):
            match = _INSTALLED.fullmatch(name.value)
            plain = match[1] if match else name.value
            same = context.repository.by_name.get(plain, []) if re.search(r"\.(sh|bash|py)$", plain) else []
            if len(same) == 1 and call.site.system is System.IMAGE and not _USUAL.match(plain):
                return _through(context, call.site, same[0], arguments, 0)
            if (script := context.entries.script(plain)) and _is_installed(context, call):
                return _through(context, call.site, script, arguments, 0)
            return _entry(context, call, plain, arguments)
        case _:
            return None


def _is_found(context: Context, call: Call) -> bool:
    """Whether a script or module is where the call says, rather than known by its name alone."""
    match call.target:
        case Script():
            return context.script(call).found
        case Module(name=name, search=search):
            return context.finder.module(name.value, call.site, search).found
        case _:
            return True


def _through(
    context: Context, site: Site, path: str, arguments: Sequence[Word], depth: int
) -> tuple[str, Sequence[Word], Interface | None]:
    """A script's interface; or that of the one program to which a shell script only hands on all that it is given.

    Words that the script itself gives that program stand on line 0: what is wrong with them is told of the script."""
    interface = context.interface(path)
    facts = context.facts.get(path)
    if depth > _DEEPEST or facts is None or interface is None or interface.known or path.endswith(".py"):
        return path, arguments, interface
    handing = _handing(context.repository.text(path), arguments)
    calls = [call for call in facts.trace.calls if _ends_in(call, handing)]
    if len(calls) == 1 and (found := _handed(context, calls[0], site, path)) is not None:
        file, inner = found
        words = [*(replace(each, line=0) for each in calls[0].target.arguments[:-1]), *arguments]  # type: ignore[union-attr]  # as asked
        return (file, words, inner) if inner is not None else _through(context, site, file, words, depth + 1)
    return path, arguments, interface


def _handing(text: str, arguments: Sequence[Word]) -> set[int]:
    """The lines of a shell script that end in all that it is given, where it reads no more of that than whether there
    is any, or whether its first word is one of some that these arguments do not begin with."""
    text = re.sub(r"^\s*#.*", "", text, flags=re.MULTILINE)
    asked = [each for each in _TEST.findall(text) if READS.search(each)]
    first = arguments[0].value if arguments else ""
    rest = _AS_GIVEN.sub("", text) if asked else text
    if len(READS.findall(_TEST.sub("", rest))) != 1:
        return set()
    if asked and (not is_known(first) or any(_SHAPED.search(each) or _says(each, first) for each in asked)):
        return set()
    return {text.count("\n", 0, match.start()) + 1 for match in _HANDS_ON.finditer(text)}


def _says(test: str, word: str) -> bool:
    """Whether a test names a word, or asks whether there are none at all."""
    return not word or re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", test) is not None


def _ends_in(call: Call, lines: set[int]) -> bool:
    """Whether a call of a program ends in all that its script is given, on one of these lines."""
    if not isinstance(call.target, Script | Module | Program) or not call.target.arguments:
        return False
    last = call.target.arguments[-1]
    return last.value == MANY and last.line in lines


def _handed(context: Context, call: Call, site: Site, path: str) -> tuple[str, Interface | None] | None:
    """The file of the program that a call of a script starts, where the script runs at a site, and what it accepts;
    without that where it is a script of which that is still to be asked."""
    if isinstance(call.target, Script):
        location = context.script(call)
        return (location.path, None) if location.found and location.path != path else None
    if site.system is not System.REPOSITORY and call.site.system is System.REPOSITORY:
        here = site.directory if call.site.directory == CWD else call.site.directory
        target = call.target
        if isinstance(target, Module):
            search = tuple(here if each == call.site.directory else each for each in target.search)
            target = replace(target, search=search)
        call = replace(call, target=target, site=replace(site, directory=here))
    found = _callee(context, call)
    return (found[0], found[2]) if found is not None and found[2] is not None else None


def _entry(
    context: Context, call: Call, name: str, arguments: Sequence[Word]
) -> tuple[str, Sequence[Word], Interface | None] | None:
    """The command of one of our projects by its name, where it is that which runs."""
    entry = context.entries.find(name)
    return (entry[0], arguments, entry[1]) if entry is not None and _is_installed(context, call) else None


def _elsewhere(context: Context, call: Call) -> str:
    """The script that is meant, where nobody can tell the directory or file system: in which it goes by our path.

    A name alone is enough where no other file has it, and where it is not one that every project has; without an
    ending it may as well be that of a program which a build makes.
    """
    assert isinstance(call.target, Script)
    value = call.target.path.value
    inner = (
        re.sub(r"^(\.{0,2}/)+", "", value.rpartition(UNKNOWN)[2]) if not value.startswith("/") else value.lstrip("/")
    )
    if not is_known(inner) or call.site.system is System.REMOTE:
        return ""
    inside = call.site.system is System.REPOSITORY and not value.startswith("/")
    whole = joined(call.site.directory, value)
    if inside and (beside := _BESIDE.search(whole)) and "/" in beside[1] and context.repository.is_file(beside[1]):
        return beside[1]  # beside the checkout, by the name that it has there
    if inside and is_known(whole):  # where it may be made to run from the root, as makefiles of parts are
        return inner if "/" in inner and not inner.startswith("..") and context.repository.is_file(inner) else ""
    same = context.repository.by_name.get(posixpath.basename(inner), [])
    found = [path for path in same if inner == path or inner.endswith(f"/{path}")]
    if "/" in inner:
        return found[0] if len(found) == 1 and "/" in found[0] else ""
    return same[0] if len(same) == 1 and "." in inner and not _USUAL.match(inner) else ""


def _is_installed(context: Context, call: Call) -> bool:
    """Whether a program by the name of one of our commands is that command; npm looks for one of its own first."""
    match call.site.system:
        case System.REPOSITORY:
            return call.site.caller is not Caller.NPM
        case System.UNKNOWN | System.REMOTE:
            return True
        case System.IMAGE:
            views = list(context.filesystems(call.site))
            if call.site.caller is Caller.BUILD and any(map(installs_project, _run_by(context, call))):
                return True
            return any(view.files.installs() for view in views) if views else is_in_our_image(context, call.site)


def _run_by(context: Context, call: Call) -> Iterator[Instruction]:
    """The instruction of a Dockerfile that a call stands in."""
    made = context.dockerfiles.get(call.site.path)
    above = [
        each
        for stage in (made.stages if made is not None else ())
        for each in stage.instructions
        if each.name == "RUN" and each.line <= call.place.line
    ]
    yield from above[-1:]


def findings(context: Context, rule: Rule, *problems: Problem) -> Iterator[Finding]:
    """Findings of a rule for misfits of some kinds; what several files give a program alike has one cause."""
    alike: dict[tuple[str, Confidence], list[Finding]] = {}
    for each in context.misfits:
        if each.mismatch.problem in problems:
            found = _finding(rule, each)
            alike.setdefault((found.message, found.confidence), []).append(found)
    for group in alike.values():
        files = len({each.place.path for each in group})
        yield from [together(group, "and so for {} more calls")] if files > 1 else group


def _is_explained(context: Context, each: Misfit) -> bool:
    """Whether a page only makes a sentence of what looks like a call, or shows how what it calls is to be added; or
    the program looks for the argument before its parser does, or is only asked how it is used."""
    subject = each.mismatch.subject
    arguments = each.call.target.arguments if isinstance(each.call.target, Script | Module | Program) else ()
    asks = each.call.site.caller in (Caller.DOCUMENT, Caller.PYTHON) and not arguments
    if asks and each.mismatch.problem is Problem.MISSING and subject.startswith("command"):
        return True
    if subject.startswith("-") and each.callee.endswith(".py"):
        looked_for = rf"""["']{re.escape(subject)}["'] in (sys\.)?\w*arg\w*\b"""
        if re.search(looked_for, context.repository.text(each.callee)):
            return True
    if each.call.site.caller is not Caller.DOCUMENT:
        return False
    before = _ADDED if subject.startswith("-") else r"((add_parser|command|name|group|task)\w*\s*[(=:]|\breturn\b)\s*"
    shown_there = rf"""{before}["']{re.escape(subject)}["']"""
    return subject in _SENTENCE or re.search(shown_there, context.repository.text(each.call.site.path)) is not None


def _place(each: Misfit) -> Place:
    word = each.mismatch.word
    return Place(each.call.site.path, word.line, word.column) if word else each.call.place


def _finding(rule: Rule, each: Misfit) -> Finding:
    call, mismatch = each.call, each.mismatch
    severity, blocks = consequence(call.site)
    if rule.severity is Severity.MEDIUM:
        severity = severity.at_most(Severity.MEDIUM)
    place = _place(each)
    callee = shown(each.callee)
    assumed = call.assumed or each.assumed or (mismatch.word is not None and mismatch.word.assumed)
    fix = f"{rule.fix}; {mismatch.hint}" if mismatch.hint else rule.fix
    said = list(dict.fromkeys((mismatch.message, *(other.mismatch.message for other in each.rest))))
    message = ", and ".join([*said[:_MOST_SAID], *([f"{len(said) - _MOST_SAID} more"] if said[_MOST_SAID:] else [])])
    return rule.found(
        f"`{callee}` is called with what it does not take: {message}"
        if rule.id != "missing-argument"
        else f"`{callee}` is called without what it needs: {message}",
        Involved(place, "call"),
        Involved(Place(each.callee, each.interface.line), "callee"),
        *(Involved(other, "also") for other in dict.fromkeys(map(_place, each.rest)) if other != place),
        anchor=f"{callee} {mismatch.subject} from {call.site.owner}",
        severity=severity,
        confidence=Confidence.GUESS if each.doubted else Confidence.LIKELY if assumed else Confidence.CERTAIN,
        fix=fix,
        blocks=blocks if severity.rank < Severity.MEDIUM.rank else "",
    )
