"""`evident users`: who may sign in. The password is asked for, never an argument: those are seen by everybody."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.store import Store

NAME = "users"
HELP = "Add, list and remove the users who may sign in, and change their passwords and roles."
WHO = "command line"


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    for name, text in (
        ("add", "add a user; the password is asked for, or read from standard input"),
        ("list", "who there is"),
        ("remove", "remove a user and end their sessions"),
        ("password", "set another password and end their sessions"),
        ("role", "make somebody an admin or a reviewer"),
        ("deactivate", "let somebody in no longer, and end their sessions; what they did stays"),
        ("activate", "let somebody in again"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--data", help="folder of the database (default ./data or EVIDENT_DATA)")
        if name != "list":
            action.add_argument("name", metavar="NAME")
        if name == "add":
            action.add_argument("--role", choices=("reviewer", "admin"), default="reviewer")
        if name in ("add", "password"):
            action.add_argument(
                "--one-time",
                action="store_true",
                help="print a password for the first sign-in, at which its owner chooses another",
            )
        if name == "role":
            action.add_argument("role", choices=("reviewer", "admin"))


def run(args: argparse.Namespace) -> int:
    """Works on the database directly, also while a server runs. Raises BadParameter, Conflict, NotFound."""
    from backend.store import audit, users

    with open_store(args.data) as store:
        if args.action == "list":
            for user in users.all_users(store):
                away = "" if user.active else "\tnot active"
                print(f"{user.name}\t{user.role}{away}")
            return 0
        facts: dict[str, str | bool] = {}
        password = ""
        if args.action == "add":
            password = _password(args.name, args.one_time)
            args.name = users.add_user(store, args.name, password, args.role, args.one_time).name
            facts = {"role": args.role}
        elif args.action == "remove":
            users.remove_user(store, args.name)
        elif args.action == "password":
            password = _password(args.name, args.one_time)
            users.set_password(store, args.name, password, one_time=args.one_time)
        elif args.action in ("activate", "deactivate"):
            users.set_active(store, args.name, args.action == "activate")
        else:
            users.set_role(store, args.name, args.role)
            facts = {"role": args.role}
        if getattr(args, "one_time", False):
            facts["one_time"] = True
        audit.record(store, WHO, f"user.{args.action}", args.name, facts)
        if facts.get("one_time"):
            print(password)
        _remind(store)
    return 0


def _remind(store: Store) -> None:
    from backend.store import users

    if not any(user.is_admin for user in users.all_users(store)):
        print(
            "evident: there is no admin: evident users role NAME admin makes somebody one.", file=sys.stderr
        )


@contextmanager
def open_store(data: str | None) -> Iterator[Store]:
    """The database of the settings, or of another data folder; up to date."""
    from app.core.settings import load_settings
    from backend.api.startup import check_folder
    from backend.store import Store

    settings = load_settings(**({} if data is None else {"data": data}))
    check_folder(settings.data)
    store = Store(settings.database_url, settings.data)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


def _password(name: str, one_time: bool) -> str:
    """Made here; or typed twice at a terminal, else the first line of standard input. Raises BadParameter."""
    from app.core.errors import BadParameter
    from backend.store.users import one_time_password

    if one_time:
        return one_time_password()
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != password:
        raise BadParameter("The two passwords differ; nothing was changed.", field="password")
    return password
