"""What a shared link asks for is read back; a damaged link still opens the page."""

from __future__ import annotations

import json

import pytest

from frontend.compare.address import Beside, Look, View, read


def test_a_full_address():
    view = read(
        {
            "model": "cnnexplain",
            "input": "ab",
            "start": "1.25",
            "target": "1",
            "methods": "lime,grad_cam",
            "layer": "features.conv3",
            "seed": "7",
            "params": json.dumps({"lime": {"n_samples": 500}}),
            "look": "40,20,for,raw,viridis,8",
        }
    )
    assert view == View(
        "cnnexplain",
        "ab",
        1.25,
        1,
        ("lime", "grad_cam"),
        "features.conv3",
        7,
        {"lime": {"n_samples": 500}},
        Look(40, 20, "for", "raw", "viridis", "8"),
    )


def test_no_address_is_the_plain_page():
    assert read({}) == View()


def test_no_methods_ticked_differs_from_none_said():
    assert read({"methods": ""}).methods == ()
    assert read({}).methods is None


@pytest.mark.parametrize(
    "query",
    [
        {"start": "-1"}, {"start": "nan"}, {"target": "1.5"}, {"target": "x"}, {"seed": "-4"}, {"seed": str(2**31)}, {"params": "{"}, {"params": "[1]"},
        {"params": '{"lime": 3}'}, {"look": "1,2"}, {"look": "a,b,c,d,e"}, {"model": ""},
    ],
)  # fmt: skip
def test_damaged_parts_are_ignored(query):
    assert read(query) == View()


def test_a_half_damaged_look_keeps_the_good_half():
    assert read({"look": "150,30,for,huge,jet"}).look == Look(
        opacity=70, top=30, sign="for", scale="shared", colours="jet"
    )


@pytest.mark.parametrize(
    ("said", "beside"),
    [("input:ef", Beside("input", "ef")), ("model:timm:resnet18", Beside("model", "timm:resnet18")),
     ("input:ab", None), ("model:m", None), ("model:", None), ("sound:x", None), ("x", None), ("", None)],
)  # fmt: skip
def test_what_stands_beside_is_another_input_or_another_network(said, beside):
    view = read({"model": "m", "input": "ab", "beside": said, "paired": "1"})
    assert view.beside == beside
    assert view.paired == (beside is not None)


def test_known_evidence_is_outlined_unless_the_link_says_otherwise():
    assert read({}).evidence
    assert read({"evidence": "what"}).evidence
    assert not read({"evidence": "0"}).evidence
