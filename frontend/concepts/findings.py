"""What an analysis says: which concept is strongest, in one sentence; and, apart from it, what the layers know.

About one input the verdicts are those of its own cells, over several those of their means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.core.concept_results import ConceptAnalysisResult, ConceptOverall, ConceptRow, Verdict

RANK: dict[Verdict, int] = {"counts": 0, "undecided": 1, "not_more_than_chance": 2}
Cell = ConceptRow | ConceptOverall


def cells(result: ConceptAnalysisResult, number: int) -> list[Cell]:
    """The strongest cell of each concept for the class of input `number`, strongest concept first: by verdict, then by
    score."""
    own = [row for row in result.rows if row.input == number]
    target = next((row.target for row in own), 0)
    several = len(result.inputs) > 1
    rows: Sequence[Cell] = result.overall if several else own
    best: dict[str, Cell] = {}
    for row in sorted((row for row in rows if row.target == target), key=_strength):
        best.setdefault(row.concept, row)
    return list(best.values())


def order(result: ConceptAnalysisResult, number: int) -> list[str]:
    """The concepts, strongest first."""
    strong = [cell.concept for cell in cells(result, number)]
    return strong + [ref for ref in result.plan.concepts if ref not in strong]


def sentence(result: ConceptAnalysisResult, number: int) -> str:
    """One sentence: what counts for the class, else what is undecided, else that nothing does."""
    strongest = cells(result, number)
    if not strongest:
        return "Nothing was analysed for this input."
    label = result.labels[str(strongest[0].target)]
    of = {verdict: [cell for cell in strongest if cell.verdict == verdict] for verdict in RANK}
    named = result.names
    if counting := of["counts"]:
        first, *others = counting
        words = f"{named[first.concept]}, at {first.layer}, adds {amount(first)} to {label}"
        if others:
            also = listed(f"{named[cell.concept]} ({amount(cell)} at {cell.layer})" for cell in others)
            words += f"; so {'does' if len(others) == 1 else 'do'} {also}"
        if of["undecided"]:
            return f"{words}; undecided: {listed(named[cell.concept] for cell in of['undecided'])}."
        return f"{words}; nothing else counts." if len(strongest) > len(counting) else f"{words}."
    if of["undecided"]:
        which = listed(named[cell.concept] for cell in of["undecided"])
        return (
            f"Whether {which} {'counts' if len(of['undecided']) == 1 else 'count'} for {label} is undecided."
        )
    if len(strongest) == 1:
        return f"{named[strongest[0].concept]} adds no more to {label} than random concepts do."
    return f"None of the {len(strongest)} concepts adds more to {label} than random concepts do."


def extent(result: ConceptAnalysisResult, number: int) -> str:
    """What would decide what is open, and what the sentence is about."""
    strongest = cells(result, number)
    label = result.labels[str(strongest[0].target)] if strongest else ""
    open_ones = [cell.because for cell in strongest if cell.verdict == "undecided"]
    why = f"{open_ones[0]} " if open_ones else ""
    if len(result.inputs) > 1:
        return f"{why}Over {len(result.inputs)} inputs."
    return f"{why}About this input alone. Whether it holds for {label} in general is undecided: one input cannot show it, add inputs."


def knowledge(result: ConceptAnalysisResult) -> str:
    """What the layers tell from its counter-examples, whatever the class."""
    known = {row.concept for row in result.directions if row.told_apart}
    parts = []
    if yes := [result.names[ref] for ref in result.plan.concepts if ref in known]:
        parts.append(f"The network knows {listed(yes)}, whatever the class")
    if no := [result.names[ref] for ref in result.plan.concepts if ref not in known]:
        parts.append(
            f"{'it' if yes else 'The network'} cannot tell {listed(no)} from {'their' if len(no) > 1 else 'its'} counter-examples"
        )
    return f"{'; '.join(parts)}." if parts else ""


def amount(cell: Cell) -> str:
    """A score in words."""
    score = cell.score if isinstance(cell, ConceptRow) else cell.mean
    return f"{score:.2f}" if score >= 0.005 else "less than 0.01"


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *front, last = list(words)
    return f"{', '.join(front)} and {last}" if front else last


def _strength(cell: Cell) -> tuple[int, float]:
    score = cell.score if isinstance(cell, ConceptRow) else cell.mean
    return RANK[cell.verdict], -score
