"""Servers, test runners and installers of Python: which module, file or project they are told to take."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from sophia_preflight.calls.model import (
    Attribute,
    Module,
    Needed,
    Program,
    ProjectTask,
)
from sophia_preflight.calls.operands import bare
from sophia_preflight.calls.options import part
from sophia_preflight.calls.running import URL, Reader, Run
from sophia_preflight.text import Word, is_known, joined, named

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
    elif config and config.known and config.value.startswith("python:"):
        name = replace(config, value=config.value.removeprefix("python:"))
        run.call(Module(name, (), search or (run.site.directory, *run.site.search)), words)
    for index, word in enumerate(parted.operands):
        said = r"[A-Za-z_][\w.]*:" if index else r"[A-Za-z_][\w.]*(:|$)"  # after what may be options, only the whole
        if is_known(word.value) and re.match(said, word.value):
            name = replace(word, value=word.value.partition("(")[0], assumed=word.assumed or index > 0)
            factory = parted.has("--factory") or "(" in word.value
            search = search or (run.site.directory, *run.site.search)
            default = "application" if program == "gunicorn" else "app" if program != "uvicorn" else ""
            if ":" in name.value or default:
                full = name.value if ":" in name.value else f"{name.value}:{default}"
                run.call(Attribute(replace(name, value=full), program, search, factory), words)
            return
        if not is_known(word.value) and index + 2 < len(parted.operands):
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
    run.call(Program(words[0], tuple(words[1:])), words)
    app = part(words[1:], frozenset(("--app", "-A", "--env-file", "-e"))).first("--app", "-A")
    if app and is_known(app.value):
        if app.value.endswith(".py"):
            run.call(Needed(app, "the application that flask starts"), words)
        else:
            name = replace(app, value=app.value.partition("(")[0])
            search = (run.site.directory, *run.site.search)
            run.call(Attribute(name, "flask", search, factory=name != app), words)


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


_REPORTS = {"json": "coverage.json", "xml": "coverage.xml", "lcov": "coverage.lcov", "html": "htmlcov"}
"""Where reports of coverage go that are not told."""


def _pytest(words: Sequence[Word], run: Run) -> None:
    run.call(Program(words[0], tuple(words[1:])), words)
    parted = part(words[1:], _PYTEST)
    for word in parted.all("--cov-report"):
        kind, _, name = word.value.partition(":")
        if kind in _REPORTS:
            run.produces(replace(word, value=name or _REPORTS[kind]), tree=kind == "html")
    for word in parted.all("--junitxml", "--junit-xml", "--html", "--benchmark-json", "--log-file"):
        run.produces(word)
    for word in parted.operands:
        if _is_of_plugin(words, word):
            continue
        path = word.value.partition("::")[0]
        if word.known and (path.endswith(".py") or ("/" in path and re.fullmatch(r"[\w./-]+", path))):
            directory = not path.endswith(".py")
            run.call(Needed(replace(word, value=path), "the tests that pytest runs", directory), words)
    for word in bare(words, parted.operands):
        run.call(Needed(word, "the tests that pytest runs", directory=True, mentioned=True), words)


PROJECT = "the project that pip installs"
"""The purpose of what says how a package is built."""

_FLAGS = named(
    "-v -vv -vvv -s -x -q -qq -l -ra -rA -rs -rf --verbose --quiet --exitfirst --lf --ff --nf --sw --no-header --strict"
    " --no-summary --strict-markers --strict-config --showlocals --collect-only --doctest-modules --capture --pdb --cov"
    " --disable-warnings --no-cov --runslow --benchmark-only --benchmark-skip --forked --setup-show --cov-append --tb"
    " --cov-branch --headed --last-failed --failed-first --stepwise --full-trace --keep-duplicates --trace-config"
)
"""Options of pytest and of what many use with it that take no value, or one behind `=`."""


def _is_of_plugin(words: Sequence[Word], word: Word) -> bool:
    """Whether a word may be the value of an option that a plugin, or a conftest, has."""
    index = next(index for index, each in enumerate(words) if each is word)
    before = words[index - 1].value
    return before.startswith("--") and "=" not in before and before not in _FLAGS and before not in _PYTEST


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
            "-o --output-file -w --wheel-dir -d --dest"
        ),
    )
    verb = parted.operands[0].value if parted.operands else ""
    if verb in ("wheel", "download"):
        for word in parted.all("-w", "--wheel-dir", "-d", "--dest"):
            run.produces(word, tree=True)
    if verb not in ("install", "sync", "wheel", "download", "compile"):
        return
    for word in parted.all("-r", "--requirement", "--requirements", "-c", "--constraint"):
        if not URL.match(word.value) and word.value != "-":
            run.call(Needed(word, "the requirements that pip installs"), words)
    local = [*parted.all("-e", "--editable"), *parted.operands[1:]]
    for word in local:
        path = word.value.partition("[")[0]
        if verb == "install" and path.startswith((".", "/")) and not path.endswith((".whl", ".gz")) and word.known:
            run.call(Needed(replace(word, value=path), "the package that pip installs", directory=True), words)
            base = "" if path in (".", "./") else path.rstrip("/") + "/"
            others = tuple(f"{base}{name}" for name in ("setup.py", "setup.cfg"))
            project = replace(word, value=f"{base}pyproject.toml")
            run.call(Needed(project, PROJECT, either=others), words)


def _uv(words: Sequence[Word], run: Run) -> None:
    if len(words) > 2 and words[1].value == "pip":
        _pip(words, run)
    elif len(words) > 1 and words[1].value == "sync":
        parted = part(words[2:], named("--directory --project --extra --group --package -p --python"))
        base = parted.first("--directory", "--project")
        path = Word(f"{base.value}/pyproject.toml" if base else "pyproject.toml", words[0].line, words[0].column)
        run.call(Needed(path, "the project that uv installs"), words)
        run.call(Program(words[0], tuple(words[1:])), words)


def _poetry(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named("-C --directory -P --project --with --without --only -E --extras"),
    )
    if parted.operands and parted.operands[0].value in ("install", "build", "sync"):
        base = parted.first("-C", "--directory", "-P", "--project")
        path = Word(f"{base.value}/pyproject.toml" if base else "pyproject.toml", words[0].line, words[0].column)
        run.call(Needed(path, "the project that poetry installs"), words)
        run.call(Program(words[0], tuple(words[1:])), words)


def _task(words: Sequence[Word], run: Run) -> None:
    """`poe NAME`, `task NAME`."""
    operands = part(words[1:], named("-C --root --directory -e --executor"), stop=True).rest
    if operands and operands[0].known:
        run.call(ProjectTask(operands[0], "poe"), words)


def _hatch(words: Sequence[Word], run: Run) -> None:
    """`hatch run [ENVIRONMENT:]NAME`, and `hatch -e ENVIRONMENT run NAME`."""
    outer = part(words[1:], named("-e --env -p --project --data-dir --cache-dir --config"), stop=True)
    if not outer.rest or outer.rest[0].value != "run":
        return
    inner = part(outer.rest[1:], named("-i --include -x --exclude -f --filter"), stop=True)
    if not inner.rest or not inner.rest[0].known or inner.flags or inner.options:
        return
    environment, mark, name = inner.rest[0].value.rpartition(":")
    said = outer.first("-e", "--env")
    environment = environment if mark else said.value if said else "default"
    run.call(ProjectTask(replace(inner.rest[0], value=name), "hatch", environment), words)


def environment(words: Sequence[Word], run: Run) -> None:
    """`venv DIRECTORY`: programs are then below it."""
    for word in part(words, named("-p --python --prompt")).operands:
        run.produces(replace(word, value=posixpath.join(word.value, "bin")), tree=True)


READERS: dict[str, Reader] = {
    **dict.fromkeys(("poe", "poethepoet"), _task),
    "hatch": _hatch,
    **dict.fromkeys(("uvicorn", "gunicorn", "hypercorn", "daphne", "granian"), _server),
    **dict.fromkeys(("pip", "pip3"), _pip),
    **dict.fromkeys(("pytest", "py.test"), _pytest),
    "virtualenv": lambda words, run: environment(words[1:], run),
    "celery": _celery,
    "flask": _flask,
    "fastapi": _script_operand(1, "--host --port --root-path --workers --app"),
    "streamlit": _script_operand(1),
    "modal": _script_operand(1, "-e --env --name --tag"),
    "chainlit": _script_operand(1, "--host --port"),
    "alembic": _alembic,
    "uv": _uv,
    "poetry": _poetry,
}
