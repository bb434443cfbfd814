"""Rows, migrations, and which rows hold which blobs; on SQLite always, on PostgreSQL where a server is at
hand."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from app.core.errors import NotFound
from backend.store import InputRow, ModelRow, Store, database, tables
from backend.store.tables import metadata


@pytest.fixture
def store(database_url, tmp_path):
    store = Store(database_url, tmp_path / "data")
    store.migrate()
    yield store
    store.close()


def test_migrations_give_the_tables_of_the_code(store):
    """Alembic's own comparison of the migrated database with the metadata finds nothing."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(store):
    store.put_input(InputRow("i" * 64, "image", {"a": 1}, {}))
    store.migrate()
    assert store.input("i" * 64).meta == {"a": 1}


def test_a_database_of_today_opens_without_the_migration_tool(store, tmp_path):
    """It takes ten megabytes of the web process; and the newest file is what the tool itself calls the
    newest."""
    code = "import sys; from pathlib import Path; from backend.store import Store; Store(sys.argv[1], Path(sys.argv[2])).migrate(); print('alembic' in sys.modules)"
    url = store.engine.url.render_as_string(hide_password=False)
    run = subprocess.run(
        [sys.executable, "-c", code, url, str(tmp_path / "data")],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.stdout, run.stderr) == ("False\n", "")


def test_downgrade_and_up_again(store):
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with store.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    store.migrate()
    assert store.models() == []


def test_several_processes_migrate_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from backend.store import Store;"
        "store = Store(sys.argv[1], Path(sys.argv[2])); store.migrate(); print(len(store.models()))"
    )
    url, folder = f"sqlite:///{tmp_path / 'test.db'}", str(tmp_path / "data")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "0\n"), err


def test_inputs_come_back_and_go(store):
    sha = store.blobs.put(b"pixels")
    row = store.put_input(InputRow("a" * 64, "audio", {"name": "x", "rate": 8000}, {"canonical": sha}))
    assert (row.modality, row.meta["rate"], row.blobs) == ("audio", 8000, {"canonical": sha})
    assert row.created > 0
    store.delete_input("a" * 64)
    assert sha not in store.blobs
    for call in (store.input, store.delete_input):
        with pytest.raises(NotFound):
            call("a" * 64)


def test_the_first_row_of_an_input_stays(store):
    store.put_input(InputRow("a" * 64, "audio", {"n": 1}, {}))
    assert store.put_input(InputRow("a" * 64, "audio", {"n": 2}, {})).meta == {"n": 1}


def test_shared_bytes_stay_until_the_last_row_goes(store):
    sha = store.blobs.put(b"shared")
    for name in "ab":
        store.put_input(InputRow(name * 64, "image", {}, {"canonical": sha}))
    store.delete_input("a" * 64)
    assert sha in store.blobs
    store.delete_input("b" * 64)
    assert sha not in store.blobs


def test_models(store):
    sha = store.blobs.put(b"weights")
    row = ModelRow("upload:1", "Mine", "cnnexplain", ["yes", "no"], sha, {"card": 1})
    assert store.put_model(row).labels == ["yes", "no"]
    assert [found.key for found in store.models()] == ["upload:1"]
    store.delete_model("upload:1")
    assert sha not in store.blobs
    with pytest.raises(NotFound):
        store.model("upload:1")


def test_a_failed_transaction_leaves_nothing(store):
    def fails():
        with store.write() as connection:
            store.hold(connection, "input:x", {"canonical": store.blobs.put(b"x")})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    with store.engine.connect() as connection:
        assert store.references(connection, "input:x") == {}


def test_many_threads_write_without_a_locked_database(store):
    faults, sha = [], store.blobs.put(b"numbers")

    def work(number):
        try:
            for n in range(25):
                store.put_input(InputRow(f"{number:032x}{n:032x}", "image", {}, {"canonical": sha}))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM inputs")).scalar() == 150


def test_an_open_data_folder_is_closed_and_what_is_not_ours_stays(tmp_path):
    """As an earlier version, or another umask, left it."""
    folder = tmp_path / "data"
    (folder / "blobs" / "ab").mkdir(parents=True)
    (folder / "mine").mkdir()
    for path in (folder, folder / "blobs", folder / "blobs" / "ab"):
        path.chmod(0o755)
    for path in (folder / "blobs" / "ab" / "x", folder / "mine" / "run.sh", folder / "evident.db"):
        path.touch()
        path.chmod(0o755)
    store = Store(f"sqlite:///{folder / 'evident.db'}", folder)
    store.migrate()
    store.close()
    assert (folder / "mine" / "run.sh").stat().st_mode & 0o777 == 0o755
    for path in (folder, *(path for path in folder.rglob("*") if "mine" not in path.parts)):
        assert path.stat().st_mode & 0o077 == 0, path


def test_names_of_files_leave_an_older_database(store):
    from importlib import import_module

    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    meta = {"name": "CANARY.wav", "rate": 8000}
    payload = {
        "input": {"id": "a", "meta": meta},
        "inputs": [{"input": {"id": "b", "meta": {**meta, "sample": "s"}}}],
    }
    store.put_input(InputRow("a" * 64, "audio", meta, {}))
    with store.write() as connection:
        for kind in ("explanation", "decode"):
            values = {
                "key": kind,
                "kind": kind,
                "lane": "",
                "title": "",
                "client": "",
                "state": "done",
                "payload": payload,
            }
            numbers = dict.fromkeys(("rank", "turn", "attempts", "results", "created"), 0)
            connection.execute(tables.jobs.insert().values(**values, **numbers))
        with Operations.context(MigrationContext.configure(connection)):
            import_module("backend.store.migrations.versions.0003_names_are_not_kept").upgrade()
        rows = connection.execute(tables.jobs.select()).mappings().all()
    assert [row["kind"] for row in rows] == ["explanation"]
    assert rows[0]["payload"]["input"]["meta"] == {"name": "", "rate": 8000}
    assert rows[0]["payload"]["inputs"][0]["input"]["meta"]["name"] == "CANARY.wav"  # a bundled sample's own
    assert store.input("a" * 64).meta == {"name": "", "rate": 8000}
