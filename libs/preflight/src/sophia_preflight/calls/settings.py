"""Calls of files that tell other systems what to run and to read: CircleCI, Travis, Azure, Drone, Taskfiles, Fly, …

What they run begins in the repository's root. Only what is plain there is followed; a file of one of these names that
is something else has none of the keys.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sophia_preflight.calls import recipes
from sophia_preflight.calls.docker import interpreted
from sophia_preflight.calls.model import Attribute, Call, Caller, Composition, ImageBuild, Needed, Site, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.readers import json, yaml
from sophia_preflight.readers.snippet import Snippet, of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import CWD, MANY, ROOT, UNKNOWN, Word, joined
from sophia_preflight.text import is_known as is_plain

_EXPRESSION = re.compile(r"<<[^>]*>>|\$\{\{.*?\}\}|\{\{.*?\}\}|\$\([A-Za-z_][\w.]*\)")
"""What the system puts in before a shell sees it."""


_Read = Callable[[str, Any, Trace], None]


@dataclass(frozen=True)
class _System:
    """A file by its path; where its commands stand, and which keys are files, with what they are for."""

    path: re.Pattern[str]
    commands: tuple[str, ...] = ()
    """Keys whose texts, or lists of texts, are run by a shell; `*_script` for all that end so."""
    files: tuple[tuple[str, str], ...] = ()
    beside: bool = False
    """Paths and commands begin where the file lies, rather than in the root."""
    caller: Caller = Caller.PIPELINE
    base: str = ""
    """A key beside a file that says from which directory its path goes."""


DOCKERFILE = "the Dockerfile that is built"
_SYSTEMS = (
    _System(re.compile(r"^\.circleci/config\.ya?ml$"), ("run", "command")),
    _System(
        re.compile(r"^\.travis\.ya?ml$"),
        ("script", "install", "before_install", "before_script", "after_success", "after_script", "before_deploy"),
    ),
    _System(re.compile(r"^\.azure-pipelines/(?!azure-pipelines)[^/]*\.ya?ml$"), ("script", "bash")),
    _System(re.compile(r"^\.drone\.ya?ml$|^\.woodpecker(/.*)?\.ya?ml$"), ("commands",)),
    _System(re.compile(r"^bitbucket-pipelines\.ya?ml$"), ("script",)),
    _System(re.compile(r"^\.buildkite/.*\.ya?ml$"), ("command", "commands")),
    _System(re.compile(r"^\.semaphore/.*\.ya?ml$"), ("commands",)),
    _System(re.compile(r"^\.cirrus\.ya?ml$"), ("script", "*_script")),
    _System(
        re.compile(r"^\.?zuul(\.d/.*)?\.ya?ml$"),
        files=tuple((key, "the playbook that Zuul runs") for key in ("run", "pre-run", "post-run")),
    ),
    _System(
        re.compile(r"^\.packit\.ya?ml$"),
        ("post-upstream-clone", "get-current-version", "create-archive", "fix-spec-file", "pre-sync", "prepare-files",
         "post-modifications", "commit-message", "changelog-entry"),
        files=(("specfile_path", "the package that Packit builds"),),
    ),
    _System(
        re.compile(r"(^|/)skaffold[\w.-]*\.ya?ml$"),
        files=(("dockerfile", DOCKERFILE), ("rawYaml", "the manifest that is applied"), ("valuesFiles", "the values")),
        beside=True,
    ),
    _System(
        re.compile(r"^\.?goreleaser[\w.-]*\.ya?ml$"),
        ("hooks",),
        (("dockerfile", DOCKERFILE), ("main", "the program")),
        base="dir",
    ),
    _System(re.compile(r"(^|/)cloudbuild[\w.-]*\.ya?ml$"), ("script",)),
    _System(re.compile(r"(^|/)buildspec[\w.-]*\.ya?ml$"), ("commands",)),
    _System(re.compile(r"^\.gitpod\.ya?ml$"), ("init", "command", "before")),
    _System(re.compile(r"^\.?lefthook\.ya?ml$"), ("run",), caller=Caller.TASK),
    _System(re.compile(r"(^|/)railway\.json$"), ("startCommand", "buildCommand", "preDeployCommand"),
            (("dockerfilePath", DOCKERFILE),), beside=True),
    _System(re.compile(r"^render\.ya?ml$"), ("buildCommand", "preDeployCommand"), (("dockerfilePath", DOCKERFILE),)),
    _System(re.compile(r"(^|/)\.?devcontainer\.json$"), files=(("dockerfile", DOCKERFILE), ("dockerFile", DOCKERFILE),
            ("dockerComposeFile", "the compose file of the container")), beside=True),
)  # fmt: skip
_PLACED = ("working_dir", "workdir", "device", "mirror_hardwares")
"""Keys of steps that no pipeline knows: they are read by a program that makes the pipeline."""
_CREATED = ("postCreateCommand", "postStartCommand", "onCreateCommand", "updateContentCommand", "initializeCommand")


def is_known(path: str) -> bool:
    """Whether a file is read here, by its path."""
    return any(found is not None for found in (_by_name(_TEXTS, path), _by_name(_DOCUMENTS, path), _system(path)))


def trace_of(path: str, text: str) -> Trace:
    found = Trace()
    if read_text := _by_name(_TEXTS, path):
        read_text(path, text, found)
        return found
    documents = json.parse(text, comments=True) if path.endswith(".json") else yaml.parse(text)
    read_document, system = _by_name(_DOCUMENTS, path), _system(path)
    for root in documents.documents:
        if read_document is not None:
            read_document(path, root, found)
        if system is not None:
            _of_system(path, system, root, text.split("\n"), found)
    return found


def _by_name(readers: dict[str, _Read], path: str) -> _Read | None:
    name = posixpath.basename(path)
    return next((reader for pattern, reader in readers.items() if re.fullmatch(pattern, name)), None)


def _system(path: str) -> _System | None:
    return next((each for each in _SYSTEMS if each.path.search(path)), None)


def _beside(path: str, caller: Caller) -> Site:
    """Where a file's commands and paths begin that begin where it lies."""
    return Site(path, caller, joined(ROOT, posixpath.dirname(path) or "."), owner=posixpath.basename(path))


