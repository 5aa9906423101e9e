"""Builds with the real Turborepo: Sophia's own platform in a copy of this checkout, and small workspaces that fail."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from sophia_deployment.build import Progress, build
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.loading import load_checked
from sophia_infrastructure.artifacts import FileArtifacts
from sophia_infrastructure.places import Places

from tests.support.browser import program
from tests.support.checkout import TURBO, copy_checkout
from tests.support.repository import commit, make_repository

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program("node") is None, reason="no Node on this machine and none in .venv"),
    pytest.mark.skipif(not TURBO.exists(), reason="no turbo: run `npm ci`"),
]
MCP = ("mcp-gateway", "ai-memory", "code-quality")


def built(root: Path) -> tuple[dict[str, str], list[Progress]]:
    told: list[Progress] = []
    return build(load_checked(root / "sophia.yaml"), root, on_progress=told.append), told


def phases(told: list[Progress], phase: str) -> set[str | None]:
    return {each.service for each in told if each.phase == phase}


def listed(root: Path, digest: str) -> list[str]:
    store = FileArtifacts(Places.of(root / ".sophia"))
    store.check(digest)
    return sorted(str(path.relative_to(store.path(digest))) for path in store.path(digest).rglob("*") if path.is_file())


# --- our own platform -----------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # the copy has no `.venv`
    return copy_checkout(tmp_path / "a checkout")


def test_sophias_own_platform_is_built_once_and_then_only_what_changed(checkout: Path) -> None:
    first, told = built(checkout)
    assert phases(told, "built") == {"frontend", "api", *MCP}
    assert len({first[name] for name in MCP}) == 1
    assert listed(checkout, first["api"]) == ["dist/sophia_api-0.1.0-py3-none-any.whl", "requirements.lock"]
    assert "dist/index.html" in listed(checkout, first["frontend"])

    again, told = built(checkout)
    assert again == first
    assert phases(told, "cached") == {"frontend", "api", *MCP}

    (checkout / "apps/api/src/sophia_api/more.py").write_text("more = True\n")
    changed, told = built(checkout)
    assert phases(told, "built") == {"api"}
    assert {name for name in first if changed[name] != first[name]} == {"api"}


def test_what_an_earlier_build_left_in_dist_is_not_shipped(checkout: Path) -> None:
    first, _ = built(checkout)
    (checkout / "apps/frontend/dist/assets/old-5d41402a.js").write_text("an earlier page")
    (checkout / "apps/api/dist/sophia_api-0.0.9-py3-none-any.whl").write_text("an earlier wheel")
    assert built(checkout)[0] == first


def test_another_checkout_elsewhere_makes_the_same_bundles(checkout: Path, tmp_path: Path) -> None:
    assert built(checkout)[0] == built(copy_checkout(tmp_path / "other/place"))[0]


# --- small workspaces -----------------------------------------------------------------------------------------------


def workspace(root: Path, **scripts: str) -> Path:
    """An npm workspace with a package for each script, which has Turborepo as this checkout has it."""
    tools = root / "tools/turbo"
    tools.mkdir(parents=True)
    (tools / "turbo").write_text(f'#!/bin/sh\nexec "{TURBO}" "$@"\n')
    (tools / "turbo").chmod(0o755)
    _write(tools / "package.json", {"name": "turbo", "version": "2.0.0", "bin": {"turbo": "turbo"}})
    services = {}
    for name, script in scripts.items():
        (root / name).mkdir()
        _write(root / name / "package.json", {"name": name, "version": "1.0.0", "scripts": {"build": script}})
        services[name] = {"source": name, "bundle": {"run": ["true"], "include": ["dist"]}}
    package = {"name": "shop", "private": True, "workspaces": list(scripts), "packageManager": "npm@10.0.0"}
    _write(root / "package.json", {**package, "devDependencies": {"turbo": "file:tools/turbo"}})
    _write(root / "turbo.json", {"tasks": {"build": {"outputs": ["dist/**"]}}})
    described = {"platform": "shop", "services": services, "environments": {"local": {"edge": {"port": 1}}}}
    (root / "sophia.yaml").write_text(yaml.safe_dump(described))
    (root / ".gitignore").write_text("node_modules\ndist\n.turbo\n.sophia\n")
    make_repository(root)
    subprocess.run(["npm", "install", "--package-lock-only", "--offline"], cwd=root, check=True, timeout=60)
    commit(root, "all of it")
    return root


def _write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data))


MAKE = "mkdir -p dist && echo made > dist/file"


def test_npm_packages_are_installed_when_they_are_missing_or_stale_and_it_says_so(tmp_path: Path) -> None:
    root = workspace(tmp_path, web=MAKE)
    _, told = built(root)
    assert told[0] == Progress("installing", "installing npm packages, since nothing is installed")
    assert phases(built(root)[1], "installing") == set()
    shutil.rmtree(root / "node_modules/turbo", ignore_errors=True)
    (root / "node_modules/.package-lock.json").unlink()
    _, told = built(root)
    assert told[0].said == "installing npm packages, since `node_modules` is not what `package-lock.json` says"


def test_what_turborepo_does_not_know_is_built_by_its_own_commands(tmp_path: Path) -> None:
    root = workspace(tmp_path, web=MAKE)
    (root / "proxy").mkdir()
    described = yaml.safe_load((root / "sophia.yaml").read_text())
    own = {"source": "proxy", "build": ["sh", "-c", MAKE], "bundle": {"run": ["true"], "include": ["dist"]}}
    described["services"]["proxy"] = own
    (root / "sophia.yaml").write_text(yaml.safe_dump(described))
    digests, told = built(root)
    assert phases(told, "built") == {"web", "proxy"}
    assert digests["web"] == digests["proxy"]


def test_a_build_that_fails_under_turborepo_is_told_by_service_command_code_and_last_lines(tmp_path: Path) -> None:
    root = workspace(tmp_path, api="echo 'no such module: tea' >&2; exit 4", web=MAKE)
    with pytest.raises(SophiaError) as caught:
        built(root)
    error = caught.value
    assert error.code.name == "SPH-5101"
    assert error.message.startswith("`api` could not be built: `echo 'no such module: tea' >&2; exit 4` ended with ")
    assert "   | no such module: tea" in error.message.splitlines()
    assert "api/.turbo/turbo-build.log" in str(error.hint)
    assert not (root / ".sophia/artifacts").exists()


def test_settings_that_turborepo_refuses_are_told_in_its_words(tmp_path: Path) -> None:
    root = workspace(tmp_path, web=MAKE)
    (root / "turbo.json").write_text('{"pipeline": {}}')
    with pytest.raises(SophiaError, match="Turborepo cannot say what it would build") as caught:
        built(root)
    assert "pipeline" in caught.value.message


def test_no_node_is_told_before_anything_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = workspace(tmp_path, web=MAKE)
    monkeypatch.setattr("sophia_deployment.build.builders.node_home", lambda: None)
    with pytest.raises(SophiaError, match="SPH-5103"):
        built(root)


def test_a_node_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = workspace(tmp_path, web=MAKE)
    monkeypatch.setattr("sophia_deployment.build.builders.node_version", lambda _: (12, 22, 9))
    with pytest.raises(SophiaError, match=r"SPH-5103: Node 12\.22\.9 in `.*` is too old"):
        built(root)


BUILD = """
import sys
from pathlib import Path
from sophia_deployment.build import build
from sophia_deployment_core.loading import load_checked

root = Path(sys.argv[1])
build(load_checked(root / "sophia.yaml"), root)
"""


def test_ctrl_c_ends_turborepo_and_all_it_started(tmp_path: Path) -> None:
    root = workspace(tmp_path, web="sleep 60 & echo $$ $! > pid; wait")
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(root)], stderr=subprocess.DEVNULL)
    try:
        pids = _pids(root / "web/pid")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        assert not [pid for pid in pids if _alive(pid)]
    finally:
        process.kill()
        process.wait(20)


def _pids(file: Path) -> list[int]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if file.exists() and (words := file.read_text().split()):
            return [int(word) for word in words]
        time.sleep(0.02)
    raise AssertionError("the build did not start")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except OSError:
        return False
