"""Sessions of nox and what reads files: commands with something missing."""

from __future__ import annotations

from pathlib import Path

from sophia_preflight.engine import check

NOX = """\
import nox


@nox.session
def tests(session):
    session.install("-r", "requirements/tests.txt")
    session.run_always("tools/build.sh", external=True)
    session.run("python", "tools/made.py", *session.posargs)
    session.run("pytest")
"""


def messages(place: Path) -> list[str]:
    return sorted(each.message for each in check(place).findings if each.blocking)


def test_what_a_session_of_nox_installs_and_runs_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").write_text(NOX)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "made.py").write_text("")
    (tmp_path / "requirements.txt").write_text("")
    assert messages(tmp_path) == [
        "`tools/build.sh` is called here and does not exist in `tools`",
        "the requirements that pip installs does not exist: `requirements/tests.txt` is not in `requirements`",
    ]


def test_files_that_sed_and_cat_read_have_to_be_there_and_what_is_made_need_not(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(
        "unit:\n"
        "\tsed 's|@P@|$(PREFIX)|' contrib/shop.service.in > shop.service\n"
        "\tcat shop.service deploy/gone.yaml\n"
        "\tsed -i s/a/b/ out.txt && cat /etc/os-release *.conf\n"
    )
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "web.yaml").write_text("a: 1\n")
    assert messages(tmp_path) == [
        "the file that is read does not exist: `contrib/shop.service.in` is not in `contrib`",
        "the file that is read does not exist: `deploy/gone.yaml` is not in `deploy`",
    ]
