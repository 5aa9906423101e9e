"""From the words of a command to what it needs: interpreters, wrappers, servers, builders, compose, package managers.

`interpret` is told the words that would reach `exec` and where, and adds to a `Trace`. Text that a command runs as
shell (`bash -c`, `ssh`, `docker exec … sh -c`) goes back to the shell's reader through `Run.shell`.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sophia_preflight.calls.model import (
    Attribute,
    Call,
    Composition,
    ImageBuild,
    Inside,
    MakeTarget,
    Module,
    Needed,
    PackageScript,
    Produced,
    Program,
    Script,
    Site,
    System,
    Target,
    Trace,
)
from sophia_preflight.calls.options import Parted, part
from sophia_preflight.model import Place
from sophia_preflight.text import CWD, MANY, UNKNOWN, Word, is_known, joined, named, shown

DEEPEST = 12
PYTHON = re.compile(r"(?:.*/)?(?:python|pypy)[0-9.]*(?:\.exe)?|py")
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "ash"})
NODE_RUNNERS = frozenset({"node", "nodejs", "tsx", "ts-node", "ts-node-dev", "nodemon", "ts-node-esm", "babel-node"})
_NODE_VALUED = frozenset(
    {"-r", "--require", "--import", "--loader", "--env-file", "--conditions", "-C", "-P", "--project", "--watch-path",
     "-w", "--watch", "-e", "--ext", "--exec", "-x", "--delay", "-d", "--tsconfig", "--ignore", "-i"}
)  # fmt: skip
_MANAGERS = frozenset({"npm", "yarn", "pnpm", "bun"})
_PACKAGE = re.compile(r"([A-Za-z][\w.-]*?)(?:\[[\w,-]+\])?(?:(?:@|==)[\w.]+)?")
"""What uvx runs: the command of a package by its name, in some version."""
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|[^/\s]+@[^/\s]+:")


@dataclass(frozen=True)
class Wrapper:
    """A program that runs another: its options with values, operands of its own, and what else it does."""

    valued: frozenset[str] = frozenset()
    operands: int = 0
    assignments: bool = False
    after_dashes: bool = False
    """The command is what follows `--`, and only that."""
    verb: tuple[str, ...] = ()
    """Only with this word, as in `uv run`."""
    system: System | None = None
    more: bool = False
    """Words that nobody knows are added, as xargs does."""


def _wrapper(valued: str = "", operands: int = 0, **more: object) -> Wrapper:
    return Wrapper(frozenset(valued.split()), operands, **more)  # type: ignore[arg-type]  # keywords of `Wrapper`


_UV_RUN = (
    "--with --with-requirements --with-editable -p --python --extra --group --only-group --no-group --directory "
    "--project --env-file --package --index --index-url --extra-index-url -f --find-links --cache-dir --config-file "
    "--no-extra --color --refresh-package --resolution --exclude-newer --from --constraints"
)
WRAPPERS: dict[str, list[Wrapper]] = {
    "sudo": [_wrapper("-u -g -h -p -C -U -D -R -T --user --group", assignments=True)],
    "doas": [_wrapper("-u -C")],
    "env": [_wrapper("-u -C --unset --chdir", assignments=True)],
    "cross-env": [_wrapper(assignments=True)],
    "nohup": [_wrapper()],
    "exec": [_wrapper("-a")],
    "builtin": [_wrapper()],
    "time": [_wrapper("-o -f")],
    "nice": [_wrapper("-n")],
    "ionice": [_wrapper("-c -n")],
    "chronic": [_wrapper()],
    "stdbuf": [_wrapper("-i -o -e")],
    "setsid": [_wrapper()],
    "systemd-inhibit": [_wrapper("--what --who --why --mode")],
    "systemd-cat": [_wrapper("-t --identifier -p --priority --stderr-priority")],
    "systemd-run": [_wrapper("--unit -p --property --slice --uid --gid --nice -E --setenv -M --machine --description")],
    "flock": [_wrapper("-w --timeout -E --conflict-exit-code", 1)],
    "chrt": [_wrapper("-T -P -D", 1)],
    "taskset": [_wrapper(operands=1)],
    "cpulimit": [_wrapper("-l --limit -e --exe -p --pid")],
    "unbuffer": [_wrapper()],
    "timeout": [_wrapper("-s -k --signal --kill-after", 1)],
    "gtimeout": [_wrapper("-s -k --signal --kill-after", 1)],
    "xvfb-run": [_wrapper("-s -n -e -f -p -w --server-args")],
    "tini": [_wrapper("-p -e")],
    "dumb-init": [_wrapper()],
    "catatonit": [_wrapper()],
    "gosu": [_wrapper(operands=1)],
    "su-exec": [_wrapper(operands=1)],
    "setpriv": [_wrapper("--reuid --regid --groups")],
    "xargs": [_wrapper("-I -n -P -d -L -s -a -E --max-args --max-procs --delimiter --replace", more=True)],
    "uv": [_wrapper(_UV_RUN, verb=("run",)), _wrapper(_UV_RUN, verb=("tool", "run"))],
    "uvx": [_wrapper(_UV_RUN)],
    "pipx": [_wrapper("--python --spec", verb=("run",))],
    "poetry": [_wrapper("-C --directory -P --project", verb=("run",))],
    "pdm": [_wrapper("-p --project", verb=("run",))],
    "pipenv": [_wrapper(verb=("run",))],
    "rye": [_wrapper("--pyproject", verb=("run",))],
    "conda": [_wrapper("-n --name -p --prefix --cwd", verb=("run",))],
    "mamba": [_wrapper("-n --name -p --prefix --cwd", verb=("run",))],
    "micromamba": [_wrapper("-n --name -p --prefix --cwd", verb=("run",))],
    "coverage": [_wrapper("--rcfile --source --omit --include --data-file --context", verb=("run",))],
    "bundle": [_wrapper(verb=("exec",))],
    "npx": [_wrapper("-p --package -c --call")],
    "bunx": [_wrapper()],
    "ddtrace-run": [_wrapper()],
    "opentelemetry-instrument": [_wrapper("--traces_exporter --metrics_exporter --logs_exporter --service_name")],
    "doppler": [_wrapper(after_dashes=True)],
    "op": [_wrapper(after_dashes=True)],
    "infisical": [_wrapper(after_dashes=True)],
    "aws-vault": [_wrapper(after_dashes=True)],
    "dotenv": [_wrapper(after_dashes=True)],
    "dockerize": [_wrapper("-wait -timeout -template -wait-retry-interval -stdout -stderr")],
    "env-cmd": [_wrapper("-f --file -e --environments -r --rc-file")],
    "pulumi": [_wrapper(after_dashes=True)],
    "sops": [_wrapper(after_dashes=True)],
}


@dataclass(frozen=True)
class Run:
    """Where the words are run, and where what is seen goes. `shell` follows text as a script of its own."""

    site: Site
    trace: Trace
    shell: Callable[[Word, Run], None]
    depth: int = 0

    def at(self, **changes: object) -> Run:
        return replace(self, site=replace(self.site, **changes))  # type: ignore[arg-type]  # fields of `Site`

    def deeper(self) -> Run:
        return replace(self, depth=self.depth + 1)

    def call(self, target: Target, words: Sequence[Word]) -> None:
        first = words[0]
        text = " ".join(shown(word.value) for word in words)
        place = Place(self.site.path, first.line, first.column)
        self.trace.calls.append(Call(target, self.site, place, text if len(text) <= 160 else text[:159] + "…"))

    def produces(self, word: Word, *, tree: bool = False, empty: bool = False) -> None:
        if word.value and not word.value.startswith(("&", "-")) and word.value not in ("/dev/null", "/dev/stderr"):
            self.trace.produced.append(Produced(joined(self.site.directory, word.value), tree, empty))


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
    if _URL.match(name):
        return
    if _wrapped(program, words, run):
        return
    _outputs(words, run)
    if PYTHON.fullmatch(name) or PYTHON.fullmatch(program):
        _python(words, run)
    elif program in SHELLS:
        _shell(words, run)
    elif program in NODE_RUNNERS and "/" not in name.replace("node_modules/.bin/", ""):
        _node(words, run)
    elif program in _MANAGERS and "/" not in name:
        _package_manager(words, run)
    elif (reader := _READERS.get(program)) and (not _is_own_path(name) or "/bin/" in name):
        reader(words, run)
    elif _is_own_path(name):
        run.call(Script(words[0], "", tuple(words[1:])), words)
    elif is_known(name):
        run.call(Program(words[0], tuple(words[1:])), words)


def _is_own_path(name: str) -> bool:
    """Whether the command word is a path to something of ours rather than the name of a program on PATH."""
    return "/" in name and not name.startswith(("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/opt/homebrew/"))


# --- programs that run others ---------------------------------------------------------------------------------------


def _wrapped(program: str, words: Sequence[Word], run: Run) -> bool:
    """Whether the command only runs another, which then was interpreted."""
    for wrapper in WRAPPERS.get(program, ()):
        verb = tuple(word.value for word in words[1 : 1 + len(wrapper.verb)])
        if verb != wrapper.verb:
            continue
        rest = list(words[1 + len(wrapper.verb) :])
        if wrapper.after_dashes:
            dashes = next((index for index, word in enumerate(rest) if word.value == "--"), None)
            if dashes is None:
                return False
            rest = rest[dashes + 1 :]
            parted = Parted()
        else:
            parted = part(rest, wrapper.valued, stop=True)
            rest = parted.rest[wrapper.operands :]
            directory = parted.first("--directory", "--chdir", "--cwd") or (
                parted.first("-C") if program in ("env", "poetry") else None
            )
            if directory is not None:
                run = run.at(directory=joined(run.site.directory, directory.value))
        while wrapper.assignments and rest and re.match(r"[A-Za-z_]\w*=", rest[0].value):
            rest = rest[1:]
        if wrapper.more:
            rest = [*rest, Word(MANY, words[0].line, words[0].column)] if rest else rest
        if program in ("uvx", "pipx") and rest and (own := _PACKAGE.fullmatch(rest[0].value)):
            rest = [replace(rest[0], value=own[1]), *rest[1:]]
        if program in ("npx", "bunx", "uvx", "pipx") and rest and re.search(r"[/@]|^[a-z]+\+", rest[0].value):
            return True  # a package by its name
        if program in ("uv", "uvx", "coverage") and rest and rest[0].value.endswith(".py"):
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


def python_text(text: Word, words: Sequence[Word], run: Run) -> None:
    """What a program given as text imports before anything else; its lines are those from the text's on."""
    if "import" not in text.value or not is_known(text.value):
        return
    try:
        body = ast.parse(text.value).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    search = (run.site.directory, *run.site.search)
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                line = text.line + alias.lineno - 1
                column = alias.col_offset + (text.column if alias.lineno == 1 else 1)
                name = Word(f"{node.module}:{alias.name}", line, column)
                if alias.name != "*":
                    run.call(Attribute(name, "python", search), [replace(words[0], line=line, column=column)])
        if any(isinstance(each, ast.Name) and each.id == "sys" for each in ast.walk(node)):
            return  # may change where modules are looked for


