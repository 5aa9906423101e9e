"""Which of an image's names are one image, and how sure that is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.model import Confidence

RULE = "image-under-another-name"


def said(root: Path, built: str, started: str, *more: str) -> list[Confidence]:
    (root / "Dockerfile").write_text("FROM alpine:3.22\n")
    (root / "build.sh").write_text(f"docker build -t {built} .\n" + "\n".join(more))
    (root / "docker-compose.yml").write_text(f"services:\n  api:\n    image: {started}\n")
    return [each.confidence for each in engine.check(root, rules=(RULE,)).findings]


@pytest.mark.parametrize(
    ("built", "started"),
    [
        ("api", "api:prod"),
        ("api:1.4", "api:1.5"),
        ("api", "docker.io/library/api:prod"),
        ("acme/api", "api"),
        ("registry.acme.example/api:stable", "registry.acme.example/api:prod"),
        ("registry.acme.example/shop/api", "registry.acme.example/api"),
        ("registry.acme.example:5000/api", "images.acme.example/api"),
        ("ghcr.io/acme/api:$TAG", "registry.acme.example/acme/api:1"),
        ("ghcr.io/acme/shop/api", "ghcr.io/acme/api"),
    ],
)
def test_the_repositorys_own_image_under_another_name_is_told(built: str, started: str, tmp_path: Path) -> None:
    assert said(tmp_path, built, started) == [Confidence.LIKELY]


@pytest.mark.parametrize(
    ("built", "started"),
    [
        ("acme/api:latest", "acme/api:stable"),
        ("registry.acme.example/api:latest", "registry.acme.example/api:1.4.2"),
        ("ghcr.io/acme/api", "acme/api"),
    ],
)
def test_what_others_may_have_pushed_is_a_guess(built: str, started: str, tmp_path: Path) -> None:
    assert said(tmp_path, built, started) == [Confidence.GUESS]


@pytest.mark.parametrize(
    ("built", "started"),
    [
        ("api", "docker.io/library/api:latest"),
        ("acme/postgres", "postgres:17"),
        ("api", "acme/api"),
        ("ghcr.io/acme/kibana", "ghcr.io/elastic/kibana"),
        ("ghcr.io/acme/shop/api", "ghcr.io/shop/api"),
        ("registry.acme.example/kibana", "docker.elastic.example.org/kibana"),
        ("$IMAGE", "api:1"),
        ('"${PREFIX}api"', "api:latest"),
        ('"$REGISTRY/acme/api"', "registry.acme.example/acme/api"),
        ("acme/api", "${REGISTRY:-}api:1"),
    ],
)
def test_what_is_or_may_be_the_same_name_or_anothers_image_is_not_told(
    built: str, started: str, tmp_path: Path
) -> None:
    assert said(tmp_path, built, started) == []


@pytest.mark.parametrize(
    "more",
    [
        "docker tag api api:prod",
        "docker load -i all.tar",
        "docker buildx bake",
        "pack build x",
        "/kaniko/executor --context . --destination api:prod",
        "docker build -t api:prod https://example.org/api.git",
    ],
)
def test_a_name_that_another_command_gives_is_there(more: str, tmp_path: Path) -> None:
    assert said(tmp_path, "api", "api:prod", more) == []


def test_a_name_in_a_file_that_is_not_followed_may_be_made_there(tmp_path: Path) -> None:
    (tmp_path / "release.hcl").write_text('image = "registry.acme.example/api:prod"\n')
    assert said(tmp_path, "registry.acme.example/api:1", "registry.acme.example/api:prod") == []


def test_where_builds_are_not_followed_it_is_a_guess(tmp_path: Path) -> None:
    (tmp_path / "Jenkinsfile").write_text("pipeline {}\n")
    assert said(tmp_path, "api", "api:prod") == [Confidence.GUESS]
