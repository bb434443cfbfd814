"""An address that names a model which cannot be used says so; it never goes on with another one."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.schemas import PublishedName, PublishedNames
from frontend.compare import page, wished_model
from tests.frontend import canned
from tests.frontend.api import Api
from tests.frontend.trees import parts, texts
from tests.frontend.waiting import run

RESNET = PublishedName(
    key="timm:resnet18",
    family="ResNet",
    parameters=11_689_512,
    download_bytes=46_758_048,
    input=(3, 224, 224),
    classes=1000,
    licence="Apache-2.0",
    address="https://example.org/model.safetensors",
    reason="",
    here=False,
)


def answer(*names: PublishedName, downloads: bool = True, nearest: str | None = None) -> PublishedNames:
    return PublishedNames(
        total=1400, found=len(names), downloads=downloads, nearest=nearest, names=list(names)
    )


def shown(query: dict[str, str], said: Any = None, value: Any = None) -> Any:
    return run(wished_model.stand_in(Api(published=said), query, canned.CATALOGUE.models, value))


def links(tree: Any) -> list[str]:
    return [part.href for part in parts(tree) if getattr(part, "href", None)]


def test_a_model_that_can_be_used_needs_no_word() -> None:
    assert shown({}) is None
    assert shown({"model": "shapes"}) is None
    assert shown({"model": "cnnexplain"}, value=canned.SOUND) is None


def test_a_network_that_was_not_fetched_is_offered() -> None:
    card = shown({"model": RESNET.key, "input": canned.SOUND.id}, answer(RESNET))
    assert "not on this server yet. Its weights are 47 MB" in texts(card)
    [offer] = [part for part in parts(card) if getattr(part, "data-evident", "") == "fetch-offer"]
    assert getattr(offer, "data-key-name") == RESNET.key
    assert all("model=" in link for link in links(card))


@pytest.mark.parametrize(
    ("said", "words", "link"),
    [
        (answer(RESNET, downloads=False), "EVIDENT_DOWNLOADS=false", "/models"),
        (
            answer(RESNET.model_copy(update={"reason": "published as a pickle only"})),
            "pickle only",
            "/models",
        ),
        (answer(nearest="timm:resnet34"), "no network of this name", "/?model=timm%3Aresnet34"),
        (answer(), "no network of this name", None),
    ],
)
def test_what_cannot_be_fetched_says_why_and_the_way_around(said, words, link) -> None:
    card = shown({"model": RESNET.key}, said)
    assert words in texts(card)
    assert link is None or link in links(card)
    assert not [part for part in parts(card) if getattr(part, "data-evident", "") == "fetch-offer"]


@pytest.mark.parametrize("key", ["upload-0123456789abcdef", "<script>alert(1)</script>", "timm:" + "x" * 300])
def test_a_name_of_nothing_asks_nobody(key: str) -> None:
    server = Api()
    card = run(wished_model.stand_in(server, {"model": key}, canned.CATALOGUE.models, None))
    assert "no model of this name" in texts(card)
    assert server.calls == []


def test_a_model_of_another_kind_of_input_is_not_exchanged() -> None:
    card = shown({"model": "shapes", "input": canned.SOUND.id}, value=canned.SOUND)
    assert "takes image" in texts(card)
    assert "/?model=shapes" in links(card)
    assert any(canned.SOUND.id in link and "model=shapes" not in link for link in links(card))


def test_the_page_itself_shows_it_in_place_of_maps() -> None:
    server = Api(catalogue=canned.CATALOGUE, limits=canned.LIMITS, samples=[], published=answer(RESNET))
    drawn = run(page.load(server, {"model": RESNET.key}))
    assert "This address asks for" in texts(drawn)
    assert not [part for part in parts(drawn) if getattr(part, "id", None) == "model-select"]