_MODULE_PROGRAMS = frozenset(
    {"uvicorn", "gunicorn", "hypercorn", "daphne", "celery", "pytest", "streamlit", "flask", "alembic", "pip", "uv",
     "coverage", "fastapi", "granian", "poetry", "pipenv", "build", "dotenv"}
)  # fmt: skip


def _module(name: Word, arguments: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    if name.value in _MODULE_PROGRAMS:
        interpret([name, *arguments], run.at(search=(*run.site.search, run.site.directory)).deeper())
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


# --- Python servers and tools ---------------------------------------------------------------------------------------

_UVICORN = named(
    "--host --port --uds --fd --reload-dir --reload-include --reload-exclude --reload-delay --workers --loop "
    "--http --ws --ws-max-size --ws-ping-interval --ws-ping-timeout --lifespan --env-file --log-config "
    "--log-level --root-path --limit-concurrency --backlog --limit-max-requests --timeout-keep-alive "
    "--timeout-graceful-shutdown --ssl-keyfile --ssl-certfile --ssl-ca-certs --ssl-ciphers --header --app-dir "
    "--forwarded-allow-ips --interface --factory-args --ssl-keyfile-password --ssl-version --ssl-cert-reqs "
    "--h11-max-incomplete-event-size"
)
_GUNICORN = named(
    "-c --config -b --bind -w --workers -k --worker-class -t --timeout --threads --worker-connections "
    "--max-requests --max-requests-jitter --graceful-timeout --keep-alive --chdir --access-logfile "
    "--error-logfile --log-level --log-file --access-logformat --log-config -n --name -p --pid -u --user -g "
    "--group --pythonpath --worker-tmp-dir -e --env --certfile --keyfile --backlog --forwarded-allow-ips "
    "--limit-request-line --statsd-host --umask -m -D --log-config-json --limit-request-fields "
    "--limit-request-field_size --proxy-allow-from --logger-class --access-log --error-log "
    "--websocket-ping-interval --root-path"
)


def _server(words: Sequence[Word], run: Run) -> None:
    program = posixpath.basename(words[0].value)
    valued = _UVICORN if program in ("uvicorn", "granian") else _GUNICORN
    parted = part(words[1:], valued)
    search: tuple[str, ...] = ()
    for option in parted.all("--app-dir", "--chdir", "--pythonpath"):
        search = (*search, joined(run.site.directory, option.value))
    config = parted.first("--log-config") if program == "uvicorn" else parted.first("-c", "--config")
    if config and re.fullmatch(r"(?!python:).*\.(py|json|ya?ml|ini)", config.value):
        run.call(Needed(config, f"the configuration of {program}"), words)
    for word in parted.operands:
        if is_known(word.value) and re.match(r"[A-Za-z_][\w.]*(:|$)", word.value):
            name = replace(word, value=word.value.partition("(")[0])
            factory = parted.has("--factory") or "(" in word.value
            search = search or (run.site.directory, *run.site.search)
            default = "application" if program == "gunicorn" else "app" if program != "uvicorn" else ""
            if ":" in name.value or default:
                full = name.value if ":" in name.value else f"{name.value}:{default}"
                run.call(Attribute(replace(name, value=full), program, search, factory), words)
            return
        if not is_known(word.value):
            return


def _celery(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named("-A --app -b --broker --workdir -Q -c -l --loglevel -n --hostname -P"),
    )
    app = parted.first("-A", "--app")
    base = parted.first("--workdir")
    directory = joined(run.site.directory, base.value) if base else run.site.directory
    if app and is_known(app.value):
        run.call(Attribute(app, "celery", (directory, *run.site.search)), words)


def _flask(words: Sequence[Word], run: Run) -> None:
    app = part(words[1:], frozenset(("--app", "-A", "--env-file", "-e"))).first("--app", "-A")
    if app and is_known(app.value):
        if app.value.endswith(".py"):
            run.call(Needed(app, "the application that flask starts"), words)
        else:
            run.call(Attribute(app, "flask", (run.site.directory, *run.site.search)), words)


def _script_operand(skip: int, valued: str = "") -> Callable[[Sequence[Word], Run], None]:
    """A tool that runs a Python file: `streamlit run FILE`."""

    def read(words: Sequence[Word], run: Run) -> None:
        parted = part(words[1:], frozenset(valued.split()))
        operands = parted.operands[skip:]
        if operands and operands[0].known and operands[0].value.endswith(".py"):
            run.call(Needed(operands[0], f"the file that {posixpath.basename(words[0].value)} runs"), words)

    return read


_PYTEST = named(
    "-k -m -c -p -n -o -W -r --cov --cov-report --cov-config --cov-fail-under --junitxml --junit-xml --maxfail "
    "--tb --rootdir --confcutdir --ignore --ignore-glob --deselect --durations --timeout --log-level "
    "--log-cli-level --basetemp --html --dist --reruns --reruns-delay --import-mode --override-ini --numprocesses "
    "--benchmark-json --color --splits --group --randomly-seed --log-file --alluredir --env --browser --base-url"
)


def _pytest(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], _PYTEST)
    for word in parted.operands:
        path = word.value.partition("::")[0]
        if word.known and (path.endswith(".py") or ("/" in path and re.fullmatch(r"[\w./-]+", path))):
            directory = not path.endswith(".py")
            run.call(Needed(replace(word, value=path), "the tests that pytest runs", directory), words)


