"""Ids that more than one file uses. A pattern-matching id is a dict made by a function here; a plain id is
written out where it is placed."""

from __future__ import annotations


def tune(method: str) -> dict[str, str]:
    return {"type": "tune", "method": method}


def param(method: str, name: str) -> dict[str, str]:
    """A control whose state is `value`."""
    return {"type": "param", "method": method, "name": name}


def flag(method: str, name: str) -> dict[str, str]:
    """A control whose state is `checked`."""
    return {"type": "flag", "method": method, "name": name}


def reset(method: str) -> dict[str, str]:
    return {"type": "reset", "method": method}


def panel(method: str) -> dict[str, str]:
    return {"type": "map", "method": method}


def panel_beside(method: str) -> dict[str, str]:
    return {"type": "map-beside", "method": method}


def run_one(method: str) -> dict[str, str]:
    return {"type": "run-one", "method": method}


def player(key: str) -> dict[str, str]:
    return {"type": "player", "input": key}


def cost(method: str, place: str) -> dict[str, str]:
    """Where a method's expected seconds stand: `row` of the card, `offer` in its panel."""
    return {"type": f"cost-{place}", "method": method}
