"""A model that the address names and that cannot be used as it is: said in one sentence with the ways on. It is never
replaced by another one without a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from dash import html
from dash.development.base_component import Component

from app.core.schemas import Input as EvidentInput
from app.core.schemas import ModelInfo, PublishedName
from frontend.client import ApiProblem, Client
from frontend.compare import methods_card
from frontend.ui import common, words

LONGEST = 100
LIBRARIES = ("timm:", "torchvision:")


async def stand_in(
    client: Client, query: Mapping[str, str], models: Sequence[ModelInfo], value: EvidentInput | None
) -> Component | None:
    """What the page shows in place of maps; None where the address names no model or one that can be used."""
    key = query.get("model")
    if not key:
        return None
    known = next((model for model in models if model.key == key), None)
    if known is None:
        return await _missing(client, key, query, models, value)
    if not known.available:
        return _card(
            known.title, known.reason or "Its weights are not on this server.", _instead(query, models, value)
        )
    if value is not None and value.modality not in known.modalities:
        takes = " or ".join(words.MODALITY[name].lower() for name in known.modalities)
        told = f"This model takes {takes}, and the input of the address is of another kind."
        other = html.A("Choose another input", href=_address({"model": key}), className="ev-button")
        return _card(known.title, told, [other, *_instead(query, models, value)])
    return None


async def _missing(
    client: Client,
    key: str,
    query: Mapping[str, str],
    models: Sequence[ModelInfo],
    value: EvidentInput | None,
) -> Component:
    """A network that was not fetched, or that there is none of."""
    instead = _instead(query, models, value)
    if not key.startswith(LIBRARIES) or len(key) > LONGEST:
        told = "There is no model of this name on this server; it may have been deleted."
        return _card(key[:LONGEST], told, instead)
    try:
        answer = await client.published(key)
    except ApiProblem as refusal:
        return _card(key, refusal.problem.detail, instead)
    name = next((name for name in answer.names if name.key == key), None)
    if name is None:
        near = answer.nearest
        hint = (
            [html.A(f"Try {near}", href=_address({**query, "model": near}), className="ev-button")]
            if near
            else []
        )
        return _card(key, "timm and torchvision have no network of this name.", [*hint, *instead])
    if name.reason:
        return _card(
            key, f"It cannot be fetched: {name.reason}.", [_models_page("Bring its weights"), *instead]
        )
    if not answer.downloads:
        told = (
            "It is not on this server, which fetches nothing (EVIDENT_DOWNLOADS=false). "
            f"Download {name.address} elsewhere and drop the file on the Models page."
        )
        return _card(key, told, [_models_page("Open the Models page"), *instead])
    return _card(key, _cost(name), instead, fetch=name)


def _cost(name: PublishedName) -> str:
    return f"It is not on this server yet. Its weights are {name.download_bytes / 1e6:,.0f} MB, from huggingface.co; only numbers are read."


def _card(title: str, told: str, ways: Sequence[Component], fetch: PublishedName | None = None) -> Component:
    widget = common.widget("fetch-offer", key_name=fetch.key, bytes=fetch.download_bytes) if fetch else None
    return html.Div(
        common.card(
            "",
            html.H2(
                ["This address asks for ", html.Span(title, className="ev-breaks")],
                className="ev-wished-title",
            ),
            html.P(told),
            widget,
            html.Div(list(ways), className="ev-wished-ways"),
            className="ev-wished",
            **common.aria(label="The model of this address"),
        ),
        className="ev-page",
    )


def _instead(
    query: Mapping[str, str], models: Sequence[ModelInfo], value: EvidentInput | None
) -> list[Component]:
    """The model such inputs are given to by default, on the same input; published networks take pictures."""
    usual = methods_card.choose_model(models, value.modality if value else "image")
    title = next((model.title for model in models if model.key == usual), None)
    if usual is None or title is None:
        return []
    address = _address({"model": usual, **({"input": query["input"]} if query.get("input") else {})})
    return [html.A(f"Use {title} instead", href=address, className="ev-button")]


def _models_page(text: str) -> Component:
    return html.A(text, href="/models", className="ev-button")


def _address(query: Mapping[str, str]) -> str:
    return f"/?{urlencode(query)}"
