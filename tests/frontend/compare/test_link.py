"""The link that the browser writes is read back as the same view: every look setting, and everything else
in it."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import parse_qsl

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontend.compare.address import Beside, Look, View, read
from frontend.compare.browser import LOOK
from frontend.compare.look_card import COLOURS, look_card
from tests.frontend.evident.modules import MODULES, Node

WRITE = (
    f"""async (choices) => (await import("{MODULES.as_uri()}/dash/address.mjs")).compareQuery(...choices)"""
)
WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters=","), min_size=1, max_size=12
)
VALUES = st.one_of(
    st.booleans(), st.integers(-(10**6), 10**6), st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), WORDS
)
LOOKS = st.builds(
    Look,
    opacity=st.integers(0, 100),
    top=st.integers(1, 100),
    sign=st.sampled_from(Look.SIGNS),
    scale=st.sampled_from(Look.SCALES),
    colours=st.sampled_from(Look.COLOURS),
    cell=st.sampled_from(Look.CELLS),
)
VIEWS = st.builds(
    View,
    model=WORDS,
    input=WORDS,
    start=st.none() | st.floats(0, 600).map(lambda x: round(x, 3)),
    target=st.none() | st.integers(0, 999),
    methods=st.lists(WORDS, unique=True, max_size=4).map(tuple),
    layer=st.none() | WORDS,
    seed=st.integers(0, 2**31 - 1),
    params=st.dictionaries(WORDS, st.dictionaries(WORDS, VALUES, min_size=1, max_size=3), max_size=3),
    look=LOOKS,
    evidence=st.booleans(),
    beside=st.none()
    | st.builds(Beside, kind=st.sampled_from(["input", "model"]), key=WORDS.map("other:{}".format)),
    paired=st.booleans(),
).map(lambda view: replace(view, paired=view.paired and view.beside is not None))


def written(js: Node, view: View) -> str:
    """What the browser puts into the address bar when the controls show this view."""
    subject = {"model": view.model, "input": view.input, "start": view.start}
    target = {"input": view.input, "model": view.model, "target": view.target}
    look = [getattr(view.look, name.removeprefix("look-")) for name in LOOK]
    choices: list[Any] = [
        subject,
        list(view.methods or ()),
        target,
        view.params,
        view.layer,
        view.seed,
        view.evidence,
        asdict(view.beside) if view.beside else None,
        view.paired,
        *look,
    ]
    return str(js.evaluate(WRITE, choices))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(view=VIEWS)
def test_a_link_restores_the_view_it_was_made_of(js: Node, view: View) -> None:
    assert read(dict(parse_qsl(written(js, view), keep_blank_values=True))) == view


def test_every_look_control_is_in_the_link() -> None:
    """The controls of the card, the settings that the browser is handed and the fields of `Look` are the
    same."""
    card = str(look_card(Look()))
    fields = list(Look.__dataclass_fields__)
    assert [name.removeprefix("look-") for name in LOOK] == fields
    assert sorted(re.findall(r"\bid='(look-[a-z]+)'", card)) == sorted((*LOOK, "look-evidence"))
    assert tuple(COLOURS) == Look.COLOURS