def _of_system(path: str, system: _System, root: Node, lines: list[str], found: Trace) -> None:
    name = posixpath.basename(path)
    site = _beside(path, system.caller) if system.beside else Site(path, system.caller, ROOT, owner=name)
    if any(key in _PLACED for step in root["steps"].elements() for key, _ in step.items()):
        site = replace(site, directory=UNKNOWN)  # what makes the steps of these says where they begin
    if name.startswith("config.") and any(each["path"].text not in ("", ".") for each in _under_key(root, "checkout")):
        site = replace(site, directory=UNKNOWN)  # the repository lies somewhere below
    for owner, is_elsewhere, node in _under(root, system.commands):
        if isinstance(node.value, str) and not _is_windows(node.text):
            base = CWD if is_elsewhere and site.directory != UNKNOWN else site.directory
            at = replace(site, directory=base, owner=owner or name)
            _run(of_node(path, node, lines), at, found)
    together = root["dockerComposeFile"].elements() if name.endswith("devcontainer.json") else []
    if len(together) > 1:
        composition = Composition(
            tuple(Word(each.text, each.line, each.column) for each in together), verb="up", partial=True
        )
        found.calls.append(Call(composition, site, together[0].place(path), "dockerComposeFile"))
    for key, purpose in system.files if len(together) < 2 else system.files[:-1]:
        for base, node in _files(root, key, system.base):
            _file(node, purpose, replace(site, directory=joined(site.directory, base)) if base else site, found)
    if name.endswith("devcontainer.json"):
        for key in _CREATED:
            at = Site(path, Caller.SHELL, ROOT, owner=key)
            for each in [root[key], *(inner for _, inner in root[key].items())]:
                if each.text:
                    _run(of_node(path, each, lines), at, found)
                elif words := [Word(word.text, word.line, word.column) for word in each.elements() if word.is_scalar]:
                    interpreted(words, at, found)


