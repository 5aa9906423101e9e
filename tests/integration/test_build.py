"""Builds as users have them: commands of any kind in a repository of their own, interrupted, failing, side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from sophia_deployment.build import Progress, build
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.loading import load_checked
from sophia_infrastructure.artifacts import FileArtifacts
from sophia_infrastructure.places import Places


class Repository:
    """A repository with the services given by name, each in its own directory unless it says otherwise."""

    def __init__(self, root: Path, services: dict[str, dict[str, object]]) -> None:
        self.root = root
        self.told: list[Progress] = []
        for name, service in services.items():
            service.setdefault("source", name)
            service["bundle"] = {"run": ["./run"], **service.get("bundle", {})}  # type: ignore[dict-item]
            (root / str(service["source"])).mkdir(parents=True, exist_ok=True)
        described = {"platform": "shop", "services": services, "environments": {"local": {"edge": {"port": 1}}}}
        (root / "sophia.yaml").write_text(yaml.safe_dump(described, sort_keys=False))

    def build(self, *services: str) -> dict[str, str]:
        self.told.clear()
        platform = load_checked(self.root / "sophia.yaml")
        return build(platform, self.root, services=services or None, on_progress=self.told.append)

    def refused(self, *services: str) -> SophiaError:
        with pytest.raises(SophiaError) as caught:
            self.build(*services)
        return caught.value

    def held(self, digest: str) -> dict[str, str]:
        store = FileArtifacts(Places.of(self.root / ".sophia"))
        store.check(digest)
        tree = store.path(digest)
        return {str(file.relative_to(tree)): file.read_text() for file in tree.rglob("*") if file.is_file()}

    def phases(self, service: str) -> list[str]:
        return [each.phase for each in self.told if each.service == service]


def made(text: str = "made", ship: str = "out", **more: object) -> dict[str, object]:
    """A service whose build writes `text` into `out/file`."""
    command = ["sh", "-c", f"mkdir -p out && printf '{text}' > out/file"]
    return {"build": command, "bundle": {"include": [ship]}, **more}


def test_each_service_is_built_where_its_source_is_and_what_it_made_is_kept(tmp_path):
    shop = Repository(tmp_path, {"api": made("1"), "web": made("2", source="apps/web"), "same": made("1")})
    digests = shop.build()
    assert list(digests) == ["api", "web", "same"]
    assert shop.held(digests["web"]) == {"out/file": "2"}
    assert digests["api"] == digests["same"] != digests["web"]
    assert shop.phases("api") == ["building", "built", "stored"]
    stored = {each.service: each for each in shop.told if each.phase == "stored"}
    assert stored["api"].digest == digests["api"]
    assert stored["api"].said == f"`api` is bundle `{digests['api'][:12]}`, 1 file"
    assert shop.build() == digests


def test_only_the_named_services_are_built(tmp_path):
    shop = Repository(tmp_path, {"api": made(), "broken": {**made(), "build": ["false"]}})
    assert list(shop.build("api")) == ["api"]
    assert shop.refused("ap").message == "no service `ap`"


def test_a_service_without_a_build_ships_its_sources(tmp_path):
    shop = Repository(tmp_path, {"api": {"bundle": {"include": ["*.py"]}}})
    (tmp_path / "api/app.py").write_text("pass")
    assert shop.held(shop.build()["api"]) == {"app.py": "pass"}


def test_commands_run_in_order_with_the_users_environment_and_no_input(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAVOUR", "lemon")
    commands = [["sh", "-c", "cat > out"], ["sh", "-c", 'printf "$FLAVOUR" >> out'], ["sh", "-c", "printf ! >> out"]]
    shop = Repository(tmp_path, {"api": {"build": commands, "bundle": {"include": ["out"]}}})
    assert shop.held(shop.build()["api"]) == {"out": "lemon!"}


def test_services_of_one_source_with_the_same_commands_are_built_once(tmp_path):
    count = {"build": ["sh", "-c", "echo >> count"], "source": "apps", "bundle": {"include": ["count"]}}
    shop = Repository(tmp_path, {"one": dict(count), "two": dict(count)})
    digests = shop.build()
    assert shop.held(digests["one"]) == {"count": "\n"} and digests["one"] == digests["two"]
    assert "built" in shop.phases("two")


def test_services_of_different_sources_are_built_side_by_side(tmp_path):
    def waits_for(other: str) -> dict[str, object]:
        command = (
            f"touch started; n=0; until [ -e ../{other}/started ] || [ $n = 500 ]; do sleep 0.01; n=$((n+1)); done"
        )
        return {"build": ["sh", "-c", f"{command}; [ $n -lt 500 ]"], "bundle": {"include": ["started"]}}

    Repository(tmp_path, {"one": waits_for("two"), "two": waits_for("one")}).build()


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_build_that_fails_says_all_there_is_to_say_and_stores_nothing(tmp_path):
    shop = Repository(tmp_path, {"api": {**made(), "build": ["./fails", "--now"]}, "web": made()})
    (tmp_path / "api/fails").write_text(
        "#!/bin/sh\necho one\nprintf '\\033[31merror\\033[0m: no \\007bell\\n' >&2\nexit 3\n"
    )
    (tmp_path / "api/fails").chmod(0o755)
    error = shop.refused()
    log = tmp_path / ".sophia/logs/build-api.log"
    assert error.code.name == "SPH-5101"
    assert error.message.splitlines() == [
        "`api` could not be built: `./fails --now` ended with exit code 3",
        "   | $ ./fails --now",
        "   | one",
        "   | error: no  bell",
    ]
    assert error.hint == f"all of what it printed is in `{log}`"
    (failure,) = error.facts["failures"]  # type: ignore[misc]
    assert (failure["services"], failure["exit"], failure["log"][-1]) == (["api"], 3, "error: no  bell")
    assert not (tmp_path / ".sophia/artifacts").exists()


def test_every_build_that_fails_is_named(tmp_path):
    shop = Repository(tmp_path, {name: {**made(), "build": ["false"]} for name in ("api", "web")})
    assert {"`api`", "`web`"} <= set(shop.refused().message.split())


def test_a_command_that_is_not_there_fails_like_in_a_shell(tmp_path):
    shop = Repository(tmp_path, {"api": {**made(), "build": ["no-such-builder", "--fast"]}})
    message = shop.refused().message
    assert "`no-such-builder --fast` ended with exit code 127" in message
    assert "no-such-builder: No such file or directory" in message


def test_a_bundle_that_cannot_be_put_together_keeps_others_from_being_stored(tmp_path):
    shop = Repository(tmp_path, {"api": made(), "web": made(ship="dist/*")})
    error = shop.refused()
    assert error.code.name == "SPH-5102" and "`web`" in error.message and "`dist/*`" in error.message
    assert not (tmp_path / ".sophia/artifacts").exists()


def test_a_static_site_whose_root_is_not_shipped_is_refused(tmp_path):
    site = {"bundle": {"static": {"root": "dist"}, "include": ["//page"]}}
    (tmp_path / "page").mkdir()
    (tmp_path / "page/index.html").touch()
    shop = Repository(tmp_path, {"web": site})
    shop_yaml = yaml.safe_load((tmp_path / "sophia.yaml").read_text())
    del shop_yaml["services"]["web"]["bundle"]["run"]
    (tmp_path / "sophia.yaml").write_text(yaml.safe_dump(shop_yaml))
    assert "no directory `dist`, which `static.root` names" in shop.refused().message


def test_a_link_out_of_the_repository_is_refused_with_its_path(tmp_path):
    shop = Repository(tmp_path, {"api": {"bundle": {"include": ["."]}}})
    (tmp_path / "api/passwords").symlink_to("/etc/passwd")
    assert "`passwords` is a link to `/etc/passwd`, which leads out of the bundle" in shop.refused().message


def test_a_state_directory_that_cannot_be_written_is_named(tmp_path):
    shop = Repository(tmp_path, {"api": made()})
    (tmp_path / ".sophia").write_text("a file")
    error = shop.refused()
    assert error.code.name == "SPH-2004" and ".sophia` cannot be used" in error.message


@pytest.mark.needs_root
def test_a_full_disk_is_said_and_leaves_nothing_half_done(tmp_path):
    fill = {"build": ["sh", "-c", "head -c 3000000 /dev/zero > big"], "bundle": {"include": ["big"]}}
    shop = Repository(tmp_path, {"api": fill})
    with small_disk(tmp_path / ".sophia"):
        error = shop.refused()
        assert error.code.name == "SPH-2002" and "no space left" in error.message
        assert list((tmp_path / ".sophia/artifacts").iterdir()) == []


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=20)


# --- several at once, and Ctrl-C ------------------------------------------------------------------------------------


def test_a_second_build_waits_for_the_first(tmp_path):
    alone = ["sh", "-c", "mkdir working && sleep 0.2 && rmdir working && echo done > out"]
    one, two = (Repository(tmp_path, {"api": {"build": alone, "bundle": {"include": ["out"]}}}) for _ in range(2))
    threads = [threading.Thread(target=each.build) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(each.told[-1].phase for each in (one, two)) == ["stored", "stored"]
    assert "waiting" in {each.told[0].phase for each in (one, two)}


BUILD = """
import sys
from pathlib import Path
from sophia_deployment.build import build
from sophia_deployment_core.loading import load_checked

