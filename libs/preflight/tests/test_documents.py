"""What pages tell people to type: which text of them is a command, and where it is typed."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from sophia_preflight import engine
from sophia_preflight.calls import documents
from sophia_preflight.calls.model import Program, Script
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence
from sophia_preflight.text import shown


def typed(text: str, path: str = "README.md") -> list[str]:
    """The scripts that a page tells people to run."""
    trace, _ = documents.read(path, dedent(text))
    return [shown(call.target.path.value) for call in trace.calls if isinstance(call.target, Script)]


def findings(text: str, root: Path) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return [f"{each.rule} {each.place}" for each in engine.check(root).blocking]


@pytest.mark.parametrize(
    "block",
    [
        "```bash\n./x.sh\n```",
        "~~~ {.sh}\n./x.sh\n~~~",
        "```console\n(venv) $ ./x.sh\n./printed.sh\n```",
        "```text\n$ ./x.sh\n```",
        "```\n# first\n./x.sh\n```",
        "Do:\n\n    $ ./x.sh\n    ./printed.sh",
        "- one\n\n  ```sh\n  ./x.sh\n  ```",
        "Do:\n\n```./x.sh --fast```\n\nThen rest.",
        "1. one\n\n   ```bash ./x.sh --fast```",
    ],
)
def test_text_of_a_block_that_is_a_shells_is_typed(block: str) -> None:
    assert typed(block) == ["./x.sh"]


@pytest.mark.parametrize(
    "text",
    [
        "Run `./x.sh` some day.",
        "```python\n./x.sh\n```",
        "```console\n./x.sh\n```",
        "```\nusage: tool\n./x.sh\n```",
        "```bash\n./x.sh ...\n./path/to/x.sh\n./x.sh [one|two]\n```",
        "```bash\n# ./x.sh\n```",
        "```bash\n/data/\n    archive/\n        ./x.sh\n```",
        "```bash\nls -l\n| one | ./x.sh |\n| two | http://localhost |\n```",
        "```bash\npython tools\\x.py\n```",
        "```sh\n2024/03/25 19:27:41 listening\nsrc/main.c:12: error\n```",
        "```sh\n--file=deploy/x.sh\n```",
        "It no longer works:\n\n```bash\n./x.sh\n```",
        "# Old ways\n\n## First\n\n```bash\n./x.sh\n```",
        "<!--\n```bash\n./x.sh\n```\n-->",
    ],
)
def test_other_text_is_not_typed(text: str) -> None:
    assert typed(text) == []


def test_a_heading_of_the_same_level_ends_what_is_told_as_past() -> None:
    assert typed("## Legacy\n\n### One\n\n## Today\n\n```sh\n./x.sh\n```") == ["./x.sh"]


@pytest.mark.parametrize(
    "block",
    [
        ".. code-block:: bash\n\n   ./x.sh\n\nText.",
        ".. code:: console\n   :caption: so\n\n   $ ./x.sh\n   ./printed.sh",
        ".. code::\n   :number-lines:\n\n   ./x.sh",
        ".. note::\n\n   .. prompt:: bash $\n\n      ./x.sh",
        "Do this::\n\n    $ ./x.sh\n    ./printed.sh\n\n./prose.sh",
        "1. Do this::\n\n   $ ./x.sh\n\n2. And rest.",
        "Old\n===\n\nFirst\n-----\n\n::\n\n  $ ./a.sh\n\nNew\n===\n\n::\n\n  $ ./x.sh",
    ],
)
def test_text_of_a_literal_block_is_typed(block: str) -> None:
    assert typed(block, "docs/start.rst") == ["./x.sh"]


@pytest.mark.parametrize(
    "text",
    [
        "Run ``./x.sh``.",
        ".. code-block:: python\n\n   ./x.sh",
        "..\n   .. code-block:: bash\n\n      ./x.sh",
        ".. a comment\n\n   $ ./x.sh",
        "This no longer works::\n\n    $ ./x.sh",
        "Prints::\n\n    ./x.sh\n    done",
    ],
)
def test_other_text_of_restructured_pages_is_not_typed(text: str) -> None:
    assert typed(text, "README.rst") == []


def test_a_command_of_a_literal_block_is_shown_where_it_stands(tmp_path: Path) -> None:
    page = "=== README.rst\nShop\n====\n\nDo::\n\n    $ cd .\n    $ ./tools/gone.sh\n"
    assert findings(page + "=== tools/here.sh\n", tmp_path) == ["missing-script README.rst:7:7"]


def test_placeholders_are_unknown() -> None:
    assert typed("```sh\n./<name>.sh\n./{name}.sh\n./your-script.sh\n```") == ["./….sh", "./….sh", "./….sh"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("README.md", True),
        ("services/api/README.markdown", True),
        ("docs/guides/deploy.md", True),
        ("AGENTS.md", True),
        ("CHANGELOG.md", False),
        ("docs/decisions/0001-use-make.md", False),
        ("docs/releases/2.0.md", False),
        ("notes/today.md", False),
    ],
)
def test_pages_are_what_people_follow_and_not_what_tells_of_the_past(path: str, expected: bool) -> None:
    assert documents.is_page(path) is expected


def test_a_command_is_typed_where_it_works(tmp_path: Path) -> None:
    assert (
        findings(
            """
            === docs/start.md
            ```sh
            cd web
            ./build.sh
            ```

            ```sh
            ./serve.sh
            ./deploy/all.sh
            ```
            === web/build.sh
            === web/serve.sh
            === deploy/all.sh
            """,
            tmp_path,
        )
        == []
    )


def test_what_is_missing_is_told_where_the_page_says_it_and_as_likely(tmp_path: Path) -> None:
    said = findings("=== README.md\n```sh\ncd web\n./tools/gone.sh\n```\n=== web/tools/here.sh\n", tmp_path)
    assert said == ["missing-script README.md:3:1"]
    assert {each.confidence for each in engine.check(tmp_path).blocking} == {Confidence.LIKELY}


@pytest.mark.parametrize(
    "before",
    [
        "git clone https://github.com/others/engine && cd engine",
        "curl -L https://example.org/all.tar.gz | tar xz",
        "ssh host",
        "cd /srv/shop",
    ],
)
def test_a_command_that_is_typed_elsewhere_is_not_told(before: str, tmp_path: Path) -> None:
    remote = f"{before} ./tools/gone.sh" if before.startswith("ssh") else f"{before}\n./tools/gone.sh"
    ours = "=== tools/here.sh\n=== engine/tools/here.sh\n"
    assert findings(f"=== README.md\n```sh\n{remote}\n```\n{ours}", tmp_path) == []


PROJECT = """
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop.cli:main"
=== shop/__init__.py
"""
COMMAND = """
=== shop/cli.py
import click


