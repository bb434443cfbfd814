"""Results of checking a map, shared by the API, the page and the tasks."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class SanityResult(BaseModel):
    """Of a model and a method with a layer and parameters. randomised, other_class: likeness (Spearman) of maps to those with
    random weights, and to those for another class. noise: likeness that maps of noise stay below. state: None where it could
    not be checked, which `words` then says. inputs: how many it was measured on. meaning: with the thresholds."""

    state: Literal["pass", "weak", "fail"] | None
    words: str
    meaning: str
    randomised: float | None = None
    other_class: float | None = None
    noise: float | None = None
    inputs: int = 0
    note: str = ""
    seconds: float = 0.0


class StabilityResult(BaseModel):
    """share: of the map's mass in stable cells, which the array `stable` names. jitters: how often the input was jittered; 0
    where the method's own samples tell."""

    share: float
    words: str
    jitters: int


class RegionShare(BaseModel):
    """share: of the positive relevance inside. area: what an even map would have there. times: share over area. rare: share of
    the places a map with the same values could stand at that give the region as much. low, high: of the share when the window
    of a recording moves by 50 ms and the map is made again; None where it was not."""

    key: str
    title: str
    share: float
    area: float
    times: float
    rare: float
    flagged: bool
    words: str
    low: float | None = None
    high: float | None = None


class ShortcutResult(BaseModel):
    """share, area, title, words: of the first region, the most striking one."""

    regions: list[RegionShare]
    share: float
    area: float
    title: str
    flagged: bool
    words: str


class CurvesResult(BaseModel):
    """Probability of the class at shares `x` of the cells: `deletion` with the strongest replaced first, `insertion` with the
    strongest put back first. random_low, random_high: deletion by the same map at random places (5th and 95th percentile)."""

    x: list[float]
    deletion: list[float]
    insertion: list[float]
    random_low: list[float]
    random_high: list[float]
    baseline: str
    words: str


class FigureOfMap(BaseModel):
    """One number on the map. controls: what maps that look at nothing get, by their keys, where a known region is ranked."""

    key: str
    title: str
    value: float | None
    words: str
    controls: dict[str, float | None] = {}


class ChecksResult(BaseModel):
    """notes: by section (`map`, `stability`, `shortcut`, `curves`), why there is nothing to show. sanity: of its method on its
    model, once that was asked for."""

    explanation: str
    sanity: SanityResult | None = None
    stability: StabilityResult | None = None
    shortcut: ShortcutResult | None = None
    curves: CurvesResult | None = None
    figures: list[FigureOfMap] = []
    localisation: list[RegionShare] = []
    notes: dict[str, str] = Field({})
    seconds: float = 0.0
