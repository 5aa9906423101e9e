"""What an image holds, as its Dockerfile tells: small repositories with one thing missing, and the same without."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight.engine import check
from sophia_preflight.examples import tree

SHOP = """
=== shop/__init__.py
=== shop/wsgi.py
app = object()
=== shop/settings.py
=== scripts/prepare
=== ci/package.json
{}
"""
WRONG = {
    "a directory that .dockerignore leaves out": """
        === Dockerfile
        FROM python:3.13
        WORKDIR /src
        COPY . .
        RUN cd ci && npm install
        === .dockerignore
        ci
    """,
    "a file without an ending that was moved": """
        === Dockerfile
        FROM debian:13
        COPY . /opt/shop
        RUN cp /opt/shop/prepare /usr/bin/prepare
    """,
    "a module with the configuration of gunicorn": """
        === Dockerfile
        FROM python:3.13
        WORKDIR /src
        COPY . .
        CMD ["gunicorn", "--config", "python:shop.configuration", "shop.wsgi:app"]
    """,
    "a module that another program runs": """
        === Dockerfile
        FROM python:3.13
        WORKDIR /src
        COPY shop ./shop
        ENTRYPOINT ["/usr/local/bin/kopf", "run", "-m", "shop.operator"]
    """,
    "constraints below a directory that was made before": """
        === Dockerfile
        FROM python:3.13
        RUN mkdir /srv && chown 1000 /srv
        COPY ./ /srv/source
        WORKDIR /srv/source
        RUN pip install flask --constraint constraints.txt
    """,
    "a project that .dockerignore leaves out": """
        === Dockerfile
        FROM python:3.13
        COPY . /srv
        WORKDIR /srv
        RUN python -m venv venv && venv/bin/pip install .
        === pyproject.toml
        [project]
        name = "shop"
        === .dockerignore
        pyproject.toml
    """,
    "what a link leads to": """
        === Dockerfile
        FROM debian:13
        COPY . /srv
        RUN ln -s /srv/shop/start.py /srv/start.py
    """,
    "a program that was built under another name": """
        === Dockerfile
        FROM golang:1.25 AS build
        COPY . .
        RUN go build -o /out/server ./...
        FROM scratch
        COPY --from=build /out/server /usr/local/bin/server
        ENTRYPOINT ["/usr/local/bin/api"]
    """,
}
RIGHT = {
    "a directory of which .dockerignore keeps something": WRONG["a directory that .dockerignore leaves out"]
    + "        !ci/package.json\n",
    "a program that lies beside the Dockerfile when it is built": """
        === Dockerfile
        FROM gcr.io/distroless/base-debian12
        ADD server /usr/local/bin/
        CMD ["/usr/local/bin/server"]
        === .gitignore
        /server
    """,
    "a project that is installed from where it was copied": """
        === Dockerfile
        FROM python:3.13
        RUN mkdir -p /srv/source
        COPY . /srv/source
        WORKDIR /srv/source
        RUN pip install . && ln -s /usr/bin/python3 /usr/local/bin/py && cat /proc/cpuinfo
        === setup.cfg
        [metadata]
        name = shop
    """,
    "programs of packages": """
        === Dockerfile
        FROM alpine:3.22
        RUN apk add --no-cache nginx && mkdir -p /run/nginx
        COPY ci /ci
        ENTRYPOINT ["/usr/sbin/nginx"]
    """,
    "what a script makes": """
        === Dockerfile
        FROM debian:13
        COPY scripts /scripts
        RUN /scripts/prepare
        ENTRYPOINT ["/usr/local/bin/shop", "/shop.conf"]
    """,
}


def blocking(place: Path, text: str) -> list[str]:
    for path, content in {**tree(SHOP), **tree(text)}.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    return [each.message for each in check(place).findings if each.blocking]


@pytest.mark.parametrize("what", WRONG)
def test_what_an_image_cannot_have_is_one_finding(what: str, tmp_path: Path) -> None:
    assert len(blocking(tmp_path, WRONG[what])) == 1


@pytest.mark.parametrize("what", RIGHT)
def test_what_an_image_may_have_is_let_through(what: str, tmp_path: Path) -> None:
    assert blocking(tmp_path, RIGHT[what]) == []