@click.group()
def main():
    pass


@main.command()
@click.option("--port", type=int)
def serve(port):
    print(port)
"""


def test_an_installed_command_is_called_as_its_entry_point_allows(tmp_path: Path) -> None:
    said = findings(f"{PROJECT}{COMMAND}=== run.sh\nshop serve --port 80\nshop serve --host 0.0.0.0\n", tmp_path)
    assert said == ["unknown-argument run.sh:2:12"]


@pytest.mark.parametrize(("install", "expected"), [("pip install .", 1), ("pip install shop==1.0", 0)])
def test_an_image_has_the_command_as_it_is_here_if_it_installs_the_project(
    install: str, expected: int, tmp_path: Path
) -> None:
    image = f"=== Dockerfile\nFROM python:3.12\nWORKDIR /app\nCOPY . .\nRUN {install}\nUSER 1\nCMD shop stop\n"
    assert len(findings(f"{PROJECT}{COMMAND}{image}", tmp_path)) == expected


ADDS = "=== shop/more.py\nfrom shop.cli import main\n\n\n@main.command()\ndef stop():\n    pass\n"
OTHER = """
=== other/pyproject.toml
[project]
name = "other"
[project.scripts]
shop = "cart:main"
=== other/cart.py
import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.parse_args()
"""
NPM = '=== package.json\n{"scripts": {"go": "shop stop"}}\n'


@pytest.mark.parametrize("more", [ADDS, OTHER, NPM])
def test_a_command_that_may_be_another_or_more_refuses_nothing(more: str, tmp_path: Path) -> None:
    caller = "" if more == NPM else "=== run.sh\nshop stop\n"
    assert findings(f"{PROJECT}{COMMAND}{caller}{more.lstrip()}", tmp_path) == []


@pytest.mark.parametrize("first", ["sys.argv = [*shell()]", "if sys.argv[1:2] == ['x']:\n        return make()"])
def test_an_entry_point_that_sees_its_arguments_before_its_parser_refuses_nothing(first: str, tmp_path: Path) -> None:
    argparse = f"""
