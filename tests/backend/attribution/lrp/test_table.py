"""The conservation table: one row per preset, refusals shown."""

from __future__ import annotations

import pytest

import models
from backend.attribution.lrp.table import markdown, rows_of
from tests.backend.attribution.lrp import networks


def test_a_row_per_preset_with_its_sum() -> None:
    rows = rows_of(networks.build("plain"), "plain")
    assert [row.preset for row in rows] == ["epsilon_plus", "gamma_epsilon", "epsilon"]
    assert rows[0].conservation == pytest.approx(1.0, abs=1e-3)
    assert rows[0].reason == ""
    assert "| plain | epsilon_plus | 0.9999 |" in " ".join(markdown(rows).split())


def test_what_is_refused_says_so() -> None:
    rows = rows_of(networks.build("mobile"), "mobile")
    assert [bool(row.reason) for row in rows] == [False, True, True]
    branching = models.wrap(networks.Branching().eval(), ["a", "b"], models.ImageInput(size=(16, 16)))
    untraceable = rows_of(branching, "branching")
    assert all(row.conservation is None and row.reason for row in untraceable)
    assert markdown(untraceable).count("refused") == 3
