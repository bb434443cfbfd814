"""`evident users` and `evident audit`: passwords never on the command line, everything written down."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app import cli
from backend.store import Store, audit, users

PASSWORD = "correct horse battery"


def evident(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *argv: str, typed: str = ""
) -> Any:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    status = cli.main(argv)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_users_come_change_and_go(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    data = ("--data", str(tmp_path))

    def run(*argv: str, typed: str = "") -> Any:
        return evident(capsys, monkeypatch, "users", *argv, *data, typed=typed)

    status, out, err = run("add", "Zoë", typed=f"{PASSWORD}\n")
    assert (status, out) == (0, "")
    assert "no admin" in err
    assert run("add", "Ann", "--role", "admin", typed=PASSWORD) == (0, "", "")
    assert run("list") == (0, "Ann\tadmin\nZoë\treviewer\n", "")
    assert run("role", "zoë", "admin")[0] == 0
    status, given, _ = run("add", "Cleo", "--one-time")
    assert (status, len(given.strip())) == (0, 19)
    assert run("deactivate", "Cleo")[0] == 0
    assert "Cleo\treviewer\tnot active" in run("list")[1]
    assert run("activate", "Cleo")[0] == 0
    with closing(Store(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path)) as store:
        cleo = users.User("Cleo", "reviewer", one_time=True)
        assert users.user_with_password(store, "Cleo", given.strip()) == cleo
        assert given.strip() not in str(list(audit.oldest_first(store)))
    assert run("remove", "Cleo")[0] == 0
    for argv, typed, words in (
        (("add", "ann"), PASSWORD, "a user of that name already"),
        (("add", "Bob"), "short", "10 to 200 characters"),
        (("add", "x" * 41), PASSWORD, "1 to 40 characters"),
        (("remove", "Nobody"), "", "no user of that name"),
        (("password", "Nobody"), PASSWORD, "no user of that name"),
        (("role", "Nobody", "admin"), "", "no user of that name"),
    ):
        status, _, err = run(*argv, typed=typed)
        assert (status, words in err) == (2, True), err
        assert PASSWORD not in err
    assert run("remove", "Ann")[0] == 0
    with closing(Store(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path)) as store:
        assert users.user_with_password(store, "ZOË", PASSWORD) == users.User("Zoë", "admin")
        token = users.open_session(store, users.User("Zoë", "admin"))
        assert run("password", "Zoë", typed="another long one\n")[0] == 0
        assert users.user_of_session(store, token, users.Lifetime(100, 100)) is None
        assert users.user_with_password(store, "Zoë", PASSWORD) is None


def test_the_password_is_typed_twice_at_a_terminal(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    typed = iter([PASSWORD, PASSWORD, PASSWORD, "something else"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    assert cli.main(["users", "add", "Ann", "--role", "admin", "--data", str(tmp_path)]) == 0
    assert cli.main(["users", "add", "Bob", "--data", str(tmp_path)]) == 2
    assert "passwords differ" in capsys.readouterr().err


def test_the_log_is_exported_whole_and_harmless_to_a_spreadsheet(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:  # fmt: skip
    data = ("--data", str(tmp_path))
    evident(capsys, monkeypatch, "users", "add", "=cmd()", *data, typed=PASSWORD)
    with closing(Store(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path)) as store:
        for number in range(1100):
            audit.record(store, "Ann", "input.upload", f"{number:064x}", {"n": number})
    _, out, _ = evident(capsys, monkeypatch, "audit", "export", *data)
    lines = out.splitlines()
    assert lines[0] == "at,who,action,object,facts"
    assert len(lines) == 1102
    assert ",command line,user.add,'=cmd()," in lines[1]
    file = tmp_path / "log.jsonl"
    assert cli.main(["audit", "export", "--format", "jsonl", "--out", str(file), *data]) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["facts"].get("n") for row in rows] == [None, *range(1100)]
    assert rows[0]["at"].endswith("+00:00")
    assert cli.main(["audit", "export", "--out", str(tmp_path / "no" / "where"), *data]) == 2