=== shop/cli.py
import argparse, sys


def main():
    {first}
    parser = argparse.ArgumentParser()
    parser.add_argument("--port")
    parser.parse_args(sys.argv[1:])
"""
    assert findings(f"{PROJECT}{argparse}=== run.sh\nshop --host x\n", tmp_path) == []
    (tmp_path / "shop/cli.py").write_text((tmp_path / "shop/cli.py").read_text().replace(first, "pass"))
    assert [each.rule for each in engine.check(tmp_path).blocking] == ["unknown-argument"]


_ONE_OF_TWO = """
=== docker-compose.yml
services: {web: {image: "nginx:1.29"}}
=== docs/cluster/docker-compose.yml
services: {node: {image: "nginx:1.29"}}
=== docs/cluster.rst
.. literalinclude:: cluster/docker-compose.yml

Then::

  $ docker compose exec WHAT ls
"""


def test_compose_is_typed_where_the_page_has_a_file_with_the_service(tmp_path: Path) -> None:
    assert findings(_ONE_OF_TWO.replace("WHAT", "node"), tmp_path / "one") == []
    assert findings(_ONE_OF_TWO.replace("WHAT", "other"), tmp_path / "two") == ["unknown-service docs/cluster.rst:5:25"]


def test_targets_of_another_branch_are_not_looked_for(tmp_path: Path) -> None:
    text = """
        === Makefile
        all:
        \ttrue
        === docs/cluster.md
        LEAD

        ```bash
        make cluster
        ```
    """
    here = text.replace("LEAD", "Here:")
    there = text.replace("LEAD", "It lies in the [branch](https://example.com/a/b/tree/cluster).")
    assert findings(here, tmp_path / "one") == ["missing-make-target docs/cluster.md:4:6"]
    assert findings(there, tmp_path / "two") == []


def test_options_that_nothing_ties_to_a_command_are_not_missed(tmp_path: Path) -> None:
    text = """
        === serve.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--port", required=True)
        parser.add_argument("--host")
        parser.parse_args()
        === README.md
        ```bash
        python serve.py --host a
          --port 80
        ```
    """
    assert findings(text, tmp_path) == []


_PROGRAM = """
=== pyproject.toml
[project]
name = "shop-tools"
[project.scripts]
shop-tools = "shop.cli:main"
=== shop/__init__.py
=== shop/cli.py
import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fast", action="store_true")
    parser.parse_args()


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    "page",
    [
        "=== shop/REPORT.md\n```bash\nuv run python -m shop.cli --slow\n```\n",
        "=== tests/README.md\n```bash\nshop-tools --slow\n```\n",
        "=== docs/tools.rst\n.. code:: console\n\n    # first\n    shop-tools --slow\n    shop-tools --fast\n",
    ],
)
def test_pages_that_tell_how_a_part_is_used_are_read(page: str, tmp_path: Path) -> None:
    assert [each.partition(" ")[0] for each in findings(_PROGRAM + page, tmp_path)] == ["unknown-argument"]


@pytest.mark.parametrize(
    "page",
    [
        "=== shop/PLAN.md\n```bash\nshop-tools --slow\n```\n",
        "=== docs/tools.rst\n.. code:: console\n\n    shop-tools --slow\n    error: it is unknown\n",
    ],
)
def test_pages_of_what_may_come_and_sessions_with_output_are_not(page: str, tmp_path: Path) -> None:
    assert findings(_PROGRAM + page, tmp_path) == []


_ASCIIDOC = """
=== docs/guide.adoc
= Guide

The listing

[source,sh]
----
shop --shelf 3
shop --board 3
----

and the paragraph

    $ shop --cupboard 3

and the output

....
shop --other 3
....

== Deprecated

[source,sh]
----
shop --old 3
----
"""
_SHELVES = """
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop:main"
=== shop.py
import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shelf")
    parser.parse_args()
"""


def test_commands_of_pages_in_asciidoc_are_read(tmp_path: Path) -> None:
    said = [each.partition(" ")[2].rsplit(":", 1)[0] for each in findings(_SHELVES + _ASCIIDOC, tmp_path)]
    assert said == ["docs/guide.adoc:8", "docs/guide.adoc:13"]


MAKES = """
=== Makefile
build:
\techo
=== docs/Makefile
SPHINXBUILD ?= sphinx-build
%: Makefile
\t@$(SPHINXBUILD) -M $@ source build
=== docs/source/install.rst
Install
=======

.. note::
    You can also do it
    with::

        make built

.. tip:: Or with::

      make builds

* one::

    make building

  - two

    .. code-block:: bash

       make buildings
       make html

"""


