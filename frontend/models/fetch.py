"""Fetching the weights of a published network, followed until they are here."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.core.schemas import Job, ModelInfo
from frontend.client import ApiProblem, Client
from frontend.ui import common, words
from frontend.ui.common import text_field
from frontend.wiring import wire


def register(app: Dash, client: Client) -> None:
    """Ask for the weights, then look once a second how far they are."""
    changes = {"changes": State("model-change-store", "data")}
    wire(
        app,
        client,
        fetch,
        prevent_initial_call=True,
        output={
            "note": Output("fetch-note", "children"),
            "job": Output("fetch-store", "data"),
            "idle": Output("fetch-tick", "disabled"),
            "changes": Output("model-change-store", "data", allow_duplicate=True),
        },
        inputs={"clicks": Input("fetch-model", "n_clicks")},
        state={"name": State("fetch-name", "value"), **changes},
    )
    wire(
        app,
        client,
        follow,
        prevent_initial_call=True,
        output={
            "note": Output("fetch-note", "children", allow_duplicate=True),
            "job": Output("fetch-store", "data", allow_duplicate=True),
            "idle": Output("fetch-tick", "disabled", allow_duplicate=True),
            "changes": Output("model-change-store", "data", allow_duplicate=True),
        },
        inputs={"ticks": Input("fetch-tick", "n_intervals")},
        state={"job": State("fetch-store", "data"), **changes},
    )


def form() -> Component:
    """A published network by name. Nothing is fetched before the button is pressed."""
    return common.card(
        "Fetch a published network",
        html.P(
            "Any convolutional network of timm or torchvision. Its weights are fetched from the internet once; nothing of yours is sent."
        ),
        text_field("fetch-name", "Name", "timm:NAME or torchvision:NAME", "timm:resnet18"),
        html.Button("Fetch", id="fetch-model", className="ev-button", n_clicks=0),
        html.Div(id="fetch-note", role="status"),
        className="ev-upload-card",
    )


def progress_words(job: Job) -> str:
    """How far the fetching is."""
    if job.state == "queued":
        return "Waiting for a worker."
    if job.progress.unit != "bytes" or not job.progress.total:
        return "Asking for the weights."
    return f"{words.megabytes(job.progress.done)} of {words.megabytes(job.progress.total)} fetched."


async def fetch(client: Client, clicks: int | None, name: str | None, changes: int | None) -> dict[str, Any]:
    """A model that is here already is listed at once; else its job is followed."""
    if not clicks:
        raise PreventUpdate
    try:
        answer = await client.fetch_model((name or "").strip())
    except ApiProblem as refusal:
        return ended(common.problem(refusal))
    if isinstance(answer, ModelInfo):
        return ended(f"{answer.title} is here.", (changes or 0) + 1)
    return {"note": progress_words(answer), "job": answer.id, "idle": False, "changes": no_update}


async def follow(client: Client, ticks: int | None, job: str | None, changes: int | None) -> dict[str, Any]:
    """How far the job is; its end draws the list again."""
    if not job:
        raise PreventUpdate
    try:
        answer = await client.job(job)
    except ApiProblem as refusal:
        return ended(common.problem(refusal))
    if answer.state in ("queued", "running"):
        return {"note": progress_words(answer), "job": job, "idle": False, "changes": no_update}
    if answer.error is not None:
        return ended(common.problem(ApiProblem(answer.error)))
    if answer.state == "cancelled":
        return ended("It was stopped before the weights were here.")
    return ended("It is here.", (changes or 0) + 1)


def ended(note: Any, changes: Any = no_update) -> dict[str, Any]:
    """Nothing is followed any more."""
    return {"note": note, "job": None, "idle": True, "changes": changes}
