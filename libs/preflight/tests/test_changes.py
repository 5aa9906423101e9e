"""What the last commits took away, read from a real repository of git."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from sophia_preflight import engine, history
from sophia_preflight.cache import Cache
from sophia_preflight.changes import Changes
from sophia_preflight.mentions import Mentions
from sophia_preflight.model import Compared, Finding, Lacking, Verdict
from sophia_preflight.outputs import github, json
from sophia_preflight.outputs.text import rendered
from sophia_preflight.repository import Repository

SCRIPT = "import sys\nprint(sys.argv)\nprint('words')\nprint('more')\n"


def git(root: Path, *words: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    return subprocess.run(command, cwd=root, check=True, env=environment, capture_output=True, text=True).stdout


def commit(root: Path, **files: str) -> None:
    for path, text in files.items():
        (root / path.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.replace("__", "/")).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "change")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    commit(tmp_path, tools="", jobs='start = ["tools.d/words.py"]\n')
    (tmp_path / "tools").unlink()
    (tmp_path / "jobs").rename(tmp_path / "jobs.toml")
    (tmp_path / "tools.d").mkdir()
    (tmp_path / "tools.d/words.py").write_text(SCRIPT)
    commit(tmp_path)
    return tmp_path


@pytest.fixture
def shallow(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the one commit in which a script is renamed."""
    git(shop, "mv", "tools.d/words.py", "tools.d/count.py")
    commit(shop)
    made = tmp_path_factory.mktemp("shallow") / "shop"
    git(shop, "clone", "-q", "--depth", "1", f"file://{shop}", str(made))
    return made


def stale(root: Path, *, since: str = "", cache: Cache | None = None) -> list[Finding]:
    return [each for each in engine.check(root, since=since, cache=cache).findings if each.rule.startswith("stale-")]


def test_a_file_that_a_commit_renames_is_missed_where_its_old_name_stays(shop: Path) -> None:
    assert stale(shop) == []
    git(shop, "mv", "tools.d/words.py", "tools.d/count.py")
    commit(shop)
    (found,) = stale(shop)
    assert "it became `tools.d/count.py`" in found.message
    assert [str(each.place) for each in found.places] == ["jobs.toml:1:19", "tools.d/count.py:1:1"]


def test_what_is_not_committed_yet_counts_too(shop: Path) -> None:
    (shop / "tools.d/words.py").unlink()
    (found,) = stale(shop)
    assert found.blocking
    assert "became" not in found.message


def test_a_use_is_as_old_as_the_name_though_its_file_has_changed(shop: Path) -> None:
    (shop / "tools.d/words.py").unlink()
    commit(shop, **{"jobs.toml": 'start = ["--fast", "tools.d/words.py"]\n'})
    assert len(stale(shop)) == 1
    commit(shop, **{"jobs.toml": 'start = ["--fast", "tools.d/words.py"]\nmore = ["tools.d/words.py"]\n'})
    assert stale(shop, since="HEAD~2") == []


def test_a_folder_that_moved_as_a_whole_is_one_finding_whoever_asks_for_what_was_in_it(shop: Path) -> None:
    commit(shop, **{"tools.d/more.py": "x = 1\n" * 9, "a.toml": 'a = "tools.d/words.py"\nb = "tools.d/more.py"\n'})
    git(shop, "mv", "tools.d", "tools.e")
    commit(shop)
    (found,) = stale(shop)
    assert "`tools.d` is asked for here" in found.message
    assert [(each.place.path, each.place.line) for each in found.places] == [
        ("a.toml", 1),
        ("a.toml", 2),
        ("jobs.toml", 1),
    ]


def test_a_port_that_changed_is_one_finding_whoever_speaks_to_it(shop: Path) -> None:
    asking = 'url = "http://127.0.0.1:8111"\n'
    commit(shop, **{"server.lua": "port = 8111\n", "one.lua": asking, "two.lua": asking})
    commit(shop, **{"server.lua": "port = 8112\n"})
    (found,) = stale(shop)
    assert [each.place.path for each in found.places] == ["one.lua", "two.lua", "server.lua"]


