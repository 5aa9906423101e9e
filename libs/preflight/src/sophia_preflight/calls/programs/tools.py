"""Tools that are told a file to work by: configurations, definitions, projects, sources. A line of a table for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sophia_preflight.calls.model import Module, Needed, Program, Script
from sophia_preflight.calls.operands import bare
from sophia_preflight.calls.options import part
from sophia_preflight.calls.running import URL, Reader, Run
from sophia_preflight.text import Word, joined, named


@dataclass(frozen=True)
class Tool:
    """What a program reads: the values of `files`, and the operands after `verb` that look like `operands`."""

    purpose: str
    files: frozenset[str] = frozenset()
    verb: str = ""
    """Words that the command begins with, as an expression; any command without it."""
    operands: str = ""
    valued: frozenset[str] = frozenset()
    """Other options with a value."""
    modules: frozenset[str] = frozenset()
    """Options whose values are modules of Python."""
    written: bool = False
    """What is read is a directory of sources, which nothing makes."""
    first: bool = False
    """Only the first operand is read; those after it are made."""
    bare: bool = False
    """What is read is written by people, and may be told by a name alone."""
    runs: str = ""
    """The interpreter, where the first operand is a script that is given the others."""


def _tool(purpose: str, files: str = "", *, valued: str = "", **more: object) -> Tool:
    return Tool(purpose, named(files), valued=named(valued), **more)  # type: ignore[arg-type]  # fields of `Tool`


_GO = "-o -tags -ldflags -gcflags -asmflags -mod -p -timeout -run -bench -coverprofile -count -C -exec -pkgdir -overlay"
_PATH = r"\.\.?/(?![\w./-]*\.go$)[\w./-]*[\w-]"
_NO_PATH = re.compile(r"[=,{}*]|^[-.]+$")

_PYTHON = r"[\w./-]+\.py"
_CODE = r"[\w./-]+\.\w{1,5}"
_CHECKED = r"(?!.*\.(?:ini|toml|cfg|json|xml|txt|html)$)(?:[\w.-]+/)+[\w.-]*|[\w.-]+\.py"
"""Code that a linter of Python is told; a name without a slash may be a command, or a module."""
_MYPY = (
    "--python-version --python-executable --cache-dir --exclude --junit-xml --html-report --xml-report --txt-report "
    "-m -p --module --package --platform --custom-typeshed-dir --shadow-file --linecount-report --disable-error-code"
)
_RUFF = (
    "--config --exclude --extend-exclude --select --ignore --output-format --output-file -o --target-version "
    "--cache-dir --line-length --extend-select --stdin-filename --per-file-ignores"
)
_FLAKE8 = (
    "--exclude --extend-exclude --max-line-length --ignore --extend-ignore --select --per-file-ignores --filename "
    "--format --output-file --jobs -j --max-complexity --append-config --tee"
)
_PYLINT = (
    "--ignore --ignore-paths --disable --enable -d -e -j --jobs --output-format --output -f --load-plugins --fail-under"
)
_BLACK = (
    "--config --exclude --extend-exclude --force-exclude --include -l --line-length -t --target-version "
    "--stdin-filename --workers -W"
)
_ISORT = (
    "--settings-path --settings-file --sp --settings --skip --skip-glob -s --sg --profile --src -p -l --line-length"
)
_BANDIT = (
    "-c --configfile -x --exclude -o --output -f --format -b --baseline -s --skip -t --tests -p --profile --ini -n -a"
)
_PYINSTALLER = (
    "--distpath --workpath --specpath -n --name --upx-dir --add-data --add-binary -p --paths --hidden-import "
    "--hiddenimport --collect-all --collect-data --collect-submodules --copy-metadata --additional-hooks-dir -i --icon "
    "--runtime-hook --exclude-module --log-level --version-file --splash --target-arch --collect-binaries --manifest"
)
PAGES = "the sources of the pages"
_SPHINX = (
    "-b --builder -M -d --doctree-dir -c --conf-dir -j --jobs -D --define -A --html-define -t --tag -w --warning-file "
    "--port --host --watch --ignore --re-ignore --pre-build --delay"
)
_FOLDER = r"[\w./-]*[\w-]/?"
TOOLS: dict[str, tuple[Tool, ...]] = {
    "go": (
        _tool("the package that go builds", verb="build|install|run|vet", operands=_PATH, valued=_GO, written=True),
        _tool("the file that go runs", verb="run|build", operands=r"[\w./-]+\.go", valued=_GO),
    ),
    "cargo": (_tool("the manifest that cargo reads", "--manifest-path"),),
    "mvn": (_tool("the project that Maven builds", "-f --file"),),
    "dotnet": (
        _tool("the project that dotnet is told", "--project --startup-project"),
        _tool(
            "the project that dotnet builds",
            verb="build|publish|test|restore|run|pack",
            operands=r"[\w./-]+\.(cs|fs|vb)proj|[\w./-]+\.slnx?",
            valued="-c --configuration -o --output -r --runtime -f --framework --filter -l --logger -v --verbosity -p",
        ),
    ),
    "perl": (_tool("", runs="perl", valued="-I -M -e -E -n -p -x"),),
    "ruby": (_tool("", runs="ruby", valued="-I -r -e -C"),),
    "php": (_tool("", runs="php", valued="-d -c -r -S -t -f"),),
    "Rscript": (_tool("", runs="Rscript", valued="-e"),),
    "deno": (_tool("the file that deno runs", verb="run", operands=_CODE, valued="--config -c --import-map"),),
    "psql": (_tool("the statements that psql runs", "-f --file"),),
    "nginx": (_tool("the configuration of nginx", "-c"),),
    "caddy": (_tool("the configuration of Caddy", "--config -config"),),
    "envoy": (_tool("the configuration of Envoy", "-c --config-path"),),
    "haproxy": (_tool("the configuration of HAProxy", "-f"),),
    "redis-server": (_tool("the configuration of Redis", operands=r"[\w./-]+\.conf"),),
    "promtool": (
        _tool("what promtool checks", verb="check config|check rules|test rules", operands=r"[\w./-]+\.ya?ml"),
    ),
    "amtool": (_tool("what amtool checks", verb="check-config", operands=r"[\w./-]+\.ya?ml"),),
    "kind": (_tool("the configuration of the cluster", "--config"),),
    "k3d": (_tool("the configuration of the cluster", "-c --config"),),
    "skaffold": (_tool("the configuration of Skaffold", "-f --filename"),),
    "kubeconform": (_tool("what kubeconform checks", operands=r"[\w./-]+\.ya?ml", valued="-schema-location -skip"),),
    "sam": (_tool("the template that is deployed", "-t --template --template-file"),),
    "serverless": (_tool("the configuration of Serverless", "-c --config"),),
    "flyctl": (_tool("the configuration of the app", "-c --config"),),
    "fly": (_tool("the configuration of the app", "-c --config"),),
    "wrangler": (_tool("the configuration of wrangler", "-c --config"),),
    "goreleaser": (_tool("the configuration of goreleaser", "-f --config"),),
    "golangci-lint": (_tool("the configuration of golangci-lint", "-c --config", valued="--timeout --out-format"),),
    "buf": (_tool("the template that buf generates by", "--template"),),
    "tsc": (_tool("the project that tsc compiles", "-p --project -b --build"),),
    "jest": (_tool("the configuration of jest", "-c --config"),),
    "vitest": (_tool("the configuration of vitest", "-c --config"),),
    "vite": (_tool("the configuration of vite", "-c --config"),),
    "webpack": (_tool("the configuration of webpack", "-c --config"),),
    "rollup": (_tool("the configuration of rollup", "-c --config"),),
    "eslint": (_tool("the configuration of eslint", "-c --config"),),
    "playwright": (_tool("the configuration of playwright", "-c --config"),),
    "mypy": (
        _tool("the configuration of mypy", "--config-file"),
        _tool("the code that mypy checks", operands=_CHECKED, valued=f"{_MYPY} --config-file", bare=True),
    ),
    "ruff": (
        _tool("the configuration of ruff", "--config"),
        _tool("the code that ruff checks", verb="check|format", operands=_CHECKED, valued=_RUFF, bare=True),
    ),
    "flake8": (
        _tool("the configuration of flake8", "--config"),
        _tool("the code that flake8 checks", operands=_CHECKED, valued=f"{_FLAKE8} --config", bare=True),
    ),
    "pylint": (
        _tool("the configuration of pylint", "--rcfile"),
        _tool("the code that pylint checks", operands=_CHECKED, valued=f"{_PYLINT} --rcfile", bare=True),
    ),
    "black": (_tool("the code that black formats", operands=_CHECKED, valued=_BLACK, bare=True),),
    "isort": (_tool("the code that isort sorts", operands=_CHECKED, valued=_ISORT, bare=True),),
    "pyright": (_tool("the code that pyright checks", operands=_CHECKED, valued="-p --project --level", bare=True),),
    "bandit": (
        _tool("the configuration of bandit", "-c --configfile"),
        _tool("the code that bandit checks", operands=_CHECKED, valued=_BANDIT, written=True),
    ),
    "pyinstaller": (
        _tool("what pyinstaller builds", operands=r"[\w./-]+\.(spec|py)", valued=_PYINSTALLER, written=True),
    ),
    "sphinx-build": (_tool(PAGES, operands=_FOLDER, valued=_SPHINX, written=True, first=True),),
    "sphinx-autobuild": (_tool(PAGES, operands=_FOLDER, valued=_SPHINX, written=True, first=True),),
    "yamllint": (_tool("the configuration of yamllint", "-c --config-file"),),
    "tox": (_tool("the configuration of tox", "-c --conf"),),
    "nox": (_tool("the sessions that nox runs", "-f --noxfile"),),
    "mkdocs": (_tool("the configuration of MkDocs", "-f --config-file"),),
    "pre-commit": (_tool("the configuration of pre-commit", "-c --config"),),
    "locust": (_tool("the file that locust runs", "-f --locustfile --config"),),
    "k6": (_tool("the script that k6 runs", verb="run", operands=_CODE, valued="-u --vus -d --duration -e -o"),),
    "ansible-galaxy": (_tool("the requirements that ansible-galaxy installs", "-r --role-file --requirements-file"),),
    "hadolint": (_tool("the configuration of hadolint", "-c --config"),),
    "oslo-config-generator": (_tool("the configuration of the generator", "--config-file"),),
    "kopf": (
        _tool("the operator that kopf runs", verb="run", operands=_PYTHON, valued="-n -L", modules=named("-m")),
    ),
    "circusd": (_tool("the configuration of circus", operands=r"[\w./-]+\.ini"),),
    "honcho": (_tool("the processes that honcho starts", "-f --procfile"),),
    "goreman": (_tool("the processes that goreman starts", "-f"),),
    "pwsh": (_tool("", "", runs="pwsh", valued="-Command -c -ExecutionPolicy -ep -WorkingDirectory"),),
}  # fmt: skip
_ALSO = {"powershell": "pwsh", "powershell.exe": "pwsh", "pwsh.exe": "pwsh", "sls": "serverless", "mvnw": "mvn"}


def _read(words: Sequence[Word], run: Run) -> None:
    program = words[0].value.rpartition("/")[2]
    run.call(Program(words[0], tuple(words[1:])), words)
    for tool in TOOLS[_ALSO.get(program, program)]:
        if tool.runs:
            _script(tool, words, run)
            continue
        parted = part(words[1:], tool.files | tool.valued | tool.modules)
        said = " ".join(word.value for word in parted.operands[:2])
        verb = re.match(rf"(?:{tool.verb})(?=\s|$)", said)
        if verb is None and tool.verb:
            continue
        skipped = len(verb[0].split()) if verb and tool.verb else 0
        base = parted.first("-C") if program == "go" else None
        at = run.at(directory=joined(run.site.directory, base.value)) if base else run
        for word in parted.all(*tool.modules):
            at.call(Module(word, (), (at.site.directory, *at.site.search)), words)
        candidates = parted.all(*tool.files)
        if tool.operands:
            told = parted.operands[skipped : skipped + 1] if tool.first else parted.operands[skipped:]
            candidates += [each for each in told if re.fullmatch(tool.operands, each.value)]
            candidates = candidates[:1] if program == "go" and said.startswith("run") else candidates
        if tool.bare:
            for word in bare(words, parted.operands[skipped:]):
                at.call(Needed(word, tool.purpose, directory=True, written=True, mentioned=True), words)
        for word in candidates:
            if (
                word.known
                and word.value
                and not URL.match(word.value)
                and not re.search(r"[=,{}*]|^-|^\.+$", word.value)
            ):
                directory = (tool.written or tool.bare) and not word.value.endswith((".py", ".pyi", ".ipynb", ".spec"))
                at.call(Needed(word, tool.purpose, directory=directory, written=tool.written or tool.bare), words)


def _script(tool: Tool, words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], tool.valued, stop=True)
    if tool.runs == "pwsh":
        file = next((i for i, word in enumerate(words) if word.value.lower() in ("-file", "-f")), None)
        rest = list(words[file + 1 :]) if file is not None else parted.rest
    elif any(re.match(r"-\w*[eEr]", name) for name in (*parted.flags, *parted.options)) and tool.runs != "ruby":
        return
    else:
        rest = parted.rest
    if rest and rest[0].known and ":" not in rest[0].value and re.search(r"\.\w{1,4}$", rest[0].value):
        run.call(Script(replace(rest[0], value=rest[0].value.replace("\\", "/")), tool.runs, tuple(rest[1:])), words)


READERS: dict[str, Reader] = dict.fromkeys((*TOOLS, *_ALSO), _read)
