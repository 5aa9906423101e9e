"""How a directory's own files say that it is started, made ready, built and shipped: Python, Node, Go, static pages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sophia_deployment.initialise import commands, images
from sophia_deployment.initialise.compose import health_path
from sophia_deployment.initialise.draft import Draft
from sophia_deployment.initialise.repository import NOT_SHIPPED, Repository, joined

_APPLICATION = re.compile(r"^(\w+)\s*(?::[^=]+)?=\s*(FastAPI|Flask|Starlette|Quart|Litestar|Sanic)\(")
_READS_PORT = re.compile(
    r"""(environ\b.*['"]PORT['"]|getenv\(\s*['"]PORT['"]|process\.env\.PORT|env\[['"]PORT['"]\]|Getenv\("PORT"|ENV(\[|\.fetch\()['"]PORT)"""
)
_WRITTEN_PORT = re.compile(r"(?:\.listen\(\s*|ListenAndServe\(\"[^\"]*:|\bport\s*[=:]\s*)(\d{2,5})\b", re.IGNORECASE)
_HEALTH = re.compile(r"""['"`](/(?:[\w-]+/)*(?:healthz?|_health|health-?check|livez|readyz|ping|up))/?['"`]""")
_SIMPLE_SCRIPT = re.compile(r"[\w@./:=\s$-]+")
_PAGES_TOOLS = {
    "vite": "dist",
    "react-scripts": "build",
    "@angular/cli": "dist",
    "parcel": "dist",
    "astro": "dist",
    "gatsby": "public",
}
_SERVER_TOOLS = ("next", "nuxt", "@remix-run/serve", "express", "fastify", "koa", "@nestjs/core", "hono")
VENV = ".venv/bin/"


def complete(draft: Draft, repository: Repository) -> None:
    """Fill in what the files of `draft.source` tell and nothing before has told."""
    image = images.read(repository.text(draft.dockerfile)) if draft.dockerfile else images.Image()
    if image.health and not draft.health:
        draft.health = health_path(image.health)
    if not _pages(draft, image, repository):
        _process(draft, image, repository)
    if draft.static_root is None and not draft.include:
        draft.include = _shipped(draft, repository)


def _process(draft: Draft, image: images.Image, repository: Repository) -> None:
    if draft.command is None and image.run:
        draft.command = _without_init(image.run)
        _moved(draft, image)
    if repository.has(joined(draft.source, "package.json")):
        _node(draft, repository)
    elif repository.first(
        *(joined(draft.source, name) for name in ("requirements.txt", "pyproject.toml"))
    ) or _is_python(draft):
        _python(draft, repository)
    elif repository.has(joined(draft.source, "go.mod")):
        _go(draft, repository)
    if image.exposes and draft.listens is None:
        draft.listens = True
    _listening(draft, repository)


# --- pages ----------------------------------------------------------------------------------------------------------


def _pages(draft: Draft, image: images.Image, repository: Repository) -> bool:
    """Whether the service only serves files; then `static_root` is set."""
    found = image.pages if image.serves_pages else None
    if found is not None:
        built, path = found
        root = path.rstrip("/").rsplit("/", 1)[-1] if built else joined(".", path)
        if not built and not repository.is_directory(joined(draft.source, root)):
            root = root.removeprefix(draft.source + "/")
        draft.static_root = root
    elif image.run or draft.command:
        return False
    else:
        draft.static_root = pages_root(draft.source, repository)
    if draft.static_root is None:
        return False
    draft.command, draft.secrets, draft.env = None, [], {}
    _build_of_pages(draft, repository)
    server = _server_settings(draft, repository)
    draft.spa = draft.spa or bool(re.search(r"try_files\s+\$uri[^;]*/index\.html", server))
    draft.health = "/"
    return True


def pages_root(directory: str, repository: Repository) -> str | None:
    """Where a directory's pages are, or will be once they are built; `None` if it is no static site."""
    package = repository.json(joined(directory, "package.json"))
    known = {**_table(package, "dependencies"), **_table(package, "devDependencies")}
    scripts = _table(package, "scripts")
    server = any(tool in known for tool in _SERVER_TOOLS) or str(scripts.get("start", "")).startswith(
        ("node ", "next ", "nuxt ")
    )
    tool = next((tool for tool in _PAGES_TOOLS if tool in known), None)
    if tool and "build" in scripts and not server:
        return _PAGES_TOOLS[tool]
    if package and server:
        return None
    return next(
        (
            root
            for root in (".", "public", "static", "www", "html", "site")
            if repository.has(joined(directory, f"{root}/index.html"))
        ),
        None,
    )


def _build_of_pages(draft: Draft, repository: Repository) -> None:
    scripts = _table(repository.json(joined(draft.source, "package.json")), "scripts")
    if "build" not in scripts:
        return
    draft.spa = True
    if not repository.has("turbo.json"):
        draft.build = [_npm_install(draft.source, repository), ["npm", "run", "build"]]


def _server_settings(draft: Draft, repository: Repository) -> str:
    names = [name for name in repository.names(draft.source) if name.endswith(".conf")]
    return "\n".join(repository.text(joined(draft.source, name)) for name in names)


def proxied(draft: Draft, repository: Repository) -> list[tuple[str, str]]:
    """(path prefix, service) of what the pages' web server passes on."""
    pattern = re.compile(r"location\s+(?:\^~\s+)?(/[\w/.-]*)\s*\{[^}]*proxy_pass\s+https?://([\w.-]+)", re.DOTALL)
    return [(prefix, name) for prefix, name in pattern.findall(_server_settings(draft, repository))]


# --- Node -----------------------------------------------------------------------------------------------------------


def _node(draft: Draft, repository: Repository) -> None:
    package = repository.json(joined(draft.source, "package.json"))
    scripts = _table(package, "scripts")
    draft.command = _script(draft.command or (["npm", "start"] if "start" in scripts else None), scripts)
    if draft.command is None and isinstance(package.get("main"), str) and _port_of(draft, repository):
        draft.command = ["node", package["main"]]
    if any(tool in _table(package, "dependencies") for tool in _SERVER_TOOLS) and draft.listens is None:
        draft.listens = True
    draft.built = "build" in scripts
    if draft.built and not repository.has("turbo.json"):
        draft.build = [_npm_install(draft.source, repository), ["npm", "run", "build"]]
    if _table(package, "dependencies"):
        draft.prepare = [*_npm_install(draft.source, repository), "--omit=dev"]


def _port_of(draft: Draft, repository: Repository) -> bool:
    return any(repository.search(draft.source, pattern) for pattern in (_READS_PORT, _WRITTEN_PORT))


def _script(command: list[str] | None, scripts: dict[str, object]) -> list[str] | None:
    """`npm start` as what it starts, so that signals reach it; anything but plain words stays with npm."""
    if command is None or command[0] not in ("npm", "yarn", "pnpm") or len(command) < 2:
        return command
    name = command[2] if command[1] == "run" and len(command) > 2 else command[1]
    script = str(scripts.get(name, ""))
    if not script or not _SIMPLE_SCRIPT.fullmatch(script):
        return command
    words = commands.split(script)
    return words if words and words[0] in ("node", "sh") else ["npx", *words]


def _npm_install(source: str, repository: Repository) -> list[str]:
    return ["npm", "ci"] if repository.has(joined(source, "package-lock.json")) else ["npm", "install"]


# --- Python and Go --------------------------------------------------------------------------------------------------


def _is_python(draft: Draft) -> bool:
    return bool(draft.command) and commands.program(draft.command or [""]).endswith((".py", "python", "python3"))


def _python(draft: Draft, repository: Repository) -> None:
    project = _table(repository.toml(joined(draft.source, "pyproject.toml")), "project")
    if draft.command is None:
        draft.command = _python_command(draft.source, project, repository)
    install = _install(draft.source, project, repository)
    if install:
        draft.prepare = ["sh", "-c", f"python3 -m venv .venv && .venv/bin/python -m pip install {install}"]
    draft.command = _in_environment(draft.command, made=bool(install))


def _python_command(source: str, project: dict[str, object], repository: Repository) -> list[str] | None:
    if repository.has(joined(source, "manage.py")):
        return ["python", "manage.py", "runserver", "--noreload"]
    if found := repository.search(source, _APPLICATION):
        line = repository.text(found.file).splitlines()[found.number - 1]
        match = _APPLICATION.match(line)
        assert match is not None, "the search found it"
        prefix = "" if source == "." else source + "/"
        module = found.file.removeprefix(prefix).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = module.removeprefix("src.")
        if match[2] == "Flask":
            return ["flask", "--app", f"{module}:{match[1]}", "run"]
        return ["uvicorn", f"{module}:{match[1]}"]
    scripts = _table(project, "scripts")
    if scripts:
        return [next(iter(scripts))]
    return next(
        (["python", name] for name in ("main.py", "app.py", "server.py") if repository.has(joined(source, name))), None
    )


def _install(source: str, project: dict[str, object], repository: Repository) -> str:
    """What pip must be told to install; empty if nothing is needed."""
    lines = [line.split("#")[0].strip() for line in repository.text(joined(source, "requirements.txt")).splitlines()]
    if any(lines):
        return "-r requirements.txt"
    return "." if project.get("dependencies") else ""


def _in_environment(command: list[str] | None, *, made: bool) -> list[str] | None:
    """The command with the bundle's own Python, if one is made; programs of packages are in its `bin`."""
    if command is None or command[:2] == ["sh", "-c"]:
        return (
            ["sh", "-c", f'PATH="$PWD/.venv/bin:$PATH"; {command[2]}']
            if command and made and len(command) == 3
            else command
        )
    first = command[0].rsplit("/", 1)[-1]
    if re.fullmatch(r"python[0-9.]*", first):
        return [f"{VENV}python" if made else "python3", *command[1:]]
    return [VENV + first, *command[1:]] if made and "/" not in command[0] else command


def _go(draft: Draft, repository: Repository) -> None:
    place = next(
        (
            path
            for path in (".", *(f"cmd/{name}" for name in repository.names(joined(draft.source, "cmd"))))
            if repository.has(joined(draft.source, f"{path}/main.go"))
        ),
        None,
    )
    if place is not None:
        draft.build = [["go", "build", "-o", "bin/app", "." if place == "." else f"./{place}"]]
        draft.command, draft.include = ["./bin/app", *(draft.command or [""])[1:]], ["bin/app"]


# --- what all have in common ----------------------------------------------------------------------------------------


def _without_init(command: list[str]) -> list[str]:
    """Without the small init programs of images, whose work the launcher does."""
    while command and command[0].rsplit("/", 1)[-1] in ("tini", "dumb-init", "--", "-g"):
        command = command[1:]
    return command


def _moved(draft: Draft, image: images.Image) -> None:
    for built, sources, destination in image.copies:
        target = joined(".", destination.removeprefix(image.workdir).lstrip("/"))
        if built or destination.endswith("/") or (target == "." and not sources[0].endswith("/")):
            continue
        if target not in (joined(".", sources[0]), sources[0].rstrip("/").rsplit("/", 1)[-1]) and sources[0] != ".":
            draft.note(
                "run", f"the Dockerfile puts `{sources[0]}` at `{destination}`; in the bundle it stays where it is"
            )


def _listening(draft: Draft, repository: Repository) -> None:
    """Whether it listens, where, and what must be changed so that it listens where it is told to."""
    if draft.command is None:
        draft.note("run", "nothing says how it is started; write the command, which must listen on 127.0.0.1 at $PORT")
        return
    worker = commands.says_worker(draft.name, commands.program(draft.command))
    given, written = commands.on_given_port(draft.command)
    reads = repository.search(draft.source, _READS_PORT)
    fixed = repository.search(draft.source, _WRITTEN_PORT)
    serves = (
        draft.listens or draft.published or bool(draft.routes or draft.health) or any("$PORT" in each for each in given)
    )
    draft.listens = bool(serves or (not worker and (reads or fixed)))
    if not draft.listens:
        return
    if written:
        draft.note(
            "run", f"the command listened on port {written[0]}; now on `$PORT`, which is different for each instance"
        )
    draft.command = given
    if not any("$PORT" in each for each in given) and reads is None and not _reads_port_itself(given):
        said = _must_listen(fixed.file, fixed.number, fixed.found) if fixed else "it must listen on 127.0.0.1 at $PORT"
        draft.note("run", said)
    if draft.health is None:
        found = repository.search(draft.source, _HEALTH)
        draft.health = found.found if found else "/"
        if found is None:
            draft.note("health", "no health check was found; this path must answer 2xx as soon as it can serve")


def _reads_port_itself(command: Iterable[str]) -> bool:
    names = {each.rsplit("/", 1)[-1] for each in command}
    return bool(names & {"next", "nuxt", "react-scripts", "puma", "rails"})


def _must_listen(file: str, line: int, port: str) -> str:
    return f"it listens on port {port} ({file}:{line}); it must listen on 127.0.0.1 at the environment variable PORT"


def _shipped(draft: Draft, repository: Repository) -> list[str]:
    """What stands in the directory, without tests, notes and what tools made; with what the build will make."""
    names = [name for name in repository.names(draft.source) if not NOT_SHIPPED.fullmatch(name)]
    made = [name for name in ("dist", "build", ".next", "out") if draft.built and _mentions(draft.command, name)]
    if draft.built and not made:
        draft.note("include", "add what `build` makes, for example `dist`")
    if draft.source == "." and any(repository.has(joined(name, "Dockerfile")) for name in names):
        names = [name for name in names if not repository.has(joined(name, "Dockerfile"))]
    return names + made or ["."]


def _mentions(command: Iterable[str] | None, name: str) -> bool:
    words = list(command or [])
    return any(each.startswith((f"{name}/", f"./{name}/")) for each in words) or (name == ".next" and "next" in words)


def _table(data: dict[str, object], key: str) -> dict[str, object]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}