def test_blocks_within_directives_and_lists_are_read(tmp_path: Path) -> None:
    lines = [each.rpartition("install.rst:")[2].partition(":")[0] for each in findings(MAKES, tmp_path)]
    assert lines == ["8", "12", "16", "22"]


def test_makefiles_that_a_page_has_written_are_not_known(tmp_path: Path) -> None:
    page = "=== README.md\n```bash\nkubebuilder edit --plugins=helm/v2-alpha\nmake helm-deploy\n```\n"
    assert findings(f"=== Makefile\nbuild:\n\techo\n{page}", tmp_path / "one") == []
    assert findings(f"=== Makefile\nbuild:\n\techo\n{page.replace('kubebuilder', 'other')}", tmp_path / "two")


@pytest.mark.parametrize(
    ("synopsis", "count"),
    [
        ("./x.sh now [--more MORE] [--less]", 1),
        ("./x.sh <name> [--more <count>]", 1),
        ("./x.sh NAME [--one ONE] [--two TWO] [--three] [--four]", 1),
        ("./x.sh [one|two]", 0),
        ("./x.sh now ...", 0),
    ],
)
def test_a_synopsis_says_what_may_be_typed(synopsis: str, count: int) -> None:
    assert len(typed(f"```bash\n{synopsis}\n```")) == count


@pytest.mark.parametrize(("lead", "count"), [("What you chose isn't forever.", 1), ("Don't run this.", 0)])
def test_a_state_that_is_denied_forbids_nothing(lead: str, count: int) -> None:
    assert len(typed(f"{lead}\n\n```bash\n./x.sh --more\n```")) == count


@pytest.mark.parametrize("path", ["docs-src/run.md", "doc_site/a/b.mdx".replace("doc_", "docs_"), "tutorials/one.md"])
def test_folders_of_pages_have_many_names(path: str) -> None:
    assert documents.is_page(path)


def test_a_synopsis_in_a_block_of_no_language_is_one_of_a_program() -> None:
    trace, _ = documents.read("README.md", "```\nshop sell NAME [--one ONE] [--two TWO] [--three]\n```\n")
    (call,) = trace.calls
    assert isinstance(call.target, Program)
    assert [shown(each.value) for each in call.target.arguments] == [
        "sell",
        "…",
        "…",
        "--one",
        "…",
        "--two",
        "…",
        "--three",
    ]


TASKS = """
=== Makefile
test:
\tpytest
=== package.json
{"scripts": {"lint": "eslint ."}}
=== scripts/deploy.sh
#!/bin/sh
=== CONTRIBUTING.md
"""


def test_tasks_that_sentences_tell_people_to_run_are_typed(tmp_path: Path) -> None:
    told = "- Run `make tset` first.\n- `npm run lnit`: styles\n- Then start `./scripts/deploi.sh`.\n"
    assert sorted(findings(TASKS + told, tmp_path / "wrong")) == [
        "missing-make-target CONTRIBUTING.md:1:13",
        "missing-package-script CONTRIBUTING.md:2:12",
        "missing-script CONTRIBUTING.md:3:15",
    ]
    right = told.replace("tset", "test").replace("lnit", "lint").replace("deploi", "deploy")
    others = "Do not run `make tset`.\nWe had `make tset` once.\n- `scripts/deploi.sh`: how it is deployed\n"
    assert findings(TASKS + right + others, tmp_path / "right") == []


def test_tasks_in_sentences_of_restructured_pages_and_of_pages_of_the_forge_are_typed(tmp_path: Path) -> None:
    told = TASKS.replace("=== CONTRIBUTING.md\n", "")
    restructured = "=== docs/work.rst\nWork\n====\n\n* Run ``make tset`` first, not `make tests`.\n"
    forge = "=== .github/CONTRIBUTING.md\nRun `make tset` first.\n"
    assert findings(told + restructured, tmp_path / "rst") == ["missing-make-target docs/work.rst:4:14"]
    assert findings(told + forge, tmp_path / "forge") == ["missing-make-target .github/CONTRIBUTING.md:1:11"]
    issue = "=== .github/ISSUE_TEMPLATE/bug.md\nRun `make tset` first.\n"
    assert findings(told + issue, tmp_path / "issue") == []
