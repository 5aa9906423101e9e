"""Files that tell other systems what to run: each with something that is missing, and with nothing wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight.engine import check
from sophia_preflight.examples import tree

SCRIPT = """
=== ci/run.sh
#!/bin/sh
=== docker/api.Dockerfile
FROM debian:13
=== shop/__init__.py
=== shop/handlers.py
def main(event, context): ...
=== cmd/api/main.go
package main
=== k8s/web.yaml
kind: Service
"""
FILES = {
    ".circleci/config.yml": "jobs: {build: {steps: [checkout, {run: ci/RUN}, {run: {command: ./ci/RUN}}]}}",
    ".travis.yml": "script:\n  - ./ci/RUN\n  - make -C gone || true",
    "azure-pipelines.yml": "steps:\n  - script: ./ci/RUN\n  - script: .\\\\ci\\\\run.bat",
    ".drone.yml": "kind: pipeline\nsteps:\n  - {name: a, commands: [./ci/RUN]}",
    ".woodpecker/test.yml": "steps:\n  - {name: a, commands: [./ci/RUN]}",
    "bitbucket-pipelines.yml": "pipelines: {default: [{step: {script: [./ci/RUN]}}]}",
    "Taskfile.yml": "version: '3'\ntasks:\n  build: {}\n  ship: {cmds: [./ci/RUN, {task: build}, 'echo {{.NAME}}']}",
    "justfile": "ship:\n    ./ci/RUN\n    -./gone.sh\n    echo {{name}}",
    "Jenkinsfile": "stage('x') { steps { sh './ci/RUN' } }",
    ".pre-commit-config.yaml": "repos: [{repo: local, hooks: [{id: x, entry: ci/RUN, language: script}]}]",
    ".devcontainer/devcontainer.json": '{"postCreateCommand": "bash ci/RUN"}',
    "cloudbuild.yaml": "steps:\n  - {name: gcr.io/cloud-builders/docker, args: [build, -f, docker/DOCKER, .]}",
    "fly.toml": '[build]\n  dockerfile = "docker/DOCKER"',
    "render.yaml": "services: [{type: web, dockerfilePath: ./docker/DOCKER}]",
    "skaffold.yaml": "build: {artifacts: [{image: a, docker: {dockerfile: docker/DOCKER}}]}",
    "docker-bake.hcl": 'target "api" {\n  context = "."\n  dockerfile = "docker/DOCKER"\n}',
    ".goreleaser.yml": "builds: [{main: ./cmd/PROGRAM}]",
    ".goreleaser.yaml": "nfpms: [{scripts: {postinstall: ci/RUN}, contents: [{src: ci/RUN}, {dst: /b, type: dir}]}]",
    "goreleaser.yml": "archives: [{files: [ci/RUN, made/by.hook, 'docs/*']}]",
    "cloudbuild.yml": "steps:\n  - {name: 'gcr.io/${PROJECT_ID}/base', entrypoint: ./ci/RUN, args: [--all]}",
    "ci/cloudbuild.test.yaml": "steps:\n  - name: bash\n    script: |\n      set -e\n      ./ci/RUN",
    "buildspec.yml": "version: 0.2\nphases: {build: {commands: ['echo a', './ci/RUN']}}",
    ".gitpod.yml": "tasks: [{init: ./ci/RUN, command: 'true'}]",
    "lefthook.yml": "pre-commit: {commands: {lint: {run: './ci/RUN {staged_files}'}}}",
    "railway.json": '{"build": {"dockerfilePath": "docker/DOCKER"}, "deploy": {"startCommand": "./ci/RUN"}}',
    "serverless.yml": "provider: {runtime: python3.13}\nfunctions: {a: {handler: shop/HANDLER.main}}",
}
FORMS = [
    *FILES.items(),
    ("Jenkinsfile", "stage('x') { dir('ci') { sh(script: '''\n  ./RUN\n''', returnStdout: true) } }"),
    ("azure-pipelines.yml", "steps:\n  - {task: Bash@3, inputs: {filePath: ci/RUN, arguments: --all}}"),
    ("azure-pipelines.yml", "steps:\n  - task: Bash@3\n    inputs: {script: ./RUN, workingDirectory: ci}"),
    ("Taskfile.yml", "version: '3'\ntasks: {ship: {dir: ci, cmds: [./RUN]}}"),
    ("Taskfile.yml", "version: '3'\nvars: {AT: ci}\ntasks: {ship: '{{.AT}}/RUN'}"),
    ("justfile", 'at := "ci"\nship:\n    {{at}}/RUN'),
    (".devcontainer/devcontainer.json", '{"postStartCommand": ["bash", "ci/RUN"]}'),
    (".devcontainer/devcontainer.json", '{"postStartCommand": {"one": "bash ci/RUN"}}'),
    ("tasks.py", "from invoke import task\n\n@task\ndef ship(c):\n    with c.cd('ci'):\n        c.run('./RUN')\n"),
]
THERE = {"RUN": "run.sh", "DOCKER": "api.Dockerfile", "PROGRAM": "api", "HANDLER": "handlers"}
GONE = {"RUN": "start.sh", "DOCKER": "Dockerfile", "PROGRAM": "server", "HANDLER": "handling"}


def blocking(place: Path, path: str, text: str, names: dict[str, str]) -> list[str]:
    for mark, name in names.items():
        text = text.replace(mark, name)
    for each, content in {**tree(SCRIPT), path: text}.items():
        (place / each).parent.mkdir(parents=True, exist_ok=True)
        (place / each).write_text(content)
    return [each.places[0].place.path for each in check(place).findings if each.blocking]


@pytest.mark.parametrize(("path", "text"), FORMS)
def test_what_a_file_of_another_system_runs_and_reads_has_to_be_there(path: str, text: str, tmp_path: Path) -> None:
    assert set(blocking(tmp_path, path, text, GONE)) == {path}


@pytest.mark.parametrize(("path", "text"), FORMS)
def test_a_file_of_another_system_with_nothing_missing_is_let_through(path: str, text: str, tmp_path: Path) -> None:
    assert blocking(tmp_path, path, text, THERE) == []


def test_steps_of_jenkins_in_what_else_it_checks_out_are_not_followed(tmp_path: Path) -> None:
    text = "git url: 'https://elsewhere'\nsh './gone.sh'\n// sh './gone.sh'\n"
    assert blocking(tmp_path, "Jenkinsfile", text, {}) == []