def test_a_file_of_a_common_name_is_asked_for_by_its_folder_too(shop: Path) -> None:
    many = {f"part{each}.lua": 'image = "x.Dockerfile" .. "Dockerfile"\n' for each in range(14)}
    commit(shop, **{"infra__Dockerfile": "FROM alpine\nRUN true\n", "build.conf": "build infra/Dockerfile\n"} | many)
    commit(shop, **{"all.conf": "run infra*/Dockerfile\n"})
    git(shop, "mv", "infra/Dockerfile", "infra/Containerfile")
    commit(shop)
    (found,) = stale(shop)
    assert [each.place.path for each in found.places] == ["build.conf", "infra/Containerfile"]


def test_what_another_rule_tells_is_not_told_twice(shop: Path) -> None:
    commit(shop, **{"run.sh": "python tools.d/words.py\n"})
    (shop / "tools.d/words.py").unlink()
    places = [(each.rule, each.place.path) for each in engine.check(shop).findings if each.blocking]
    assert sorted(places) == [("missing-script", "run.sh"), ("stale-path", "jobs.toml")]


def test_a_change_in_one_place_is_told_by_the_rule_that_knows_more(shop: Path) -> None:
    def told(**files: str) -> list[str]:
        commit(shop, **files)
        return [each.rule for each in engine.check(shop).findings if each.blocking]

    told(**{"run.sh": "python tools.d/words.py\n", "a.hcl": 'name = "word-store"\n', "b.hcl": 'to = "word-store"\n'})
    assert told(**{"run.sh": "python tools.d/wordy.py\n"}) == ["missing-script"]
    assert told(**{"run.sh": "true\n", "jobs.toml": 'start = ["tools.d/wordy.py"]\n'}) == ["unmet-path"]
    assert told(**{"jobs.toml": 'start = ["tools.d/words.py"]\n', "b.hcl": 'to = "word-store"\nin = "tools.d"\n'}) == []
    assert told(**{"b.hcl": 'to = "word-store"\nin = "tool.d"\n'}) == ["changed-path"]
    assert told(**{"jobs.toml": 'start = ["tools.d/words.py"]\n', "b.hcl": 'to = "words-store"\n'}) == ["lone-change"]


def test_what_came_back_is_not_gone(shop: Path) -> None:
    git(shop, "mv", "tools.d/words.py", "tools.d/count.py")
    commit(shop)
    git(shop, "mv", "tools.d/count.py", "tools.d/words.py")
    commit(shop)
    assert stale(shop) == []


def test_an_old_change_is_seen_since_a_revision_that_is_older(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "DEPTHS", (1, 0))
    first = git(shop, "rev-parse", "HEAD").strip()
    git(shop, "mv", "tools.d/words.py", "tools.d/count.py")
    commit(shop)
    commit(shop, other="text\n")
    assert stale(shop) == []
    assert len(stale(shop, since=first)) == 1


