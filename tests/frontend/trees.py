"""The component trees of every page in memory, and what a test reads out of one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from dash.development.base_component import Component

from app.core.schemas import Gate
from frontend import about, shell
from frontend.cases import page as cases
from frontend.client import silent
from frontend.compare import beside_card, input_card, methods_card, panels, prediction_card
from frontend.compare import page as compare
from frontend.compare.address import View
from frontend.concepts import charts, detail_card, maps_table
from frontend.concepts import page as concepts
from frontend.inside import page as inside
from frontend.inside import training
from frontend.inside.address import Link
from frontend.measure import page as measure
from frontend.models import page as models
from frontend.models.add import cards
from frontend.models.card import model_card
from frontend.models.listing import listing
from tests.frontend import canned


def parts(tree: Component | list[Component]) -> Iterator[Component]:
    for root in tree if isinstance(tree, list) else [tree]:
        yield root
        yield from (part for part in root._traverse() if isinstance(part, Component))


def texts(tree: Component | list[Component]) -> str:
    """Every word a person can see or hear."""
    found = []
    for part in parts(tree):
        for name, value in part.to_plotly_json()["props"].items():
            if name in {"children", "label", "description", "title", "placeholder", "aria-label", "alt"}:
                found.extend(
                    item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)
                )
    return " ".join(found)


def opened(value: object = canned.SOUND) -> compare.Opened:
    return compare.Opened(
        canned.CATALOGUE, canned.LIMITS, canned.SAMPLES, {canned.SOUND.id: canned.SOUND}, value
    )  # type: ignore[arg-type]


def looked_inside(gate: Gate | None = None) -> inside.Opened:
    prediction = canned.prediction().model_copy(update={"gate": gate or Gate()})
    model = canned.CATALOGUE.models[0]
    return inside.Opened(
        canned.CATALOGUE, canned.SAMPLES, canned.LIMITS, model, canned.SOUND, prediction, None, Link()
    )


def drawn_panels() -> list[Component]:
    runs = {"grad_cam": {"id": "a1"}, "lrp": {"problem": silent("No.").problem.model_dump()}}
    return panels.panels(canned.CATALOGUE.methods[:5], canned.FITS, runs, {}, canned.prediction())


@cache
def trees() -> dict[str, Component | list[Component]]:
    """Everything the pages can show at once, with what their callbacks fill in."""
    prediction, model = canned.prediction(), canned.CATALOGUE.models[0]
    method, analysis = canned.CATALOGUE.methods[1], canned.analysis()
    return {
        "empty": [shell.shell(), compare.body(opened(None), View())],
        "open": [
            compare.body(opened(), View()),
            *prediction_card.prediction_view(prediction, 1, model, canned.SAMPLES[0], canned.SOUND),
            *drawn_panels(),
            methods_card.params_form(method, canned.FITS["lime"], {}),
            *beside_card.side("Shapes", canned.CATALOGUE.models[1], prediction, withheld=False),
            *beside_card.panels(
                canned.CATALOGUE.methods[:5],
                {**canned.FITS, "lrp": canned.FITS["occlusion"]},
                {"grad_cam": {"id": "b1"}, "lime": {"problem": silent("No.").problem.model_dump()}},
                prediction,
            ),
            *beside_card.models(canned.CATALOGUE.models, "image", "shapes"),
        ],
        "another input": beside_card.inputs(canned.SAMPLES, model, canned.PICTURE.id, canned.LIMITS),
        "uploaded": [
            *input_card.loaded(canned.PICTURE.model_copy(update={"sample": None})),
            input_card.delete_all(),
        ],
        "withheld": prediction_card.prediction_view(
            prediction.model_copy(update={"gate": Gate(state="abstain", reasons=["No cough was found."])}),
            1,
            model,
            None,
            canned.SOUND,
        ),
        "models": [
            models.layout(),
            listing(canned.CATALOGUE.models),
            cards(canned.LIMITS),
            model_card(model),
        ],
        "concepts": [
            concepts.layout(),
            *concepts.body(
                canned.CATALOGUE, [canned.CONCEPT], canned.SAMPLES, canned.LIMITS, canned.CATALOGUE.models[1]
            ),
        ],
        "inside": [inside.layout(), inside.body(looked_inside())],
        "inside withheld": inside.body(looked_inside(Gate(state="abstain", reasons=["No cough was found."]))),
        "cases": [cases.layout(list="l", case="c")],
        "measure": [measure.layout(), measure.body(canned.CATALOGUE, None, {"model": "shapes"})],
        "training": training.view({}, inside.switch("training")),
        "concept": detail_card.detail(canned.CONCEPT, None),
        "analysis": [
            detail_card.detail(canned.CONCEPT, analysis.result),
            maps_table.table(
                analysis.result, analysis.id, 0, prediction, {canned.CONCEPT.ref: canned.CONCEPT}
            ),
            charts.overall(analysis.result, [canned.CONCEPT.ref]),
        ],
        "about": [about.layout(), about.method_table(canned.CATALOGUE)],
        "skeleton": [compare.layout()],
        "silent": [compare.unreachable(silent("The computing side does not answer."))],
    }


def widgets(tree: Component | list[Component]) -> list[dict[str, str]]:
    found = []
    for part in parts(tree):
        props = part.to_plotly_json()["props"]
        if "data-evident" in props:
            assert props.get("children") is None, "the inside of a widget belongs to its script"
            found.append(
                {key.removeprefix("data-"): value for key, value in props.items() if key.startswith("data-")}
            )
    return found
