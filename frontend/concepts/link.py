"""From the address to a page and back: what a link asks for and is still there; the address that follows
the choices."""

from __future__ import annotations

from dash import ALL, ClientsideFunction, Dash, Input, Output, State

from app.core.schemas import Catalogue, Concept, ModelInfo
from frontend.client import ApiProblem, Client
from frontend.concepts import address, page
from frontend.concepts.address import Link


def register(app: Dash, client: Client) -> None:
    """The address follows the choices, in the browser."""
    app.clientside_callback(
        ClientsideFunction("evident", "conceptsLink"),
        Output("concept-address", "data"),
        Input("concept-opened", "data"),
        Input("concept-model-store", "data"),
        Input("concept-inputs", "data"),
        Input("concept-layers", "value"),
        Input("concept-class", "value"),
        Input("concept-negatives", "value"),
        Input("concept-shown-store", "data"),
        Input("concept-job-store", "data"),
        Input({"type": "concept-tick", "ref": ALL}, "checked"),
        State({"type": "concept-tick", "ref": ALL}, "id"),
        prevent_initial_call=True,
    )


async def open_link(
    client: Client, query: dict[str, str], concepts: list[Concept], catalogue: Catalogue
) -> tuple[ModelInfo, Link]:
    """What the address asks for and is still there. Raises ApiProblem when the API does not answer."""
    link, listed = address.read(query), page.models_of(catalogue)
    if link.analysis:
        try:
            link = link.filled(await client.analysis(link.analysis))
        except ApiProblem as refusal:
            if not refusal.gone:
                raise
            link = link.without("the analysis (deleted)", analysis=None)
    model = next((model for model in listed if model.key == link.model), None)
    if model is None and link.model:
        try:
            model = await client.model(link.model)
        except ApiProblem as refusal:
            if not refusal.gone:
                raise
            link = link.without("the model", layers=None, target=None)
    model = model or listed[0]
    return model, link.fitted(model, concepts)