def _files(node: Node, key: str, base: str) -> Iterator[tuple[str, Node]]:
    """Texts of a key below a node, each with the directory that is said beside it."""
    for name, value in node.items():
        if name == key:
            yield from (
                (node[base].text if base else "", each) for each in value.some() if each.is_scalar and each.text
            )
        else:
            yield from _files(value, key, base)
    for each in node.elements():
        yield from _files(each, key, base)


def _under_key(node: Node, key: str) -> Iterator[Node]:
    """What stands under a key, anywhere below a node."""
    for name, value in node.items():
        if name == key:
            yield value
        yield from _under_key(value, key)
    for each in node.elements():
        yield from _under_key(each, key)


def _under(node: Node, keys: tuple[str, ...], owner: str = "") -> Iterator[tuple[str, bool, Node]]:
    """Texts of these keys below a node, one by one; with the name of the job or task that they stand in, and whether
    they are run in a directory that is said beside them."""
    for key, value in node.items():
        inner = owner or (key if value.is_map else "")
        if key in keys or ("*_script" in keys and key.endswith("_script")):
            texts = value.some() if not value.is_map else [value["command"], *value["before"].some()]
            is_elsewhere = value.is_map and bool(value["working_directory"])
            yield from ((inner, is_elsewhere, each) for each in texts if each.is_scalar and each.text)
            for each in value.elements():
                if each.is_map:
                    yield from _under(each, keys, inner)
        else:
            yield from _under(value, keys, inner)
    for each in node.elements():
        yield from _under(each, keys, owner)


def _is_windows(text: str) -> bool:
    return re.search(r"\\\w+\.(bat|cmd|exe)|^\s*(powershell|cmd\b)|%\w+%", text) is not None


def _run(snippet: Snippet, site: Site, found: Trace) -> None:
    for match in reversed(list(_EXPRESSION.finditer(snippet.text))):
        snippet.put(match.start(), match.end(), UNKNOWN)
    follow(snippet, site, found)


def _file(node: Node, purpose: str, site: Site, found: Trace) -> None:
    if not node.text or re.search(r"[*?{$\[<]|://", node.text):
        return
    place = node.place(site.path)
    word = Word(node.text, node.line, node.column)
    if purpose == "the program":
        if node.text.startswith("./") or node.text.endswith(".go"):
            directory = not node.text.endswith(".go")
            found.calls.append(Call(Needed(word, purpose, directory=directory, written=True), site, place, node.text))
    else:
        found.calls.append(Call(Needed(word, purpose), site, place, node.text))


def _hooks(path: str, root: Node, found: Trace) -> None:
    """Hooks that the repository brings itself."""
    for repository in root["repos"].elements():
        for hook in repository["hooks"].elements() if repository["repo"].text == "local" else ():
            entry, language = hook["entry"], hook["language"].text
            if entry.text and language in ("script", "system", "unsupported", "unsupported_script", "python"):
                site = Site(path, Caller.SHELL, ROOT, owner=hook["id"].text or path)
                text = entry.text if language != "script" or entry.text.startswith("./") else f"./{entry.text}"
                column = entry.column + (1 if entry.style else 0) - (len(text) - len(entry.text))
                args = [each.text for each in hook["args"].elements()]
                text = " ".join([text, *(shlex.quote(each) for each in args if is_plain(each))])
                names = "" if hook["pass_filenames"].value is False else f" {MANY}"
                follow(Snippet(path, text + names, entry.line, column), site, found)


