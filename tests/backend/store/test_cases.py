"""Cases on both databases: what a reviewer sees, against the same rules in plain Python; races; thousands of cases."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from app.core.errors import Conflict, NotFound, TooLarge
from backend.store import Store, review, tables
from backend.store import cases as rows
from backend.store.cases import Answer, NewCase, WorklistRow
from backend.store.review import Wanted

LABELS = ["no", "yes", "other"]
READERS = ("Anna", "Ben")


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store(database_url, tmp_path / "data")
    opened.migrate()
    yield opened
    opened.close()


def stored(store: Store, ids: list[str]) -> None:
    facts = {"modality": "audio", "meta": {"seconds": 1.5, "waveform": [0.5] * 600}, "created": 0.0}
    with store.write() as connection:
        connection.execute(insert(tables.inputs), [{"id": id, **facts} for id in ids])


def listed(store: Store, count: int, blind: bool = True, title: str = "List") -> tuple[str, list[str]]:
    """A list of `count` new inputs, and the ids of its cases."""
    ids = [f"{title}-{number:058d}"[:64] for number in range(count)]
    stored(store, ids)
    row = rows.open_worklist(store, WorklistRow("", title, "m", "M", LABELS, blind))
    new = [
        NewCase(id, f"File {(7 * k) % count:04d}.wav", "truth" if k % 3 else None) for k, id in enumerate(ids)
    ]
    return row.id, rows.add_cases(store, row.id, new, "Anna", 2000)[0]


def judge(store: Store, case: str, reader: str, stage: str = "before", **said: Any) -> None:
    verdict = {"stage": stage, "reading": None, "prediction": None, "explanation": None, "note": ""}
    rows.add_verdict(store, case, reader, {**verdict, "region": None, "shown": {}, **said})


def some_reviews(store: Store, ids: list[str], seed: int) -> dict[str, list[dict[str, Any]]]:
    """Random verdicts, answers and reveals; returns what Anna did, by case."""
    draw = random.Random(seed)
    did: dict[str, list[dict[str, Any]]] = {id: [] for id in ids}
    for id in ids:
        says = draw.choice([None, "0", "1", "2", "undecided", "withheld", "failed"])
        if says is not None:
            score = draw.choice([None, 0.25, 0.5, 0.75]) if says in "012 undecided" else None
            rows.record_answer(store, id, Answer(says, score, 1, "key"))
        for reader in READERS:
            for _ in range(draw.randrange(3)):
                said = {
                    "reading": draw.choice(["0", "1", "2", "cannot_say", None]),
                    "note": draw.choice(["", "Wheeze"]),
                }
                judge(store, id, reader, **said)
                if reader == "Anna":
                    did[id].append(said)
            if draw.random() < 0.6:
                try:
                    rows.reveal(store, id, reader)
                except Conflict:
                    continue
                said = {
                    "prediction": draw.choice(["plausible", "not_plausible", None]),
                    "explanation": draw.choice(["useful", "misleading", None]),
                }
                judge(store, id, reader, "after", **said)
                if reader == "Anna":
                    did[id] += [{"reveal": True}, said]
    return did


def expected(row: Any, did: list[dict[str, Any]], blind: bool) -> dict[str, Any]:
    """The rules once more, in plain words."""
    verdicts = [said for said in did if "reveal" not in said]
    revealed = not blind or {"reveal": True} in did
    reading = next((said["reading"] for said in verdicts if said.get("reading")), None)
    on_prediction = next((said["prediction"] for said in reversed(verdicts) if said.get("prediction")), None)
    on_explanation = next(
        (said["explanation"] for said in reversed(verdicts) if said.get("explanation")), None
    )
    differs = reading in ("0", "1", "2") and row.answer in ("0", "1", "2") and reading != row.answer
    refused = reading is None and on_prediction == "not_plausible"
    state = "todo" if not verdicts else "disagree" if revealed and (differs or refused) else "judged"
    return {
        "id": row.id,
        "number": row.number,
        "name": row.name,
        "state": state,
        "revealed": revealed,
        "reading": reading,
        "on_prediction": on_prediction,
        "on_explanation": on_explanation,
        "answer": row.answer if revealed else None,
        "score": row.score if revealed else None,
        "label": row.label if revealed else None,
        "notes": " ".join(said.get("note", "") for said in verdicts),
    }


def matches(each: dict[str, Any], wanted: Wanted) -> bool:
    texts = f"{each['name']}|{each['label'] or ''}|{each['notes']}".lower()
    words = (each["reading"], each["on_prediction"], each["on_explanation"])
    return (
        wanted.state in (None, each["state"])
        and wanted.search.lower() in texts
        and (wanted.verdict is None or wanted.verdict in words[:1] or wanted.verdict in words[1:])
        and (wanted.lowest is None or (each["score"] is not None and each["score"] >= wanted.lowest))
        and (wanted.highest is None or (each["score"] is not None and each["score"] <= wanted.highest))
    )


@pytest.mark.parametrize("blind", [True, False])
def test_every_filter_and_order_against_plain_python(store: Store, blind: bool) -> None:
    list_id, ids = listed(store, 40)
    did = some_reviews(store, ids, seed=3)
    with store.write() as connection:
        connection.execute(tables.worklists.update().values(blind=blind))
        members = connection.execute(select(tables.cases).order_by(tables.cases.c.number)).all()
    all_of_them = [expected(row, did[row.id], blind) for row in members]
    orders: dict[str, Any] = {
        "arrival": lambda each: each["number"],
        "name": lambda each: (each["name"].lower(), each["number"]),
        "score": lambda each: (each["score"] is None, -(each["score"] or 0), each["number"]),
        "verdict": lambda each: (each["reading"] is None, each["reading"] or "", each["number"]),
    }
    assert {each["state"] for each in all_of_them} == {"todo", "judged", "disagree"}
    filters = product(
        (None, "todo", "judged", "disagree"), ("", "wheeze", "truth", "FILE 000"), (None, "1", "useful")
    )
    ranges = [(None, None), (0.5, None), (None, 0.5), (0.25, 0.5), (0.3, 0.4)]
    for (state, search, verdict), sort, (lowest, highest) in zip(
        filters, cycle(orders), cycle(ranges), strict=False
    ):
        wanted = Wanted(state, search, verdict, lowest, highest, sort, 1, 7)
        page = review.page(store, list_id, "Anna", wanted)
        found, total, counts = page.rows, page.total, page.counts
        right = sorted((each for each in all_of_them if matches(each, wanted)), key=orders[sort])
        assert ([row["id"] for row in found], total) == ([each["id"] for each in right][1:8], len(right)), (
            wanted
        )
        ranged = lowest is not None or highest is not None
        rest = replace(wanted, lowest=None, highest=None)
        unseen = [each for each in all_of_them if matches(each, rest) and each["score"] is None]
        assert page.unscored == (len(unseen) if ranged else 0)
        assert counts == {
            name: sum(each["state"] == name for each in all_of_them)
            for name in ("todo", "judged", "disagree")
        }
        for row in found:
            own = next(each for each in all_of_them if each["id"] == row["id"])
            assert {name: row[name] for name in own if name != "notes"} == {
                name: value for name, value in own.items() if name != "notes"
            }


def test_many_who_add_at_once_make_one_list(store: Store) -> None:
    """The same inputs by eight requests at a time: every case once, numbered without a gap."""
    list_id = rows.open_worklist(store, WorklistRow("", "List", "m", "M", LABELS, True)).id
    ids = [f"{number:064d}" for number in range(30)]
    stored(store, ids)

    def add(part: int) -> int:
        mine = [NewCase(id, id) for id in ids[part : part + 20]]
        return rows.add_cases(store, list_id, mine, "Anna", 2000)[1]

    with ThreadPoolExecutor(8) as pool:
        added = sum(pool.map(add, [0, 5, 10, 0, 5, 10, 0, 10]))
    page = review.page(store, list_id, "Anna", Wanted(limit=100))
    assert (added, page.total) == (30, 30)
    assert [row["number"] for row in page.rows] == list(range(1, 31))


def test_a_reveal_is_one_whoever_asks_how_often(store: Store) -> None:
    _, ids = listed(store, 1)
    judge(store, ids[0], "Anna", reading="1")
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: rows.reveal(store, ids[0], "Anna"), range(8))) == 1
    with pytest.raises(Conflict):
        rows.reveal(store, ids[0], "Ben")


def test_an_answer_stays_the_one_that_was_shown(store: Store) -> None:
    """And none is kept of an input that was deleted while the model was at it."""
    _, ids = listed(store, 2)
    rows.record_answer(store, ids[0], Answer("1", 0.9, 1, "first"))
    rows.record_answer(store, ids[0], Answer("0", 0.1, 1, "second"))
    assert rows.case_of(store, ids[0]).prediction == "first"
    store.delete_input(rows.case_of(store, ids[1]).input)
    rows.record_answer(store, ids[1], Answer("0", 0.1, 1, "late"))
    assert rows.case_of(store, ids[1]).answer is None
    assert rows.unanswered(store, 10) == []


def test_bounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_ENTRIES", 5)
    list_id, ids = listed(store, 3)
    with pytest.raises(TooLarge):
        rows.add_cases(store, list_id, [NewCase(rows.case_of(store, ids[0]).input, "a")], "Anna", 2)
    for _ in range(rows.MOST_ENTRIES - 1):  # one is that it was added
        rows.add_event(store, ids[0], "Anna", "listened", {})
    with pytest.raises(TooLarge):
        rows.add_event(store, ids[0], "Anna", "listened", {})
    rows.delete_case(store, ids[0])
    with pytest.raises(NotFound):
        rows.case_of(store, ids[0])
    with store.engine.connect() as connection:
        assert ids[0] not in connection.execute(select(tables.case_events.c.case)).scalars().all()


def test_no_list_waits_for_a_longer_one(store: Store) -> None:
    """And what somebody has had shown comes first."""
    _, long = listed(store, 4, title="Long")
    _, short = listed(store, 2, title="Short")
    assert [each.id for each in rows.unanswered(store, 4)] == [long[0], short[0], long[1], short[1]]
    assert [each.id for each in rows.unanswered(store, 2, besides=[long[0]])] == [short[0], long[1]]
    judge(store, long[3], "Anna", reading="1")
    rows.reveal(store, long[3], "Anna")
    assert rows.unanswered(store, 1)[0].id == long[3]
    assert {each.model for each in rows.unanswered(store, 10)} == {"m"}
