"""Schema to form and back. The schemas are written by pydantic itself, as the methods' are."""

from __future__ import annotations

from typing import Literal

import jsonschema
import pytest
from dash.development.base_component import Component
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from app.core.schemas import Fit
from frontend.ui import forms


class Params(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    n_samples: int = Field(
        1000,
        ge=16,
        le=5000,
        title="Samples",
        description="Random patterns.",
        json_schema_extra={"scales_cost": True},
    )
    n_steps: int = Field(8, ge=1, le=32)
    noise: float = Field(0.15, ge=0, le=1, description="Share of the range.")
    width: float = Field(0.25, gt=0)
    baseline: Literal["black", "mean"] | None = None
    mode: Literal["signed", "abs"] = "signed"
    blur: bool = False
    preset: Literal["epsilon_plus", "gamma_epsilon", "alpha_beta", "z_plus", "flat"] = "epsilon_plus"


SCHEMA = Params.model_json_schema()
FIELDS = {field.name: field for field in forms.fields(SCHEMA)}


def kinds(part: Component) -> dict[str, str]:
    """Parameter name -> class of its control."""
    return {
        item.id["name"]: type(item).__name__
        for item in part._traverse()
        if isinstance(getattr(item, "id", None), dict) and "name" in item.id
    }


def test_each_kind_of_parameter_gets_its_control():
    assert kinds(forms.form("lime", SCHEMA, None, {})) == {
        "n_samples": "NumberInput",
        "n_steps": "Slider",
        "noise": "Slider",
        "width": "NumberInput",
        "baseline": "Select",
        "mode": "SegmentedControl",
        "blur": "Switch",
        "preset": "Select",
    }


def test_titles_descriptions_bounds_and_defaults_come_from_the_schema():
    samples = FIELDS["n_samples"]
    assert (samples.title, samples.minimum, samples.maximum, samples.default) == ("Samples", 16, 5000, 1000)
    drawn = forms.control("lime", samples, 1000)
    assert (drawn.label, drawn.description, drawn.min, drawn.max) == (
        "Samples",
        "Random patterns. Default 1,000.",
        16,
        5000,
    )
    assert FIELDS["n_steps"].title == "N Steps"
    assert FIELDS["baseline"].optional
    assert FIELDS["baseline"].choices == ("black", "mean")


def test_a_model_s_own_default_is_laid_over_the_method_s():
    fields = {field.name: field for field in forms.fields(SCHEMA, {"baseline": "mean", "n_steps": 16})}
    assert (fields["baseline"].default, fields["n_steps"].default, fields["mode"].default) == (
        "mean",
        16,
        "signed",
    )
    assert forms.clean(SCHEMA, {"n_steps": 16}, {"n_steps": 16}) == {}
    assert forms.clean(SCHEMA, {"n_steps": 16}, {"n_steps": 8}) == {"n_steps": 8}


def test_defaults_send_nothing():
    assert forms.clean(SCHEMA, None, {name: field.default for name, field in FIELDS.items()}) == {}


def test_what_cannot_be_meant_is_left_out():
    values = {
        "n_samples": 5,
        "noise": 1.5,
        "mode": "loud",
        "width": "wide",
        "unknown": 3,
        "n_steps": "",
        "blur": None,
        "baseline": None,
    }
    assert forms.clean(SCHEMA, None, values) == {}


def test_types_are_those_of_the_schema():
    sent = forms.clean(SCHEMA, None, {"n_samples": "500", "noise": "0.5", "blur": True, "mode": "abs"})
    assert sent == {"n_samples": 500, "noise": 0.5, "blur": True, "mode": "abs"}
    assert isinstance(sent["n_samples"], int)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "n_samples": st.integers(-10, 10_000) | st.sampled_from(["", "12", "x"]),
            "n_steps": st.integers(-3, 60) | st.floats(allow_nan=True),
            "noise": st.floats() | st.none(),
            "baseline": st.sampled_from(["black", "mean", "pink", None]),
            "mode": st.sampled_from(["signed", "abs", "x"]),
            "blur": st.booleans() | st.none(),
        },
    )
)
def test_whatever_the_controls_give_is_valid_for_the_api(values):
    sent = forms.clean(SCHEMA, None, values)
    jsonschema.validate(sent, SCHEMA)
    Params(**sent)


def test_what_was_sent_comes_back_into_the_controls():
    sent = {"n_samples": 500, "noise": 0.5, "blur": True, "mode": "abs", "baseline": "mean"}
    drawn = forms.form("lime", SCHEMA, None, sent)
    shown = {
        item.id["name"]: getattr(item, "checked", None) if item.id["type"] == "flag" else item.value
        for item in drawn._traverse()
        if isinstance(getattr(item, "id", None), dict) and "name" in item.id
    }
    assert forms.clean(SCHEMA, None, shown) == sent


@pytest.mark.parametrize(
    ("low", "high", "step", "digits"),
    [
        (0, 1, 0.01, 2),
        (0, 0.6, 0.01, 2),
        (0, 10, 0.1, 1),
        (0, 100, 1, 0),
        (1, 3, 0.02, 2),
        (0, 1e-3, 1e-5, 5),
    ],
)
def test_a_slider_s_step_is_a_round_number(low, high, step, digits):
    field = forms.Field("x", "X", "", "number", low, low, high)
    assert field.step == pytest.approx(step)
    assert field.digits == digits


def test_the_estimate_grows_with_what_multiplies_the_work():
    fit = Fit(ok=True, seconds=10.0)
    assert forms.estimate(SCHEMA, fit, {}) == 10
    assert forms.estimate(SCHEMA, fit, {"n_samples": 500, "noise": 0.5}) == pytest.approx(5)
    assert forms.estimate(SCHEMA, Fit(ok=True), {}) is None


def test_a_method_without_parameters_says_so():
    assert "no parameters" in str(forms.form("grad_cam", {"properties": {}}, None, {}))


def test_the_open_form_s_values_are_gathered_by_method():
    names = [
        {"type": "param", "method": "lime", "name": "n_samples"},
        {"type": "flag", "method": "lime", "name": "blur"},
    ]
    assert forms.read_controls(names, [500, True]) == {"lime": {"n_samples": 500, "blur": True}}
    assert forms.read_controls([], []) == {}


def test_choices_of_the_server_s_lists_are_offered():
    schema = {
        "properties": {
            "concept": {
                "type": "string",
                "title": "Concept",
                "default": "striped",
                "choices_from": "concepts",
            }
        }
    }
    assert forms.lists_needed(schema) == {"concepts"}
    drawn = forms.form(
        "visual_tcav",
        schema,
        None,
        {"concept": "dotted"},
        {"concepts": [("striped", "Striped"), ("dotted", "Dotted")]},
    )
    assert kinds(drawn) == {"concept": "Select"}
    select = next(
        part
        for part in drawn._traverse()
        if isinstance(getattr(part, "id", None), dict) and part.id.get("name") == "concept"
    )
    assert select.value == "dotted"
    assert [option["value"] for option in select.data] == ["striped", "dotted"]
    assert kinds(forms.form("visual_tcav", schema, None, {})) == {"concept": "TextInput"}
    assert forms.lists_needed(SCHEMA) == set()