def _azure(path: str, root: Node, found: Trace) -> None:
    """Steps of Azure: shell that is written in them, and tasks that run a script of ours."""
    for step in (step for steps in _under_key(root, "steps") for step in steps.elements()):
        inputs, name = step["inputs"], step["task"].text.partition("@")[0]
        place = (step["workingDirectory"] or inputs["workingDirectory"]).text
        site = Site(path, Caller.PIPELINE, joined(ROOT, place or "."), owner=step["displayName"].text or "steps")
        file = inputs["scriptPath"] if name == "PythonScript" else inputs["filePath"]
        text = step["script"] or step["bash"] or (inputs["script"] if name == "Bash" and not file else file)
        if "$(" in place or not isinstance(text.value, str) or _is_windows(text.text):
            continue
        if text is not file:
            line = text.line + (1 if "\n" in text.text else 0)
            _run(Snippet(path, text.text, line, text.column), site, found)
        elif name in ("PythonScript", "Bash", "ShellScript"):
            program = "python" if name == "PythonScript" else "bash"
            command = f"{program} {file.text} {inputs['arguments'].text}"
            _run(Snippet(path, command, file.line, max(1, file.column - len(program) - 1)), site, found)


def _tasks(path: str, root: Node, found: Trace) -> None:
    """Commands of a Taskfile, each in the directory of its task; values of its variables are put in where plain."""
    recipes.of_taskfile(path, root, found)
    plain = {name: each.text for name, each in root["vars"].items() if each.is_scalar and "{{" not in each.text}
    for name, task in root["tasks"].items():
        directory = task["dir"].text if task.is_map else ""
        base = joined(_beside(path, Caller.TASK).directory, directory or ".") if "{" not in directory else UNKNOWN
        commands = [task] if not task.is_map else [*task["cmds"].elements(), task["cmd"]]
        for each in commands:
            text = each["cmd"] if each.is_map else each
            if isinstance(text.value, str):
                line = text.line + (1 if "\n" in text.text else 0)
                told = re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda match: plain.get(match[1], match[0]), text.text)
                at = Site(path, Caller.TASK, base, owner=name)
                _run(Snippet(path, told, line, text.column), at, found)


def _mkdocs(path: str, root: Node, found: Trace) -> None:
    """What MkDocs runs, and looks for, while it makes pages."""
    site = _beside(path, Caller.TASK)
    plugins = [each["gen-files"]["scripts"] for each in root["plugins"].elements() if each.is_map]
    plugins += [root["plugins"]["gen-files"]["scripts"]] if root["plugins"].is_map else []
    for hook in (each for part in (root["hooks"], *plugins) for each in part.elements()):
        _file(hook, "the hook that MkDocs runs", site, found)
    if root["theme"]["custom_dir"].text:
        node = root["theme"]["custom_dir"]
        word = Word(node.text, node.line, node.column)
        needed = Needed(word, "the directory of the theme", directory=True)
        found.calls.append(Call(needed, site, node.place(path), node.text))


def _builders(path: str, root: Node, found: Trace) -> None:
    """Steps of Cloud Build: the builder's name says which program its words are for."""
    for step in root["steps"].elements():
        directory = joined(ROOT, step["dir"].text) if step["dir"] and "$" not in step["dir"].text else ROOT
        site = Site(path, Caller.PIPELINE, directory, owner=step["id"].text or posixpath.basename(path))
        entry, args = step["entrypoint"], step["args"].elements()
        program = entry.text or posixpath.basename(step["name"].text).partition(":")[0]
        words = [Word(_EXPRESSION.sub(UNKNOWN, each.text), each.line, each.column) for each in args]
        words = [Word(UNKNOWN, word.line, word.column) if "$" in word.value else word for word in words]
        if re.fullmatch(r"(\.{1,2}/|[\w-]+/)[\w./-]+", entry.text):
            interpreted([Word(program, entry.line, entry.column), *words], site, found)
        elif (
            program in ("docker", "bash", "sh", "python", "make", "npm", "go") and args and "$" not in step["dir"].text
        ):
            interpreted([Word(program, args[0].line, args[0].column), *words], site, found)


