"""`evident audit`: the log of who did what, for a file."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from datetime import UTC, datetime
from typing import IO

NAME = "audit"
HELP = "Export the log of who did what to which object, oldest first."
COLUMNS = ("at", "who", "action", "object", "facts")


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    export = actions.add_parser("export", help="write the whole log", description="Write the whole log.")
    export.add_argument("--out", help="file to write (default: standard output)")
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    export.add_argument("--data", help="folder of the database (default ./data or EVIDENT_DATA)")


def run(args: argparse.Namespace) -> int:
    """Raises InvalidInput where the file cannot be written."""
    from app.core.errors import InvalidInput

    if args.out is None:
        return _write(sys.stdout, args)
    try:
        with open(args.out, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            return _write(file, args)
    except OSError:
        raise InvalidInput("The file cannot be written; choose another with --out.", field="out") from None


def _write(file: IO[str], args: argparse.Namespace) -> int:
    from app.commands.users import open_store
    from app.core.text import spreadsheet_cell
    from backend.store import audit

    rows = csv.writer(file)
    if args.format == "csv":
        rows.writerow(COLUMNS)
    with open_store(args.data) as store:
        for entry in audit.oldest_first(store):
            at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds")
            facts = json.dumps(entry.facts, ensure_ascii=False, sort_keys=True)
            values = (at, entry.who, entry.action, entry.object)
            if args.format == "csv":
                rows.writerow([*(spreadsheet_cell(value) for value in values), facts])
            else:
                line = dict(zip(COLUMNS, (*values, entry.facts), strict=True))
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0