def _alembic(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-c --config -n --name -x -m --message"))
    config = parted.first("-c", "--config") or Word("alembic.ini", words[0].line, words[0].column)
    if parted.operands and parted.operands[0].value != "init":
        run.call(Needed(config, "the configuration of alembic"), words)


def _pip(words: Sequence[Word], run: Run) -> None:
    words = words[1:] if posixpath.basename(words[0].value) == "uv" else words
    if len(words) < 2:
        return
    parted = part(
        words[1:],
        named(
            "-r --requirement --requirements -c --constraint -e --editable -i --index-url --extra-index-url -f "
            "--find-links -t --target --python -p --prefix --cache-dir --trusted-host --platform --extra --group "
            "-o --output-file"
        ),
    )
    verb = parted.operands[0].value if parted.operands else ""
    if verb not in ("install", "sync", "wheel", "download", "compile"):
        return
    for word in parted.all("-r", "--requirement", "--requirements", "-c", "--constraint"):
        if not _URL.match(word.value) and word.value != "-":
            run.call(Needed(word, "the requirements that pip installs"), words)
    local = [*parted.all("-e", "--editable"), *parted.operands[1:]]
    for word in local:
        path = word.value.partition("[")[0]
        if verb == "install" and path.startswith((".", "/")) and not path.endswith((".whl", ".gz")) and word.known:
            run.call(Needed(replace(word, value=path), "the package that pip installs", directory=True), words)


def _uv(words: Sequence[Word], run: Run) -> None:
    if len(words) > 2 and words[1].value == "pip":
        _pip(words, run)
    elif len(words) > 1 and words[1].value == "sync":
        parted = part(words[2:], named("--directory --project --extra --group --package -p --python"))
        base = parted.first("--directory", "--project")
        path = Word(f"{base.value}/pyproject.toml" if base else "pyproject.toml", words[0].line, words[0].column)
        run.call(Needed(path, "the project that uv installs"), words)


def _poetry(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named("-C --directory -P --project --with --without --only -E --extras"),
    )
    if parted.operands and parted.operands[0].value in ("install", "build", "sync"):
        base = parted.first("-C", "--directory", "-P", "--project")
        path = Word(f"{base.value}/pyproject.toml" if base else "pyproject.toml", words[0].line, words[0].column)
        run.call(Needed(path, "the project that poetry installs"), words)


# --- Node's package managers ----------------------------------------------------------------------------------------

_NPM_VALUED = named(
    "--prefix -C --dir --cwd -w --workspace --filter -F --registry --cache --loglevel --omit --include --tag "
    "--access --network-timeout --mutex --modules-folder --cache-folder --store-dir --otp --concurrency"
)
_YARN_OWN = named(
    "add audit autoclean bin cache config create dlx exec generate-lock-entry global help import info init "
    "install licenses link list login logout node outdated owner pack plugin policies prune publish rebuild "
    "remove run set stage tag team test unlink unplug up upgrade upgrade-interactive version versions why "
    "workspace workspaces dedupe constraints explain npm patch search ci i start stop restart exec fetch store "
    "env deploy rm ls approve-builds update x build"
)
_INSTALLING = {"ci", "install", "i", "clean-install", "install-clean"}


def _package_manager(words: Sequence[Word], run: Run) -> None:
    manager = words[0].value
    parted = part(words[1:], _NPM_VALUED, stop=True)
    before = parted
    rest = list(parted.rest)
    base = before.first("--prefix", "-C", "--dir", "--cwd")
    if manager == "yarn" and len(rest) > 1 and rest[0].value == "workspace":
        return
    told = before.has("-v", "--version", "-h", "--help")
    verb = rest[0].value if rest else ("install" if manager == "yarn" and not told else "")
    inner = part(rest[1:], _NPM_VALUED)
    base = base or inner.first("--prefix", "-C", "--dir", "--cwd")
    elsewhere = before.has("-w", "--workspace", "--workspaces", "-ws", "--filter", "-F", "-r", "--recursive")
    elsewhere = elsewhere or inner.has(
        "-w", "--workspace", "--workspaces", "-ws", "--filter", "-F", "-r", "--recursive"
    )
    workspaces = [*before.all("-w", "--workspace"), *inner.all("-w", "--workspace")] if manager == "npm" else []
    if len(workspaces) == 1 and workspaces[0].known and verb in ("run", "run-script", "test"):
        name = inner.operands[0] if verb != "test" and inner.operands else rest[0]
        if name.known and not (before.has("--if-present") or inner.has("--if-present")):
            run.call(PackageScript(name, manager, (), workspace=workspaces[0].value), words)
        return
    if elsewhere or before.has("-g", "--global") or inner.has("-g", "--global"):
        return
    if base is not None:
        run = run.at(directory=joined(run.site.directory, base.value))
    optional = before.has("--if-present") or inner.has("--if-present")
    if verb in ("run", "run-script", "rum", "urn"):
        if inner.operands:
            name, arguments = inner.operands[0], _script_arguments(rest[1:], inner.operands[0], manager)
            _package_script(name, manager, arguments, words, run, optional=optional)
    elif verb in ("test", "t", "start", "stop", "restart") or (verb == "build" and manager in ("yarn", "pnpm")):
        name = replace(rest[0], value="test" if verb == "t" else verb)
        if verb != "restart" and not (verb == "start" and manager == "npm"):
            _package_script(name, manager, rest[1:], words, run, optional=optional)
    elif verb in _INSTALLING:
        _install(manager, verb, before, inner, words, run)
    elif verb in ("exec", "x", "dlx") and len(rest) > 1:
        inner_words = part(rest[1:], _NPM_VALUED, stop=True).rest
        if inner_words and "/" not in inner_words[0].value:
            interpret(inner_words, run.deeper())
    elif manager in ("yarn", "pnpm") and verb and verb not in _YARN_OWN and is_known(verb):
        _package_script(rest[0], manager, rest[1:], words, run, optional=True)
    elif manager == "bun" and re.search(r"\.[cm]?[jt]sx?$", verb):
        run.call(Script(rest[0], "node", tuple(rest[1:])), words)


def _script_arguments(rest: Sequence[Word], name: Word, manager: str) -> Sequence[Word]:
    after = list(rest[rest.index(name) + 1 :])
    if manager == "npm":
        dashes = next((index for index, word in enumerate(after) if word.value == "--"), None)
        return after[dashes + 1 :] if dashes is not None else []
    return after


def _package_script(
    name: Word, manager: str, arguments: Sequence[Word], words: Sequence[Word], run: Run, *, optional: bool
) -> None:
    if name.known:
        run.call(PackageScript(name, manager, tuple(arguments), optional), words)


def _install(manager: str, verb: str, before: Parted, inner: Parted, words: Sequence[Word], run: Run) -> None:
    first = words[0]
    if verb in ("install", "i") and inner.operands:
        return  # adds packages
    run.call(Needed(Word("package.json", first.line, first.column), f"the package that {manager} installs"), words)
    frozen = before.has("--frozen-lockfile", "--immutable") or inner.has("--frozen-lockfile", "--immutable")
    locks = {
        "npm": ("package-lock.json", ("npm-shrinkwrap.json",)) if verb not in ("install", "i") else None,
        "yarn": ("yarn.lock", ()) if frozen else None,
        "pnpm": ("pnpm-lock.yaml", ()) if frozen else None,
        "bun": ("bun.lockb", ("bun.lock",)) if frozen else None,
    }[manager]
    if locks:
        lock = Word(locks[0], first.line, first.column)
        run.call(Needed(lock, f"the lock file that `{manager} {verb}` insists on", either=locks[1]), words)


# --- make -----------------------------------------------------------------------------------------------------------


def _make(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-C --directory -f --file --makefile -I -o -W -l"))
    operands = parted.operands
    for base in parted.all("-C", "--directory"):
        if base.known and base.value not in (".", ".."):
            run.call(Needed(base, "the directory that make works in", directory=True), words)
        run = run.at(directory=joined(run.site.directory, base.value))
    names = [word for word in operands if word.known and "=" not in word.value and not word.value.isdigit()]
    if any(not word.known for word in operands):
        names = [word for word in names if not word.assumed]
    given = {word.value.partition("=")[2] for word in operands if "=" in word.value}
    names = [word for word in names if word.value not in given]  # `PROGRAM=x.exe x.exe`: the name of a target is given
    run.call(MakeTarget(tuple(names), parted.first("-f", "--file", "--makefile")), words)


# --- containers -----------------------------------------------------------------------------------------------------

_COMPOSE = named(
    "-f --file -p --project-name --project-directory --env-file --profile --ansi --progress --parallel --context "
    "-H --host -c --log-level"
)
_BUILD = named(
    "-f --file -t --tag --build-arg --target --platform --cache-from --cache-to --label --network --secret --ssh "
    "--output -o --progress --builder --iidfile --metadata-file --add-host --build-context --memory -m --shm-size "
    "--ulimit --attest --provenance --sbom --cpu-shares --cpuset-cpus --isolation --annotation --format "
    "--storage-opt --security-opt --volume -v --device --cap-add --cap-drop --runtime --arch --os --authfile --jobs "
    "--pull-policy --ignorefile --userns --timestamp --manifest --layer-label --allow --call --sbom-output"
)
_RUN = named(
    "-e --env --env-file -v --volume --mount -p --publish --name -w --workdir -u --user --network --net -h "
    "--hostname --entrypoint --platform -l --label --add-host --restart --memory -m --cpus --gpus --shm-size "
    "--ulimit --cap-add --cap-drop --device --tmpfs --dns --link --pid --ipc --log-driver --log-opt "
    "--security-opt --volumes-from --pull --health-cmd --health-interval --health-retries --health-timeout "
    "--network-alias --ip --cidfile --expose --stop-signal --stop-timeout --userns --runtime --group-add"
)


def _docker(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-H --host -c --context -l --log-level --config"), stop=True)
    rest = parted.rest
    verbs = [word.value for word in rest[:2]]
    if verbs[:1] == ["build"]:
        _image_build(rest[1:], words, run)
    elif verbs in (["buildx", "build"], ["image", "build"], ["builder", "build"], ["buildx", "b"]):
        _image_build(rest[2:], words, run)
    elif verbs[:1] == ["compose"]:
        _composition(rest[1:], words, run)
    elif verbs in (["stack", "deploy"], ["stack", "up"], ["stack", "config"]):
        _stack(rest[2:], words, run)
    elif verbs[:1] == ["run"] or verbs == ["container", "run"]:
        _container_run(rest[1 if verbs[0] == "run" else 2 :], words, run)
    elif verbs[:1] == ["exec"] or verbs == ["container", "exec"]:
        inner = part(rest[1 if verbs[0] == "exec" else 2 :], _RUN, stop=True).rest
        interpret(inner[1:], run.at(system=System.UNKNOWN, directory=UNKNOWN).deeper())
    elif verbs in (["secret", "create"], ["config", "create"], ["network", "create"], ["volume", "create"]):
        run.call(Program(words[0], tuple(words[1:])), words)
        source = part(rest[2:], named("-l --label -d --driver --opt -o --subnet"))
        if verbs[0] in ("secret", "config") and len(source.operands) > 1 and source.operands[1].value != "-":
            run.call(Needed(source.operands[1], f"the content of the {verbs[0]}"), words)
    else:
        run.call(Program(words[0], tuple(words[1:])), words)


def _image_build(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, _BUILD)
    operands = [word for word in parted.operands if word.value]
    file = parted.first("-f", "--file")
    told = file is not None and file.value == "-"
    if len(operands) != 1 or told or operands[0].value == "-" or _URL.match(operands[0].value) or operands[0].many:
        run.call(Program(words[0], tuple(words[1:])), words)
        return
    build = ImageBuild(
        operands[0],
        file,
        parted.first("--target"),
        tuple(parted.all("--build-arg")),
        tuple(parted.all("-t", "--tag")),
    )
    run.call(build, words)


def _compose_program(words: Sequence[Word], run: Run) -> None:
    _composition(words[1:], words, run)


def _composition(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, _COMPOSE, stop=True)
    inner = parted.rest
    verb = inner[0].value if inner else ""
    base = parted.first("--project-directory")
    if verb in ("version", "ls", "") or not is_known(verb):
        return
    tail = part(
        inner[1:],
        named(
            "-e --env -v --volume -w --workdir -u --user --entrypoint --name -p --publish -t --timeout --scale "
            "--tail --since --until --wait-timeout --pull --build-arg --index --format --progress "
            "--exit-code-from --attach -n --no-attach -l --label --signal -s --policy --rmi -o --output --memory "
            "-m --services --cap-add"
        ),
        stop=verb in ("run", "exec"),
    )
    operands = tail.rest if verb in ("run", "exec") else tail.operands
    services = tuple(operands[:1] if verb in ("run", "exec") else operands)
    partial = bool(services)
    if any(not word.known for word in services):
        services = ()
    composed = Composition(
        tuple(parted.all("-f", "--file")),
        False,
        verb,
        services if verb not in ("config", "convert", "cp", "port", "images", "events", "top", "scale") else (),
        joined(run.site.directory, base.value) if base else None,
        tuple(parted.all("--env-file")),
        partial,
    )
    run.call(composed, words)
    if verb in ("run", "exec") and len(operands) > 1:
        inside = Inside(composed, run.site.directory, operands[0].value) if operands[0].known else None
        site = run.at(system=System.IMAGE, directory=CWD, image="", inside=inside, search=())
        interpret(operands[1:], site.deeper())


def _stack(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, frozenset(("-c", "--compose-file", "--resolve-image", "--orchestrator")))
    files = tuple(parted.all("-c", "--compose-file"))
    if files and not any(word.value == "-" for word in files):
        run.call(Composition(files, True, "deploy"), words)


def _container_run(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, _RUN, stop=True)
    for word in parted.all("--env-file"):
        run.call(Needed(word, "the environment file of the container"), words)
    if len(parted.rest) > 1:
        interpret(parted.rest[1:], run.at(system=System.UNKNOWN, directory=UNKNOWN).deeper())


# --- Kubernetes, infrastructure -------------------------------------------------------------------------------------

_KUBECTL = named(
    "-f --filename -k --kustomize -n --namespace --context --kubeconfig -o --output -l --selector --timeout --for "
    "--dry-run --server --token --cluster --user -c --container --from-literal --from-file --from-env-file "
    "--image --replicas --grace-period -p --patch --type --field-manager --tail --since --validate"
)


def _kubectl(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], _KUBECTL)
    verb = parted.operands[0].value if parted.operands else ""
    if verb in ("apply", "create", "replace", "diff"):
        for word in parted.all("-f", "--filename"):
            for piece in word.value.split(","):
                if piece != "-" and not _URL.match(piece):
                    needed = Needed(replace(word, value=piece), "the manifest that kubectl applies")
                    run.call(needed, words)
        for word in parted.all("-k", "--kustomize"):
            if not _URL.match(word.value):
                run.call(Needed(word, "the kustomization that kubectl applies", directory=True), words)
        for word in parted.all("--from-file", "--from-env-file"):
            run.call(Needed(replace(word, value=word.value.rpartition("=")[2]), "what kubectl reads"), words)
    elif verb == "exec" and any(word.value == "--" for word in words):
        inner = words[[word.value for word in words].index("--") + 1 :]
        interpret(inner, run.at(system=System.UNKNOWN, directory=UNKNOWN).deeper())
    else:
        run.call(Program(words[0], tuple(words[1:])), words)


def _helm(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named(
            "-f --values --set --set-string --set-file -n --namespace --version --timeout --kube-context --repo "
            "--kubeconfig --history-max --description --post-renderer --set-json --output -o"
        ),
    )
    verb = parted.operands[0].value if parted.operands else ""
    if verb not in ("install", "upgrade", "template", "lint", "package"):
        return
    for word in parted.all("-f", "--values"):
        if not _URL.match(word.value):
            run.call(Needed(word, "the values that helm reads"), words)
    for word in parted.operands[1:]:
        if word.known and word.value.startswith(("./", "../")) and not word.value.endswith(".tgz"):
            run.call(Needed(word, "the chart that helm installs", directory=True), words)


def _kustomize(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], frozenset(("-o", "--output", "--load-restrictor", "--env")))
    if len(parted.operands) > 1 and parted.operands[0].value == "build" and not _URL.match(parted.operands[1].value):
        run.call(Needed(parted.operands[1], "the kustomization that is built", directory=True), words)


def _terraform(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:])
    base = parted.first("-chdir")
    if base is not None:
        run.call(Needed(base, "the directory that terraform works in", directory=True), words)
        run = run.at(directory=joined(run.site.directory, base.value))
    for word in parted.all("-var-file", "--var-file"):
        run.call(Needed(word, "the variables that terraform reads"), words)