def _packed(path: str, root: Node, found: Trace) -> None:
    """What goreleaser and nfpm put into packages and archives; not what a hook makes in a directory of its own."""
    site = Site(path, Caller.PIPELINE, ROOT, owner=posixpath.basename(path))
    packages = root["nfpms"].elements() if root["nfpms"] else [root]
    packages += [each for package in packages for _, each in package["overrides"].items()]
    for package in packages:
        for script in (each for _, each in package["scripts"].items()):
            _file(script, "the script of the package", site, found)
        for entry in package["contents"].elements():
            if entry["type"].text not in ("dir", "symlink", "ghost"):
                _file(entry["src"], "what is packed", site, found)
    for archive in root["archives"].elements():
        for entry in archive["files"].elements():
            _file(entry if entry.is_scalar else entry["src"], "what is packed", site, found)
    for image in root["dockers"].elements():
        for entry in image["extra_files"].elements():
            _file(entry, "what is given to the image", site, found)


def _functions(path: str, root: Node, found: Trace) -> None:
    """Handlers of functions in Python: `package.module.function`."""
    site = _beside(path, Caller.PLATFORM)
    if not root["provider"]["runtime"].text.startswith("python"):
        return
    for function in root["functions"].value.values() if root["functions"].is_map else ():
        handler = function["handler"]
        module, _, name = handler.text.replace("/", ".").rpartition(".")
        if module and re.fullmatch(r"[\w.]+", handler.text.replace("/", ".")) and not function["image"]:
            word = Word(f"{module}:{name}", handler.line, handler.column)
            found.calls.append(
                Call(Attribute(word, "serverless", (site.directory,)), site, handler.place(path), module)
            )


def _fly(path: str, text: str, found: Trace) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if match := re.match(r"\s*dockerfile\s*=\s*[\"']([^\"']+)[\"']", line):
            node = Node(match[1], number, match.start(1) + 1)
            _file(node, DOCKERFILE, _beside(path, Caller.PLATFORM), found)


_SH = re.compile(r"""\bsh\s*\(?\s*(?:script\s*:\s*)?(\'\'\'|\"{3}|['"])(?!\1)(.*?)(?<!\\)\1""", re.DOTALL)
_IN_DIRECTORY = re.compile(r"\bdir\s*\(?\s*(['\"])([^'\"]*)\1\s*\)?\s*\{")
_OTHER_SOURCES = re.compile(
    r"\bgit\s*\(?\s*(url|branch|['\"])|\bcheckout\b(?!\s*\(?\s*scm)|\bws\s*\(|\bgit clone\b|\bunstash\b"
)


def _jenkins(path: str, text: str, found: Trace) -> None:
    """`sh '…'` steps, each where the blocks of `dir` around it say."""
    text = re.sub(r"^[ \t]*//.*", lambda match: " " * len(match[0]), text, flags=re.MULTILINE)
    places = [(match.end(), _closed(text, match.end()), match[2]) for match in _IN_DIRECTORY.finditer(text)]
    for match in _SH.finditer(text):
        if "\n" in match[2] and len(match[1]) == 1:
            continue
        directory = UNKNOWN if _OTHER_SOURCES.search(text) else ROOT
        for start, end, inner in places:
            if start <= match.start() < end:
                directory = joined(directory, inner if "$" not in inner else UNKNOWN)
        site = Site(path, Caller.PIPELINE, directory, owner="Jenkinsfile")
        command = re.sub(r"\$\{[^}]*\}", UNKNOWN, match[2]) if match[1][0] == '"' else match[2]
        line = text.count("\n", 0, match.start(2)) + 1
        follow(Snippet(path, command, line, match.start(2) - text.rfind("\n", 0, match.start(2))), site, found)


