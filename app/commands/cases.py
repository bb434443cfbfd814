"""`evident cases`: worklists on the command line: import a folder, list them, export what was said."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.worklists import Imported
    from backend.api.services import Services

NAME = "cases"
HELP = "Worklists: import a folder of recordings or pictures as cases, list the worklists, export what reviewers said."


def add(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    bring = parts.add_parser(
        "import",
        help="a folder into a worklist; asked for again, it goes on where it was (exit code 1: files were left out)",
    )
    bring.add_argument("folder", type=Path, help="a folder of recordings or pictures")
    bring.add_argument(
        "--labels",
        type=Path,
        help="a CSV table with the columns file and label (default: labels.csv of the folder)",
    )
    bring.add_argument("--model", default="cnnexplain", help="a model of the catalogue (default cnnexplain)")
    bring.add_argument(
        "--title",
        help="of the worklist; one of this title and model is continued (default: the folder's name)",
    )
    bring.add_argument(
        "--open",
        action="store_true",
        help="show the model's answer from the start (default: after one's own reading)",
    )
    bring.add_argument("--wait", action="store_true", help="until the model has answered every case")
    listing = parts.add_parser("list", help="worklists, and how far they are")
    export = parts.add_parser("export", help="a CSV table with a line per verdict")
    export.add_argument("worklist", help="its title or id")
    export.add_argument("--out", type=Path, help="file to write (default: the terminal)")
    for part in (bring, listing, export):
        where = part.add_mutually_exclusive_group()
        where.add_argument(
            "--data", type=Path, help="data folder to work on, without a server (default ./data)"
        )
        where.add_argument(
            "--server",
            metavar="URL",
            help="a running server, as http://127.0.0.1:8050; where people sign in, it asks for name and password (or EVIDENT_USER and EVIDENT_PASSWORD)",
        )
        part.add_argument(
            "--name", default=None, help="who is asking, for the history (default: the user's name)"
        )


def run(args: argparse.Namespace) -> int:
    work = {"import": _import, "list": _list, "export": _export}[args.part]
    return asyncio.run(work(args))


def _who(args: argparse.Namespace) -> str:
    if args.name:
        return str(args.name)
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm

    with tqdm(unit=unit) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


async def _import(args: argparse.Namespace) -> int:
    from app.worklists import files_of, import_files, server_of, until_predicted

    files, others = files_of(args.folder, args.labels)
    title = args.title or args.folder.resolve().name or "Import"
    async with server_of(args.server, args.data, _who(args)) as client:
        with _bar(" files") as report:
            done = await import_files(client, files, args.model, title, report, False if args.open else None)
        if args.wait and done.worklist:
            with _bar(" answers") as report:
                await until_predicted(client, done.worklist["id"], report)
    print("\n".join(_told(done, len(files), others, args.wait)))
    return 1 if done.left_out else 0


def _told(done: Imported, files: int, others: int, waited: bool) -> Iterator[str]:
    if done.worklist:
        total, model = done.added + done.known, done.worklist["model_title"]
        yield f"{done.worklist['title']}: {_count(total, 'case')} of {_count(files, 'file')}, {done.added:,} new, for {model}."
    if done.same:
        yield f"Same contents as another, and one case with it: {_count(done.same, 'file')}."
    if others:
        yield f"Of other kinds, passed over: {_count(others, 'file')}."
    if done.worklist and not waited:
        yield "The model answers in the background as long as the server runs; the Cases page says how far it is."
    if done.left_out:
        yield f"Left out: {_count(len(done.left_out), 'file')}."
        yield from (f"  {name}: {reason}" for name, reason in done.left_out)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


@asynccontextmanager
async def _store_alone(data: Path | None) -> AsyncIterator[Services]:
    """The rows of a data folder, without workers. Raises NotFound."""
    from app.core.errors import NotFound
    from app.core.settings import load_settings
    from backend.api.services import Services

    settings = load_settings(**({} if data is None else {"data": data}))
    if settings.database is None and not (settings.data / "evident.db").is_file():
        raise NotFound("There is no data folder of Evident; name it with --data, or a server with --server.")
    services = Services(settings, preload=False)
    await services.store.run(services.store.migrate)
    try:
        yield services
    finally:
        services.store.close()


async def _list(args: argparse.Namespace) -> int:
    from app.worklists import ask, server_of

    if args.server is not None:
        async with server_of(args.server, None, _who(args)) as client:
            lists = await ask(client, "GET", "/worklists")
    else:
        from backend.api.cases import worklists_view

        async with _store_alone(args.data) as services:
            lists = [each.model_dump() for each in await worklists_view(services, _who(args))]
    print(f"{'worklist':32s} {'model':28s} {'cases':>6s} {'answered':>8s}  id")
    for each in lists:
        print(
            f"{each['title'][:32]:32s} {each['model_title'][:28]:28s} {each['total']:6,d} {each['predicted']:8,d}  {each['id']}"
        )
    return 0


async def _export(args: argparse.Namespace) -> int:
    """From a data folder everything, as its owner can read it anyway; from a server what this reviewer may know."""
    from app.worklists import answered, ask, server_of

    if args.server is not None:
        async with server_of(args.server, None, _who(args)) as client:
            id = _chosen(await ask(client, "GET", "/worklists"), args.worklist)["id"]
            text = (await answered(client, "GET", f"/worklists/{id}/verdicts.csv")).text
    else:
        from backend.api.cases import worklist_of, worklists_view
        from backend.api.review_tables import verdicts_csv

        async with _store_alone(args.data) as services:
            lists = [each.model_dump() for each in await worklists_view(services, "")]
            listed = await worklist_of(services, _chosen(lists, args.worklist)["id"])
            text = await verdicts_csv(services, listed, None)
    if args.out is None:
        sys.stdout.write(text.removeprefix("\ufeff"))
    else:
        args.out.write_text(text, encoding="utf-8", newline="")
        print(f"Written to {args.out}.")
    return 0


def _chosen(lists: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    from app.core.errors import InvalidInput, NotFound

    chosen = [each for each in lists if wanted in (each["id"], each["title"])]
    if not chosen:
        raise NotFound(
            "There is no worklist of that title or id; `evident cases list` names them.", field="worklist"
        )
    if len(chosen) > 1:
        raise InvalidInput("Several worklists have that title; give the id.", field="worklist")
    return chosen[0]