def _ansible(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named(
            "-i --inventory -e --extra-vars -l --limit -t --tags -u --user --private-key --key-file "
            "--vault-password-file --skip-tags -f --forks -c --connection"
        ),
    )  # fmt: skip
    for word in parted.operands:
        run.call(Needed(word, "the playbook that ansible runs"), words)
    for word in parted.all("-i", "--inventory"):
        if "," not in word.value and not word.value.endswith("/"):
            run.call(Needed(word, "the inventory that ansible reads"), words)


def _pulumi(words: Sequence[Word], run: Run) -> None:
    base = part(words[1:], frozenset(("-C", "--cwd", "-s", "--stack"))).first("-C", "--cwd")
    if base is not None:
        run.call(Needed(base, "the project that pulumi runs", directory=True), words)


def _supervisord(words: Sequence[Word], run: Run) -> None:
    if config := part(words[1:], frozenset(("-c", "--configuration"))).first("-c", "--configuration"):
        run.call(Needed(config, "the configuration of supervisord"), words)


# --- files ----------------------------------------------------------------------------------------------------------


def _chmod(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:])
    for word in parted.operands[1:]:
        if word.known and re.search(r"\.(sh|py|bash|pl|rb)$", word.value):
            run.call(Needed(word, "the script that is made executable"), words)


