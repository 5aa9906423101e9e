"""What Turborepo's answers mean, and which outputs may be emptied."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_deployment.build.turborepo import (
    Package,
    empty_outputs,
    package_of,
    program,
    read_packages,
    read_summary,
    run_command,
)

from tests.support.repository import commit, git, make_repository


def package(directory: str, *outputs: str, kept: tuple[str, ...] = ()) -> Package:
    return Package(f"@shop/{directory}", directory, "make", outputs, kept)


def test_the_repositorys_own_turborepo_is_called_else_npx(tmp_path):
    assert program(tmp_path) == ["npx", "--yes", "turbo"]
    own = tmp_path / "node_modules/.bin/turbo"
    own.parent.mkdir(parents=True)
    own.touch()
    assert run_command(program(tmp_path), ["b", "@x/a"]) == [
        *(str(own), "run", "build", "--summarize", "--no-color", "--filter=@x/a", "--filter=b")
    ]


def test_packages_with_a_build_are_read_with_the_outputs_that_lie_inside_them():
    def task(
        name: str, command: str, outputs: list[str] | None, excluded: list[str] | None = None
    ) -> dict[str, object]:
        directory = f"apps/{name}"
        shown = {"taskId": f"{name}#build", "package": name, "directory": directory, "command": command}
        return {**shown, "outputs": outputs, "excludedOutputs": excluded}

    answer = {
        "tasks": [
            task(
                "web",
                "next build",
                [".next/**", "out", "../../dist/web-*", "**/*.d.ts", "*.js", "/tmp/x/**"],
                ["!.next/cache/**"],
            ),
            task("docs", "<NONEXISTENT>", ["dist/**"]),
            task("api", "make", None),
            {**task("x", "make", []), "taskId": "x#generate"},
        ]
    }
    assert read_packages(answer) == [
        Package("web", "apps/web", "next build", ("apps/web/.next", "apps/web/out"), ("apps/web/.next/cache",)),
        Package("api", "apps/api", "make", (), ()),
    ]


def test_a_services_package_is_the_one_it_lies_in():
    known = [package("apps/web"), package("apps/web/admin"), package("")]
    assert package_of("apps/web", known) == known[0]
    assert package_of("apps/web/admin/src", known) == known[1]
    assert package_of(".", known) == known[2]
    assert package_of("services/other", known) is None


def test_how_it_went_is_read_from_the_summary():
    task = {"package": "a", "directory": "apps/a", "command": "make", "logFile": "apps/a/log"}
    ran = {**task, "cache": {"status": "MISS"}, "execution": {"startTime": 10, "endTime": 35, "exitCode": 2}}
    hit = {**task, "cache": {"status": "HIT"}, "execution": {"startTime": 10, "endTime": 10, "exitCode": 0}}
    never = {**task, "cache": {"status": "MISS"}}
    found = read_summary({"tasks": [ran, hit, never]})
    assert [(each.cached, each.exit, each.took_ms) for each in found] == [(False, 2, 25), (True, 0, 0), (False, 0, 0)]


# --- outputs --------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    make_repository(tmp_path)
    (tmp_path / ".gitignore").write_text("dist/\n.next/\n")
    for path in ("web/dist/assets/old.js", "web/.next/page.js", "web/.next/cache/deep/x", "web/src/main.js"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    commit(tmp_path, "all")
    return tmp_path


def left(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / "web").rglob("*") if path.is_file())


def test_outputs_that_git_ignores_are_emptied_but_a_tools_own_cache_is_not(repository):
    web = package("web", "web/dist", "web/.next", "web/missing", kept=("web/.next/cache",))
    assert empty_outputs(repository, [web]) == []
    assert left(repository) == ["web/.next/cache/deep/x", "web/src/main.js"]
    assert empty_outputs(repository, [web]) == []


def test_what_git_tracks_or_does_not_ignore_is_never_emptied(repository):
    git(repository, "add", "--force", "web/dist/assets/old.js")
    before = left(repository)
    assert empty_outputs(repository, [package("web", "web/dist", "web/src")]) == ["web/dist", "web/src"]
    assert left(repository) == before


def test_without_git_nothing_is_emptied(repository):
    (repository / ".git").rename(repository / "no git")
    before = left(repository)
    assert empty_outputs(repository, [package("web", "web/dist")]) == ["web/dist"]
    assert left(repository) == before


def test_a_link_is_not_emptied(repository, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").touch()
    (repository / ".gitignore").write_text("dist\n")
    (repository / "other").mkdir()
    (repository / "other/dist").symlink_to(elsewhere)
    assert empty_outputs(repository, [package("other", "other/dist")]) == ["other/dist"]
    assert (elsewhere / "precious").exists()
