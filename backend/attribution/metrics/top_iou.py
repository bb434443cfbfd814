"""IoU of the brightest cells and the region."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backend.attribution.measuring.order import hits
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from backend.attribution.types import Params


class TopIouParams(Params):
    top: float = Field(0.0, ge=0.0, le=100.0, title="Top percent", description="Which share of the cells is cut out of the map, in percent; 0 takes as many as the region has.")  # fmt: skip


@register
class TopIou(Metric[TopIouParams]):
    """|T and S| / |T or S|, with S the region and T the brightest cells of R `[H, W]`: the top percent, or as many as the region has;
    equal cells share what falls to them. Not in Quantus."""

    key: ClassVar[str] = "top_iou"
    title: ClassVar[str] = "Overlap of the top with the region"
    short: ClassVar[str] = "top IoU"
    family: ClassVar[Family] = "localisation"
    paper: ClassVar[str] = "as the overlap of boxes in Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, arXiv 1512.04150"  # fmt: skip
    summary: ClassVar[str] = "How well the brightest part of the map covers the region and nothing else."
    meaning: ClassVar[str] = (
        "The brightest part of the map and the region overlap by {:.0%} of what they cover together."
    )
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 44
    needs: ClassVar[frozenset[Need]] = frozenset({"mask"})
    Params = TopIouParams

    def measure(self, case: Case, params: TopIouParams) -> Value:
        size = int(case.region.sum())
        k = max(1, round(params.top / 100 * case.values.size)) if params.top else size
        both = hits(case.values, case.region, k)
        return Value(both / (k + size - both))
