"""The mutants that `python -m benchmarks.check --mutants` draws of real repositories."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.check.links import links
from benchmarks.check.mutants import Answer, apply, asked, drawn, table
from benchmarks.check.trees import Tree

FILES = {
    "Makefile": "deploy: image\n\tbash scripts/push.sh\n\nimage:\n\tdocker build -t shop .\n",
    "scripts/push.sh": "#!/bin/bash\nset -eu\npython -m shop.cli --tag latest\n",
    "shop/__init__.py": "",
    "shop/cli.py": "import argparse\n\nfrom shop.stock import count\n\nparser = argparse.ArgumentParser()\n"
    "parser.add_argument('--tag')\nprint(parser.parse_args().tag, count())\n",
    "shop/stock.py": "def count():\n    return 1\n",
    "Dockerfile": "FROM python:3.12 AS base\nFROM base\nCOPY shop shop\n",
    ".github/workflows/ci.yml": "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n"
    "      - uses: actions/checkout@v4\n      - run: make deploy\n  publish:\n    needs: test\n"
    "    runs-on: ubuntu-latest\n    steps:\n      - run: bash scripts/push.sh\n",
    "README.md": "Use `make nothing`.\n\n    make deploy\n\n```\n$ make deploy\n```\n",
    "CHANGELOG.md": "```\n$ make deploy\n```\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)
    return root


def test_links_are_names_that_are_run_or_built_at_one_place_and_defined_at_another(repository: Path) -> None:
    found = {(each.kind, each.name, each.use.path) for each in links(Tree.of(repository))}
    assert found == {
        ("make target", "deploy", ".github/workflows/ci.yml"),
        ("make target", "deploy", "README.md"),
        ("make prerequisite", "image", "Makefile"),
        ("path", "scripts/push.sh", "Makefile"),
        ("path", "scripts/push.sh", ".github/workflows/ci.yml"),
        ("started module", "shop.cli", "scripts/push.sh"),
        ("imported module", "shop.stock", "shop/cli.py"),
        ("imported name", "count", "shop/cli.py"),
        ("option", "--tag", "scripts/push.sh"),
        ("stage", "base", "Dockerfile"),
        ("job", "test", ".github/workflows/ci.yml"),
    }


def test_a_mutant_changes_one_end_and_the_same_seed_draws_the_same(repository: Path) -> None:
    tree = Tree.of(repository)
    mutants = drawn(tree, number=8, seed=3)
    assert len(mutants) == 8 and mutants == drawn(tree, number=8, seed=3)
    assert {each.side for each in mutants} == {"use", "definition"}
    before = {path: (repository / path).read_text().split("\n") for path in tree.paths}
    apply(next(each for each in mutants if each.side == "use"), repository)
    after = {path: (repository / path).read_text().split("\n") for path in tree.paths}
    assert sum(a != b for path in before for a, b in zip(before[path], after[path], strict=True)) == 1


@pytest.mark.slow
def test_what_the_check_tells_of_a_mutant_is_counted_by_kind_and_side(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    answers = list(asked(repository, tmp_path / "scratch", each=3, seed=0))
    assert len(answers) == 3 and all(isinstance(each, Answer) for each in answers)
    assert sum(each.told == "found" for each in answers) >= 2
    assert table(answers)[-1].startswith("| all | both | 3 |")