root = Path(sys.argv[1])
build(load_checked(root / "sophia.yaml"), root)
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def building(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A build in a process of its own, which has started everything that writes a file `pid`."""
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(root)], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def _pids(root: Path, count: int) -> list[int]:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = [file.read_text().split() for file in root.glob("*/pid")]
        if sum(map(len, found)) == count:
            return [int(pid) for pids in found for pid in pids]
        time.sleep(0.02)
    raise AssertionError(f"the builds did not start: {found}")


@pytest.mark.parametrize("stubborn", [False, True])
def test_ctrl_c_ends_every_process_of_every_build(tmp_path, monkeypatch, stubborn):
    trap = "trap '' TERM" if stubborn else "trap 'echo bye > bye; exit' TERM"
    script = f"{trap}; sleep 60 & echo $$ $! > pid; while :; do sleep 0.1; done"
    sleeps = {"build": ["sh", "-c", script], "bundle": {"include": ["pid"]}}
    workers = max(2, os.cpu_count() or 2)
    late = made(text="late")  # no worker is free for it
    Repository(tmp_path, {**{f"s{number}": dict(sleeps) for number in range(workers)}, "late": late})
    with building(tmp_path) as process:
        pids = _pids(tmp_path, 2 * workers)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert "KeyboardInterrupt" in errors and process.returncode == -signal.SIGINT
        assert not [pid for pid in pids if _alive(pid)]
        assert (tmp_path / "s0/bye").exists() is not stubborn, "it is asked before it is killed"
        assert not (tmp_path / "late/out").exists()