def test_a_change_of_nearly_everything_is_compared_with_less_far_back(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(shop, **{f"file{number}": "one\n" for number in range(8)})
    commit(shop, **{f"file{number}": "two\n" for number in range(8)})
    git(shop, "mv", "tools.d/words.py", "tools.d/count.py")
    commit(shop)
    monkeypatch.setattr(history, "MOST_CHANGED", 5)
    monkeypatch.setattr(history, "DEPTHS", (2, 1, 0))
    past = history.past(Repository(shop))
    assert past.compared.revision == git(shop, "rev-parse", "HEAD~1").strip()
    assert len(stale(shop)) == 1
    monkeypatch.setattr(history, "MOST_CHANGED", 0)
    assert history.past(Repository(shop)).compared.revision == git(shop, "rev-parse", "HEAD").strip()


def test_without_git_and_without_commits_there_is_no_past(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text(SCRIPT)
    assert history.past(Repository(tmp_path)) == history.Past(compared=Compared(lacking=Lacking.REPOSITORY))
    git(tmp_path, "init", "-q")
    assert history.past(Repository(tmp_path)) == history.Past(compared=Compared(lacking=Lacking.COMMITS))
    assert history.commits(tmp_path) == ()


def test_a_clone_of_one_commit_knows_only_what_is_not_committed(shop: Path, shallow: Path) -> None:
    assert stale(shallow) == []
    (shallow / "tools.d/count.py").unlink()
    assert history.past(Repository(shallow)).texts.keys() == {"tools.d/count.py"}


def test_a_clone_of_one_commit_is_said_to_have_no_past_until_more_is_fetched(
    shallow: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = tmp_path_factory.mktemp("cache") / "kept"
    for _ in range(2):
        report = engine.check(shallow, cache=Cache(kept))
        assert report.compared is not None
        assert report.compared.lacking is Lacking.FETCHED
        assert report.verdict is Verdict.CLEAN
        assert [each.what for each in report.not_assessed] == ["what the last commits took away"]
        assert "::notice title=not assessed::what the last commits took away" in github.rendered(report)
        assert "fetch-depth: 50" in rendered(report)
    git(shallow, "fetch", "-q", "--unshallow")
    report = engine.check(shallow, cache=Cache(kept))
    assert report.blocking
    assert report.not_assessed == ()
    assert "compared with the last 2 commits, " in rendered(report)


def test_what_a_tree_was_compared_with_is_said(shop: Path) -> None:
    head, first = (git(shop, "rev-parse", each).strip() for each in ("HEAD", "HEAD~1"))
    assert json.plain(engine.check(shop))["compared"] == {"revision": first, "commits": 1, "lacking": ""}
    since = engine.check(shop, since="HEAD")
    assert since.compared == Compared(head)
    assert f" compared with {head[:10]}, " in rendered(since)
    assert json.plain(engine.check(shop, rules=["missing-script"]))["compared"] is None
    assert engine.check(shop, since="nowhere").compared == Compared(lacking=Lacking.REVISION)


def test_a_first_commit_and_a_tree_without_git_have_nothing_that_was_taken_away(shop: Path) -> None:
    git(shop, "checkout", "-q", "--orphan", "anew")
    commit(shop)
    for lacking in (Lacking.EARLIER, Lacking.REPOSITORY):
        report = engine.check(shop)
        assert report.compared is not None
        assert report.compared.lacking is lacking
        assert report.not_assessed == ()
        assert "compared" not in rendered(report)
        shutil.rmtree(shop / ".git", ignore_errors=True)


@pytest.mark.parametrize(("name", "value"), [("PATH", ""), ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")])
def test_a_git_that_is_not_there_or_may_not_read_is_said_not_to_answer(
    name: str, value: str, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    report = engine.check(shop)
    assert report.compared == Compared(lacking=Lacking.GIT)
    assert "safe.directory" in report.not_assessed[0].because


def test_commits_that_changed_nearly_everything_are_said_not_to_be_compared(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_CHANGED", 0)
    report = engine.check(shop)
    assert report.compared is not None
    assert report.compared.lacking is Lacking.ALIKE
    assert "--since" in report.not_assessed[0].because


def test_a_part_of_a_repository_is_compared_with_that_part(shop: Path) -> None:
    commit(shop, part__jobs="start tools/words.py\n", part__tools__words="x\n")
    (shop / "part/tools/words").rename(shop / "part/tools/words.py")
    commit(shop)
    (shop / "part/tools/words.py").unlink()
    part = Repository(shop / "part")
    assert Changes(part, lambda: history.past(part)).gone == {"tools/words": "", "tools/words.py": ""}


def test_what_git_ignores_now_is_made_and_not_gone(shop: Path) -> None:
    git(shop, "rm", "-q", "tools.d/words.py")
    commit(shop, **{".gitignore": "tools.d/\n"})
    assert stale(shop) == []


def test_a_remembered_answer_is_not_given_for_another_past(
    shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = tmp_path_factory.mktemp("cache") / "kept"
    git(shop, "mv", "tools.d/words.py", "tools.d/count.py")
    commit(shop)
    for _ in range(2):
        assert len(stale(shop, cache=Cache(kept))) == 1
    git(shop, "checkout", "-q", "--orphan", "anew")
    commit(shop)
    assert stale(shop, cache=Cache(kept)) == []


@pytest.mark.parametrize(
    ("path", "text", "lines"),
    [
        ("run.toml", "a = 'x/words.py'\n# words.py\nwords.pyc\nwords.py.in\nmy-words.py\nb = words.py\n", [1, 6]),
        ("run.js", "* 'words.py'\n/* 'words.py' */\nrun('words.py')\n", [3]),
        ("run.py", "'words.py'\nwords.py\n'the words.py of us all here'\n", [1]),
        ("run.py", '"""\n\'words.py\'\n"""\nrun("words.py")\n', [4]),
        ("run.sh", "echo words.py\necho x > words.py\npython words.py\n", [2, 3]),
        ("ci.yml", "- name: words.py\n  run: words.py\n", [2]),
        ("README.md", "words.py\n\n```sh\npython words.py\n# words.py\n```\n", [4]),
        ("README.md", "```\n├── words.py\n```\n", []),
        ("CHANGELOG.md", "```sh\npython words.py\n```\n", []),
        (".dockerignore", "words.py\n", []),
        ("notes.md", "```sh\npython words.py\n```\n", []),
    ],
)
def test_a_name_is_used_where_something_is_done_with_it(path: str, text: str, lines: list[int], tmp_path: Path) -> None:
    (tmp_path / path).write_text(text)
    found = Mentions(Repository(tmp_path)).of(["words.py"])
    assert [each.line for each in found.get("words.py", [])] == lines


def test_a_command_is_what_goes_on_and_what_is_listed_together(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("a\nrun \\\n  --one \\\n  --two\nb\n")
    (tmp_path / "c.yaml").write_text("x: 1\ncommand:\n  - run\n  - --one\ny: 2\n")
    found = {each.path: each for each in Mentions(Repository(tmp_path)).of(["--one"])["--one"]}
    assert found["run.sh"].lines == ("run \\", "  --one \\", "  --two")
    assert found["c.yaml"].lines == ("command:", "  - run", "  - --one")
    assert found["c.yaml"].before.split() == ["command:", "-", "run", "-"]


def test_a_name_of_many_files_is_no_name_of_one_thing(tmp_path: Path) -> None:
    for number in range(13):
        (tmp_path / f"{number}.toml").write_text("a = 'words.py'\n")
    assert Mentions(Repository(tmp_path)).of(["words.py"]) == {}
    assert len(Mentions(Repository(tmp_path)).of(["words.py"], most=None)["words.py"]) == 13


def test_an_option_whose_line_is_edited_again_and_again_is_not_lost(shop: Path) -> None:
    source = 'parser = add_parser("sync")\nparser.add_option("--shelf", help="{}")\nadd_parser("put", "--shelf")\n'
    commit(shop, **{"run.mk": "sync:\n\tshoptool sync --shelf 3\n"})
    for number in range(10):
        commit(shop, **{"shoptool/cli.rb": source.format(number)})
    assert stale(shop) == []
    commit(shop, **{"shoptool/cli.rb": source.format(3).replace('option("--shelf"', 'option("--row"')})
    (found,) = stale(shop)
    assert found.message.startswith("`shoptool/cli.rb` no longer has the option `--shelf`")


def test_files_of_one_folder_that_went_together_are_told_once(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    names = ("sell", "count", "weigh", "pack", "send")
    files = {f"shop__{each}.py": f"class {each.title()}: ...\n" * 3 for each in names}
    commit(tmp_path, **files, **{f"shop__{each}.yaml": f"path: ./{each}.py\n" for each in names})
    for each in names:
        (tmp_path / f"shop/{each}.py").unlink()
    commit(tmp_path)
    (found,) = [each for each in stale(tmp_path) if each.rule == "stale-path"]
    assert "4 more" in found.message
    assert {each.place.path for each in found.places} >= {f"shop/{each}.yaml" for each in names}