def _source(words: Sequence[Word], run: Run) -> None:
    if len(words) > 1:
        run.call(Script(words[1], "source", tuple(words[2:])), words)


def _copy(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-t --target-directory -S -m -o -g"))
    operands = parted.operands
    if posixpath.basename(words[0].value) == "cp" and len(operands) > 1 and not parted.has("-n", "--no-clobber"):
        for word in operands[:-1]:
            if word.known and re.search(r"\.[a-z]{2,10}$|\.example$", word.value):
                run.call(Needed(word, "the file that is copied"), words)
    if len(operands) > 1:
        destination = operands[-1]
        if _is_put_back(operands):
            return
        if not destination.value.endswith("/") or not all(_is_plain_file(word) for word in operands[:-1]):
            run.produces(destination, tree=True)
        for word in operands[:-1]:
            base = posixpath.basename(word.value.rstrip("/"))
            run.produces(replace(destination, value=f"{destination.value.rstrip('/')}/{base}"), tree=True)


def _is_put_back(operands: Sequence[Word]) -> bool:
    """`mv FILE.bak FILE`: what was there before."""
    source, target = operands[0].value, operands[-1].value
    return source.startswith(target) and source[len(target) :] in (".bak", ".orig", ".old", ".backup", ".save", "~")


def _is_plain_file(word: Word) -> bool:
    return word.known and not word.glob and re.search(r"\w\.[a-z]{2,10}$", word.value) is not None


def _unpack(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-C --directory -f --file -d --strip-components"))
    program = posixpath.basename(words[0].value)
    packs = program == "tar" and (parted.has("-c", "--create") or (len(words) > 1 and words[1].value[:1] == "c"))
    if packs:
        for word in parted.all("-f", "--file"):
            run.produces(word)
        return
    into = parted.first("-C", "--directory") if program == "tar" else parted.first("-d")
    run.produces(into or Word("."), tree=True)


def _download(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named("-o --output -O -P --directory-prefix -H -d -X -u --data --header -T"),
    )
    wget = posixpath.basename(words[0].value) == "wget"
    for word in parted.all("-o", "--output", "-O") if wget else parted.all("-o", "--output"):
        run.produces(word)
    for word in [*parted.operands, *(parted.all("-O") if not wget else [])]:
        name = posixpath.basename(word.value.partition("?")[0])
        if name and (wget or parted.has("-O", "--remote-name") or parted.all("-O")):
            run.produces(replace(word, value=name))


def _git(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-C -c -b --branch --depth -o --reference"))
    operands = parted.operands
    if operands and operands[0].value == "clone" and len(operands) > 1:
        name = posixpath.basename(operands[1].value).removesuffix(".git")
        run.produces(operands[2] if len(operands) > 2 else replace(operands[1], value=name), tree=True)
    elif operands and operands[0].value == "worktree" and len(operands) > 2:
        run.produces(operands[2], tree=True)


def _makes(words: Sequence[Word], run: Run) -> None:
    tree = posixpath.basename(words[0].value) == "mkdir"
    for word in part(words[1:], frozenset(("-m", "--mode", "-d", "-t", "-r"))).operands:
        run.produces(word, tree=tree, empty=tree)


def _outputs(words: Sequence[Word], run: Run) -> None:
    """`-o FILE` and its kin, whatever the program."""
    for index, word in enumerate(words[1:], 1):
        name, equals, value = word.value.partition("=")
        if name in ("-o", "--output", "-out", "--out", "--output-file", "--outfile", "-O", "--outdir", "--out-dir"):
            target = replace(word, value=value) if equals else (words[index + 1] if index + 1 < len(words) else None)
            if target is not None:
                run.produces(target, tree=True)


_READERS: dict[str, Callable[[Sequence[Word], Run], None]] = {
    **dict.fromkeys(("uvicorn", "gunicorn", "hypercorn", "daphne", "granian"), _server),
    **dict.fromkeys(("pip", "pip3"), _pip),
    **dict.fromkeys(("make", "gmake"), _make),
    **dict.fromkeys(("source", "."), _source),
    **dict.fromkeys(("cp", "mv", "ln", "install"), _copy),
    **dict.fromkeys(("tar", "unzip", "bsdtar"), _unpack),
    **dict.fromkeys(("curl", "wget"), _download),
    **dict.fromkeys(("mkdir", "touch", "tee", "mktemp"), _makes),
    **dict.fromkeys(("docker-compose", "podman-compose"), _compose_program),
    **dict.fromkeys(("docker", "podman", "nerdctl"), _docker),
    **dict.fromkeys(("concurrently", "watch"), _texts),
    **dict.fromkeys(("kubectl", "oc"), _kubectl),
    **dict.fromkeys(("terraform", "tofu"), _terraform),
    **dict.fromkeys(("pytest", "py.test"), _pytest),
    "ssh": _remote,
    "find": _find,
    "celery": _celery,
    "flask": _flask,
    "fastapi": _script_operand(1, "--host --port --root-path --workers --app"),
    "streamlit": _script_operand(1),
    "modal": _script_operand(1, "-e --env --name --tag"),
    "chainlit": _script_operand(1, "--host --port"),
    "alembic": _alembic,
    "uv": _uv,
    "poetry": _poetry,
    "helm": _helm,
    "kustomize": _kustomize,
    "ansible-playbook": _ansible,
    "pulumi": _pulumi,
    "supervisord": _supervisord,
    "chmod": _chmod,
    "git": _git,
}
