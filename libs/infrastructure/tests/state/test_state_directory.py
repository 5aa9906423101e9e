import ast
import errno
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_infrastructure.state import directory, schema
from sophia_infrastructure.state.ledger import SqlLedger


def refused(code, directory, clock) -> SophiaError:
    with pytest.raises(SophiaError) as caught:
        SqlLedger(directory, clock=clock)
    assert caught.value.code.name == code
    assert caught.value.hint
    return caught.value


def altered(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_directory_is_private_and_says_its_format(ledger):
    directory = ledger.path.parent
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "format").read_text() == "1\n"


def test_a_newer_format_is_refused(tmp_path, clock):
    (tmp_path / "format").write_text("2\n")
    assert "`2`" in refused("SPH-2007", tmp_path, clock).message
    assert [path.name for path in tmp_path.iterdir()] == ["format"]


def test_a_newer_database_is_refused_and_left_alone(tmp_path, clock):
    SqlLedger(tmp_path, clock=clock).close()
    altered(tmp_path / "state.db", "UPDATE alembic_version SET version_num = '9999'")
    assert "`9999`" in refused("SPH-2007", tmp_path, clock).message
    assert sqlite3.connect(tmp_path / "state.db").execute("SELECT * FROM alembic_version").fetchall() == [("9999",)]


def test_an_older_database_is_not_changed_under_a_living_engine(ledger, clock, monkeypatch):
    from sophia_infrastructure.state import upgrade

    ledger.claim(holder="old engine", lease_ms=1000)
    monkeypatch.setattr(upgrade, "REVISIONS", (*schema.REVISIONS, "0002"))
    assert "old engine" in refused("SPH-2001", ledger.path.parent, clock).message


def test_a_damaged_database_is_named(tmp_path, clock):
    SqlLedger(tmp_path, clock=clock).close()
    (tmp_path / "state.db").write_bytes(b"this is no database" * 1000)
    assert str(tmp_path / "state.db") in refused("SPH-2005", tmp_path, clock).message


def test_what_is_no_directory_cannot_be_used(tmp_path, clock):
    (tmp_path / "file").write_text("")
    refused("SPH-2004", tmp_path / "file", clock)
    (tmp_path / "state.db").mkdir()
    refused("SPH-2004", tmp_path, clock)


def test_what_cannot_be_written_whole_leaves_nothing(tmp_path, clock, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    refused("SPH-2002", tmp_path, clock)
    assert [path.name for path in tmp_path.iterdir()] == [".gitignore"]


def test_two_may_prepare_it_at_once(tmp_path, monkeypatch):
    replace = Path.replace

    def overtaken(new, path):
        monkeypatch.setattr(Path, "replace", replace)
        directory.prepare(tmp_path)
        return replace(new, path)

    monkeypatch.setattr(Path, "replace", overtaken)
    directory.prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "format"]


def test_the_migrations_make_the_tables_that_the_code_names(ledger):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with ledger._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_every_migration_is_known_by_name():
    folder = Path(schema.__file__).with_name("migrations") / "versions"
    named = [
        ast.literal_eval(node.value)
        for path in sorted(folder.glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "revision"
    ]
    assert tuple(named) == schema.REVISIONS


def test_a_current_database_is_opened_without_importing_alembic(tmp_path, clock):
    SqlLedger(tmp_path, clock=clock).close()
    program = (
        "import sys; from pathlib import Path; from sophia_infrastructure.state.ledger import SqlLedger;"
        "from sophia_infrastructure.clock import SystemClock; SqlLedger(Path(sys.argv[1]), clock=SystemClock());"
        "sys.exit('alembic' in sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program, tmp_path], env=environment, timeout=60, check=False)
    assert done.returncode == 0


def test_a_path_with_unusual_characters_works(tmp_path, clock):
    from sophia_infrastructure.state import audit

    directory = tmp_path / "a b%20c#d?e=ü"
    SqlLedger(directory, clock=clock).close()
    assert audit.verify(directory).seq == 0
    shutil.rmtree(directory)
