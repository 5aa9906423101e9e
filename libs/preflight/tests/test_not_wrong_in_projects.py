"""Secrets and projects that look like a defect and are none, each beside what differs little from it and is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree
from sophia_preflight.model import Tree
from sophia_preflight.rules import committed_secret

_KEY = str(committed_secret.BAD[2]["service/account.json"]).split('"')[-2].replace("\\n", "\n")
_RANDOM = "Zq7KaXFstRKI9hTdWM7" + "DQq56GglRHf2HW7"
_WEBHOOK = "https://hooks.slack.com/services/" + "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"

PAIRS = {
    "a package that the build puts together of directories of other names": (
        """
        === pyproject.toml
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "shop-mesh"
        version = "1"
        [project.scripts]
        shop = "shop_mesh.cli.main:cli"
        [tool.hatch.build.targets.wheel]
        packages = ["src/shop_mesh"]
        [tool.hatch.build.targets.wheel.force-include]
        "cli" = "shop_mesh/cli"
        === src/shop_mesh/__init__.py
        === cli/__init__.py
        === cli/main.py
        def cli(): pass
        """,
        """
        === pyproject.toml
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "shop-mesh"
        version = "1"
        [project.scripts]
        shop = "shop_mesh.cli.main:cli"
        [tool.hatch.build.targets.wheel]
        packages = ["src/shop_mesh"]
        === src/shop_mesh/__init__.py
        === cli/__init__.py
        === cli/main.py
        def cli(): pass
        """,
    ),
    "a package whose directory is called otherwise": (
        """
        === setup.py
        from setuptools import setup
        NAME = "shop"
        setup(name="shops", packages=[NAME], package_dir={NAME: "src"},
              entry_points={"console_scripts": ["shop = shop.main:main"]})
        === src/__init__.py
        === src/main.py
        def main(): ...
        """,
        """
        === setup.py
        from setuptools import setup
        setup(name="shops", packages=["till"], package_dir={"": "src"},
              entry_points={"console_scripts": ["shop = shop.main:main"]})
        === src/__init__.py
        === src/main.py
        def main(): ...
        """,
    ),
    "a program of a host that is installed under the name of the package": (
        """
        === shop.service
        [Service]
        ExecStart=/usr/bin/python3 /usr/share/shop/mirror.py
        === shop/__init__.py
        === files/mirror.py
        """,
        """
        === shop.service
        [Service]
        ExecStart=/usr/bin/python3 /usr/share/shop/mirror.py
        === shop/__init__.py
        === files/mirrors.py
        """,
    ),
    "a program that is copied to where it is run": (
        """
        === setup.py
        import os, runpy
        runpy.run_path(os.path.join(os.path.dirname(__file__), "shop", "needs.py"))
        === shop/__init__.py
        === shop/needs.py
        === shop/files/setup.py
        import os, runpy
        runpy.run_path(os.path.join(os.path.dirname(__file__), "shop", "needs.py"))
        """,
        """
        === setup.py
        === shop/__init__.py
        === shop/needs.py
        === shop/files/setup.py
        import os, runpy
        runpy.run_path(os.path.join(os.path.dirname(__file__), "shop", "needs.py"))
        """,
    ),
    "an object that a template makes": (
        """
        === k8s/job.yaml
        apiVersion: batch/v1
        kind: Job
        metadata: {name: shop}
        spec:
          template:
            spec:
              restartPolicy: Never
              containers: [{name: shop, image: "shop:1", volumeMounts: [{name: told, mountPath: /told}]}]
              volumes: [{name: told, configMap: {name: shop-labels}}]
        === k8s/till.yaml
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: till}
        === k8s/set-up.yaml.j2
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: shop-labels
          namespace: {{ namespace }}
        """,
        """
        === k8s/job.yaml
        apiVersion: batch/v1
        kind: Job
        metadata: {name: shop}
        spec:
          template:
            spec:
              restartPolicy: Never
              containers: [{name: shop, image: "shop:1", volumeMounts: [{name: told, mountPath: /told}]}]
              volumes: [{name: told, configMap: {name: shop-labels}}]
        === k8s/till.yaml
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: till}
        === k8s/set-up.yaml.j2
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: shop-tables
          namespace: {{ namespace }}
        """,
    ),
    "what a program writes before it is packed": (
        """
        === nfpm.yaml
        name: shop
        contents:
          - {src: ./README.html, dst: /usr/share/doc/README.html}
        === bin/cross.go
        package main
        func main() { run("cp", "MANUAL.html", "README.html") }
        === go.mod
        module shop
        """,
        """
        === nfpm.yaml
        name: shop
        contents:
          - {src: ./README.html, dst: /usr/share/doc/README.html}
        === bin/cross.go
        package main
        func main() { run("cp", "MANUAL.html", "READ.html") }
        === go.mod
        module shop
        """,
    ),
    "a part of a namespace that a dependency brings": (
        """
        === pyproject.toml
        [project]
        name = "shop"
        dependencies = ["about.hashid"]
        === about/pipeline/__init__.py
        def begin(): ...
        === shop/__init__.py
        === shop/__main__.py
        from about import hashid
        from about.pipeline import begin
        """,
        """
        === pyproject.toml
        [project]
        name = "shop"
        dependencies = ["hashing"]
        === about/pipeline/__init__.py
        def begin(): ...
        === shop/__init__.py
        === shop/__main__.py
        from about import hashid
        from about.pipeline import begin
        """,
    ),
    "a name of one of several modules": (
        """
        === start.sh
        python -c "
        from models import Base
        Base.create()"
        === server/models/__init__.py
        class Base: ...
        === client/models.py
        class Till: ...
        """,
        """
        === start.sh
        python -c "
        from models import Base
        Base.create()"
        === server/models/__init__.py
        class Shop: ...
        === client/models.py
        class Till: ...
        """,
    ),
    "the name of what a service keeps": (
        """
        === settings.kts
        token = "credentialsJSON:1312c856-0e13-4b04-8c40-ac26d4a5f700"
        """,
        """
        === settings.kts
        token = "Zq7KaXFstRKI9hTdWM7DQq56GglRHf2HW7"
        """,
    ),
    "a password that stands for one": (
        """
        === form.php
        $dummyPassword = '_web_form_5847ed1B5b8caQ';
        """,
        """
        === form.php
        $adminPassword = '_web_form_5847ed1B5b8caQ';
        """,
    ),
    "a key that a test is made with": (
        f"""
        === tls/pair.go
        var testKey = []byte(`
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        `)
        """,
        f"""
        === tls/pair.go
        var signingKey = []byte(`
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        `)
        """,
    ),
    "a parser that another module fills": (
        """
        === run.sh
        shop analyze blame
        === pyproject.toml
        [project]
        name = "shop"
        scripts = {shop = "shop.main:main"}
        === shop/__init__.py
        === shop/main.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            analyze = parser.add_subparsers().add_parser("analyze")
            from shop.analyze import get_parser as analyze_parser

            analyze_parser(analyze)
            parser.parse_args()
        === shop/analyze.py
        import argparse


        def get_parser(parser=None):
            if not parser:
                parser = argparse.ArgumentParser()
            parser.add_argument("what")
            return parser
        """,
        """
        === run.sh
        shop analyze blame
        === pyproject.toml
        [project]
        name = "shop"
        scripts = {shop = "shop.main:main"}
        === shop/__init__.py
        === shop/main.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            analyze = parser.add_subparsers().add_parser("analyze")
            from shop.analyze import get_parser as analyze_parser

            analyze_parser(analyze)
            parser.parse_args()
        === shop/analyze.py
        import argparse


        def get_parser(parser=None):
            if not parser:
                parser = argparse.ArgumentParser()
            parser.add_argument("--what")
            return parser
        """,
    ),
    "a webhook in a comment that says what one looks like": (
        f"""
        === plugins/chat.py
        # You will get an address that looks something like this:
        #   {_WEBHOOK}
        """,
        f"""
        === plugins/chat.py
        # The channel of production:
        #   {_WEBHOOK}
        """,
    ),
    "a token for what runs on one's own machine": (
        f"""
        === shop.conf
        [graphs]
        url = https://graphs.shop.dev

        [influxdb2]
        host = localhost
        token = {_RANDOM}
        """,
        f"""
        === shop.conf
        [graphs]
        host = localhost

        [influxdb2]
        token = {_RANDOM}
        """,
    ),
    "a key that every copy of a program reports with": (
        f"""
        === shop/telemetry.py
        TOKEN = "{_RANDOM}"
        """,
        f"""
        === shop/payments.py
        TOKEN = "{_RANDOM}"
        """,
    ),
    "what an installed program shows to a service": (
        f"""
        === login/flow.go
        var oauthClientSecret = "{_RANDOM}"
        """,
        f"""
        === login/flow.yaml
        oauthClientSecret: {_RANDOM}
        """,
    ),
    "a program of an environment that was just made": (
        """
        === README.md
        ```bash
        python3 -m venv shop
        shop/bin/shop --help
        ```
        === shop/bin/other
        """,
        """
        === README.md
        ```bash
        python3 -m pip shop
        shop/bin/shop --help
        ```
        === shop/bin/other
        """,
    ),
    "a package that a module of ours is only called like": (
        """
        === shop/export/robot.py
        SCRIPT = "print(1)"
        === shop/export/run.py
        import subprocess
        subprocess.run(["python", "-c", "from robot.data import load"], check=True)
        === shop/__init__.py
        === shop/export/__init__.py
        """,
        """
        === shop/export/robot/__init__.py
        SCRIPT = "print(1)"
        === shop/export/run.py
        import subprocess
        subprocess.run(["python", "-c", "from robot.data import load"], check=True)
        === shop/__init__.py
        === shop/export/__init__.py
        """,
    ),
    "a key that only a test names": (
        f"""
        === src/ca/alice.key
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        === src/ca/generate.sh
        openssl genrsa -out alice.key
        === src/test-server.c
        static const char *key = "ca/alice.key";
        === Makefile.am
        EXTRA_DIST = src/ca/alice.key
        """,
        f"""
        === src/ca/alice.key
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        === src/ca/generate.sh
        openssl genrsa -out alice.key
        === src/server.c
        static const char *key = "ca/alice.key";
        === Makefile.am
        EXTRA_DIST = src/ca/alice.key
        """,
    ),
    "a command that a package among the requirements brings": (
        """
        === setup.cfg
        [metadata]
        name = shop
        [options.entry_points]
        console_scripts =
            shop-rootwrap = slow_rootwrap.cmd:main
        === requirements.txt
        slow.rootwrap>=1
        === shop/__init__.py
        """,
        """
        === setup.cfg
        [metadata]
        name = shop
        [options.entry_points]
        console_scripts =
            shop-rootwrap = slow_rootwrap.cmd:main
        === requirements.txt
        slow.messaging>=1
        === shop/__init__.py
        """,
    ),
    "names that another module gives to a package": (
        """
        === shop/__init__.py
        === shop/objects/__init__.py
        === shop/objects/base.py
        from shop import objects


        def register(each):
            setattr(objects, each.__name__, each)
        === shop/main.py
        from shop.objects import Node
        """,
        """
        === shop/__init__.py
        === shop/objects/__init__.py
        === shop/objects/base.py
        from shop import objects


        def register(each):
            setattr(each, "objects", objects)
        === shop/main.py
        from shop.objects import Node
        """,
    ),
    "a file whose name a function of setup.py puts together": (
        """
        === setup.py
        from setuptools import setup


        def get_requirements(name):
            return open("requirements/" + name).read().split()


        setup(name="shop", install_requires=get_requirements("default.txt"))
        === requirements/default.txt
        """,
        """
        === setup.py
        from setuptools import setup


        def get_requirements(name):
            return open(name).read().split()


        setup(name="shop", install_requires=get_requirements("default.txt"))
        === requirements/default.txt
        """,
    ),
    "a program that a page has hatch run": (
        """
        === README.md
        ```sh
        hatch run cowsay hello
        ```
        === pyproject.toml
        [project]
        name = "shop"
        [tool.hatch.envs.default.scripts]
        check = "ruff check"
        """,
        """
        === README.md
        ```sh
        hatch run chek hello
        ```
        === pyproject.toml
        [project]
        name = "shop"
        [tool.hatch.envs.default.scripts]
        check = "ruff check"
        """,
    ),
    "flags that a logger takes as it is begun": (
        """
        === go.mod
        module example.org/shop
        === main.go
        package main

        import (
        \t"flag"
        \t"example.net/other/dlog"
        )

        func main() {
        \tdlog.Init("shop")
        \t_ = flag.String("config", "", "")
        \tflag.Parse()
        }
        === try.sh
        go build -o shop . && ./shop -loglevel 3
        """,
        """
        === go.mod
        module example.org/shop
        === main.go
        package main

        import (
        \t"flag"
        \t"example.net/other/dlog"
        )

        func main() {
        \tdlog.Print("shop")
        \t_ = flag.String("config", "", "")
        \tflag.Parse()
        }
        === try.sh
        go build -o shop . && ./shop -loglevel 3
        """,
    ),
}
"""What is no defect, and the defect that it could be taken for."""


def _blocking(root: Path, example: Tree) -> list[str]:
    for path, text in example.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return [f"{each.place}: {each.message}" for each in engine.check(root).blocking]


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, tmp_path: Path) -> None:
    assert _blocking(tmp_path, tree(PAIRS[what][0])) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, tmp_path: Path) -> None:
    assert _blocking(tmp_path, tree(PAIRS[what][1]))


@pytest.mark.parametrize("kept", [False, True])
def test_hidden_files_of_a_tree_that_has_none_were_left_out_when_it_was_packed(kept: bool, tmp_path: Path) -> None:
    files = {f"pages/{number}.txt": "" for number in range(40)} | {"Makefile": "all:\n\tsh .ci/begin.sh\n"}
    assert bool(_blocking(tmp_path, files | ({".editorconfig": ""} if kept else {}))) is kept


def test_files_of_a_project_that_it_does_not_have_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n[project.scripts]\nshop = "shop:main"\n')
    (tmp_path / "shop.py").write_text("def main():\n    pass\n")
    assert [each.rule for each in engine.check(tmp_path).findings] == []
