"""Stopping early: a method that averages samples may end as soon as its map is as certain as was asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

ToleranceParam = Annotated[
    float,
    Field(
        ge=0.0,
        le=1.0,
        title="Stop early at",
        description="Stop as soon as the standard error of the map is below this share of its spread; 0 uses all samples.",
    ),
]


def reached(uncertainty: float | None, tolerance: float) -> bool:
    """Whether a run may stop: the standard error asked for is reached.

    uncertainty: root mean square standard error over the standard deviation of the map's values, None where
    unknown. tolerance: 0 never stops.
    """
    return tolerance > 0 and uncertainty is not None and uncertainty <= tolerance


STANDARD_ERROR = "the standard error is {share} of the map's spread"


def stopped(
    done: int,
    n: int,
    uncertainty: float | None,
    tolerance: float,
    unit: str = "samples",
    reason: str = STANDARD_ERROR,
) -> tuple[str, ...]:
    """The note of a run that ended after `done` of `n` samples; none for a run that used all.

    reason: what `uncertainty` says, with a place for the share.
    """
    if done >= n or uncertainty is None:
        return ()
    why = reason.format(share=f"{uncertainty:.1%}")
    return (f"Stopped after {done:,} of {n:,} {unit}: {why}, {tolerance:.1%} was asked for.",)