def _closed(text: str, start: int) -> int:
    """Where the block ends that begins before `start`."""
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if not depth:
            return index
    return len(text)


def _bake(path: str, text: str, found: Trace) -> None:
    """Targets of docker buildx bake that say their context and Dockerfile plainly."""
    site = _beside(path, Caller.BUILD)
    for block in re.finditer(r"^target\s+\"([^\"]+)\"\s*\{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        said = {
            match[1]: (match[2], block.start(2) + match.start(2))
            for match in re.finditer(r"^\s*(context|dockerfile|target)\s*=\s*\"([^\"$]+)\"", block[2], re.MULTILINE)
        }
        if "dockerfile" not in said or "://" in said.get("context", ("",))[0]:
            continue
        words = {
            key: Word(value, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
            for key, (value, at) in said.items()
        }
        context = words.get("context") or Word(".", words["dockerfile"].line, 1)
        file = Word(posixpath.join(context.value, words["dockerfile"].value), words["dockerfile"].line, 1)
        build = ImageBuild(context, file, words.get("target"))
        found.calls.append(Call(build, site, Node("", file.line, 1).place(path), f"docker buildx bake {block[1]}"))


def _migrations(path: str, text: str, found: Trace) -> None:
    """Where alembic has its revisions; `%(here)s` is where the file lies, all else begins where it is called."""
    match = re.search(r"^script_location[ \t]*=[ \t]*(\S+)[ \t]*$", text, re.MULTILINE)
    if match is not None and ":" not in match[1] and not re.search(r"[%${}]", match[1].removeprefix("%(here)s")):
        inner = match[1].removeprefix("%(here)s").lstrip("/")
        start = match.start(1)
        node = Node(inner or ".", text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
        word = Word(inner or ".", node.line, node.column)
        site = _beside(path, Caller.PROJECT)
        either = (f"../{inner}", f"{ROOT}/{inner}") if "/" in path else ()
        needed = Needed(word, "the revisions of alembic", directory=True, either=either)
        found.calls.append(Call(needed, site, node.place(path), inner))


def _compiled(path: str, root: Node, found: Trace) -> None:
    """What a project of TypeScript takes more of: another configuration, and projects that it refers to."""
    site = _beside(path, Caller.PROJECT)
    for each, other in [*((each, "") for each in root["extends"].some()), *_references(root)]:
        if each.text.startswith(("./", "../")):
            word = Word(each.text, each.line, each.column)
            either = (f"{each.text}.json", f"{each.text}/tsconfig.json")
            needed = Needed(word, f"what the project {other or 'extends'}", either=either)
            found.calls.append(Call(needed, site, each.place(path), each.text))


def _references(root: Node) -> Iterator[tuple[Node, str]]:
    yield from ((each["path"], "refers to") for each in root["references"].elements())


_TEXTS: dict[str, _Read] = {
    r"alembic\.ini": _migrations,
    r"fly\.toml": _fly,
    r"\.?justfile|Justfile|JUSTFILE|[\w.-]+\.just": recipes.of_just,
    r"Jenkinsfile": _jenkins,
    r".*docker-bake\.hcl": _bake,
}
_DOCUMENTS: dict[str, _Read] = {
    r"tsconfig(\.[\w-]+)?\.json": _compiled,
    r"mkdocs\.ya?ml": _mkdocs,
    r"azure-pipelines[\w.-]*\.ya?ml": _azure,
    r"[Tt]askfile(\.dist)?\.ya?ml": _tasks,
    r"\.pre-commit-config\.yaml": _hooks,
    r"cloudbuild[\w.-]*\.ya?ml": _builders,
    r"serverless\.yml": _functions,
    r"\.?(goreleaser|nfpm)[\w.-]*\.ya?ml": _packed,
}
"""Files whose form is their own, by name: read from their text, or from each of their documents."""
