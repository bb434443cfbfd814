"""The report of a worklist: a table of its cases, how far its readers agree with each other and with the model, and a page of each case that
was judged, all as the reviewer who asks may know them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from app import __version__
from app.core.errors import TooLarge
from app.core.schemas import Case, CaseSummary, Worklist, WorklistAgreement
from backend.api import case_reports, cases, reporting, review_tables
from backend.jobs.keys import code_version
from backend.rendering.bundle import Look
from backend.reports.assemble import Source, subject
from backend.reports.content import Report, Table
from backend.store.review import Wanted

if TYPE_CHECKING:
    from app.core.schemas.cases import KappaOfTwo
    from backend.api.services import Services

MOST_PAGES = 60
"""Cases of a list with a page each; of more, the table alone is made."""
TOGETHER = 500
STATES = {"todo": "to do", "judged": "judged", "disagree": "judged, differs"}
SOUNDS = "Sounds are in the reports of the single cases."
NAMES = "The names of files are those of the worklist; whoever gets this report reads them."
KAPPA = (
    "Kappa (Cohen) is agreement beyond chance: 0 is chance, 1 is always the same answer; in brackets its 95 % interval. Of each reader the "
    "first reading of a case counts, which a list that hides the model asks for before it is shown."
)


async def of_worklist(
    services: Services, id: str, reviewer: str, look: Look, link: str, pages: bool, form: str
) -> Report:
    """The table of all cases as this reviewer may know them, then a page of each that was judged. Raises NotFound, TooLarge."""
    row = await cases.worklist_of(services, id)
    listed = await cases.worklist_view(services, row, reviewer)
    agreed = await review_tables.agreement(services, row, reviewer)
    found = await _all_cases(services, id, reviewer)
    sources: list[tuple[Case, Source]] = []
    open_ = [summary for summary in found if summary.revealed and summary.state != "todo"]
    if pages and len(open_) > MOST_PAGES:
        raise TooLarge(
            f"A page of each would be {len(open_)} pages, more than {MOST_PAGES}; make the table alone, or the reports of single cases.",
            code="too_many_pages",
        )
    for summary in open_ if pages else []:
        case = await cases.case_view(services, summary.id, reviewer)
        sources.append((case, await case_reports.source_of_case(services, case, look, False, False)))
    return await run_in_threadpool(_told, listed, found, agreed, sources, reviewer, link, form)


async def _all_cases(services: Services, id: str, reviewer: str) -> list[CaseSummary]:
    found: list[CaseSummary] = []
    while True:
        part = await cases.page(services, id, reviewer, Wanted(offset=len(found), limit=TOGETHER))
        found += part.cases
        if not part.cases or len(found) >= part.total:
            return found


def _told(
    listed: Worklist,
    found: Sequence[CaseSummary],
    agreed: WorklistAgreement,
    sources: Sequence[tuple[Case, Source]],
    reviewer: str,
    link: str,
    form: str,
) -> Report:
    counts = listed.counts
    hidden = sum(not summary.revealed for summary in found)
    notes = [
        f"{counts.total} cases: {counts.todo} to do, {counts.judged} judged in agreement with the model or where it names no class, "
        f"{counts.disagree} judged differently. Readings are those of {reviewer}.",
        NAMES,
    ]
    if hidden:
        notes.insert(1, f"In {hidden} the model is still hidden from {reviewer}, and so from this report.")
    if sources:
        notes.append(SOUNDS)
    table = Table("Cases", ("No.", "File", "Length", "Reading", "Model", "Score", "State"), [_row(one, listed.labels) for one in found], notes, (6, 34, 9, 15, 15, 11, 10))  # fmt: skip
    subjects = [subject(source, number) for number, (_, source) in enumerate(sources, 1)]
    told = [
        case_reports.claims_of(case, source, f"input-{number}", False)
        for number, (case, source) in enumerate(sources, 1)
    ]
    newest = reporting.newest(
        [listed.created, *(time for case, source in sources for time in case_reports.times_of(case, source))]
    )
    manifest = {
        "evident": __version__,
        "code": code_version(),
        "kind": "worklist",
        "link": link,
        "worklist": {
            "title": listed.title,
            "model": listed.model,
            "blind": listed.blind,
            "reviewer": reviewer,
        },
        "agreement": agreed.model_dump(mode="json", exclude={"reviewers"}),
        "cases": [summary.model_dump(mode="json", exclude={"waveform", "id"}) for summary in found],
        "subjects": told,
    }
    return Report(
        title=f"Worklist “{listed.title}”",
        subtitle=f"Evidence report · {listed.model_title} · {counts.total} cases · {'model hidden until judged' if listed.blind else 'model shown'}",
        state=f"Newest entry in it: {newest}.",
        link=link,
        subjects=subjects,
        manifest=manifest,
        tables=[table, _agreement(agreed, reviewer)],
        verify=f"evident verify report.{form}",
    )


def _row(one: CaseSummary, labels: Sequence[str]) -> tuple[str, ...]:
    reading = (
        "" if one.reading is None else labels[one.reading] if isinstance(one.reading, int) else "cannot say"
    )
    says = "hidden" if not one.revealed else one.model_says or (one.problem and "no answer") or "not yet"
    score = "" if one.score is None or one.model_says == "withheld" else f"{one.score:.2f}"
    length = "" if one.seconds is None else f"{one.seconds:.1f} s"
    name = f"{one.name or one.input[:12]}{' (deleted)' if one.gone else ''}"
    return str(one.number), name, length, reading, says, score, STATES[one.state]


def _agreement(agreed: WorklistAgreement, reviewer: str) -> Table:
    """Each two readers, then each reader with the model; in words alone where nobody can be compared."""
    rows = [
        *(_agreed(f"{pair.a} and {pair.b}", pair) for pair in agreed.pairs),
        *(_agreed(f"{each.reviewer} and the model", each) for each in agreed.model),
    ]
    # of one pair the words stand in the table
    told = review_tables.not_counted(agreed.hidden, reviewer) if len(agreed.pairs) == 1 else agreed.words
    notes = [note for note in (told, KAPPA if rows else "") if note]
    return Table("Agreement", ("Who", "Cases", "Kappa (95 %)", "In words"), rows, notes, (24, 7, 20, 49))


def _agreed(who: str, of: KappaOfTwo) -> tuple[str, ...]:
    kappa = "not defined" if of.kappa is None else f"{of.kappa:.2f}"
    within = "no interval" if of.low is None or of.high is None else f"{of.low:.2f} to {of.high:.2f}"
    return who, str(of.n), kappa if of.kappa is None else f"{kappa} ({within})", of.words
