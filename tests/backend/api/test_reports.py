"""Evidence reports: the same words and figures in PDF and HTML as in the records, nothing from elsewhere, and what is refused."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pypdf
import pytest

from app.core.schemas import Gate
from backend.api import reporting
from backend.reports import manifest
from tests.backend.api.conftest import NOWHERE, explain, finished
from tests.backend.api.reports import Page, manifest_of, pdf_text, plain

LINK = "http://127.0.0.1:8050/?model=tiny&look=70,100,both,shared,cividis"

HEARS = "tiny_sound"


def maps(client: httpx.Client, input: str) -> list[str]:
    client.post("/predictions", json={"input": input, "model": "tiny"})
    ids = [explain(client, input, seed=seed).json()["id"] for seed in (51, 52)]
    for id in ids:
        finished(client, id)
    return ids


def heard(client: httpx.Client, sound: str) -> list[str]:
    client.post("/predictions", json={"input": sound, "model": HEARS})
    ids = [explain(client, sound, HEARS, seed=seed).json()["id"] for seed in (51, 52)]
    for id in ids:
        finished(client, id)
    return ids


def report(client: httpx.Client, form: str, ids: list[str], **more: Any) -> bytes:
    answer = client.get(f"/explanations/report.{form}", params={"ids": ",".join(ids), **more})
    assert answer.status_code == 200, answer.text
    return answer.content


def test_pdf_and_html_say_what_the_records_say(client: httpx.Client, photo: str) -> None:
    ids = maps(client, photo)
    prediction = client.post("/predictions", json={"input": photo, "model": "tiny"}).json()
    record = client.get(f"/explanations/{ids[0]}").json()["record"]
    page = Page(report(client, "html", ids, link=LINK, name="Röntgen <b>.png"))
    printed = pdf_text(report(client, "pdf", ids, link=LINK, name="Röntgen <b>.png"))
    told = next(one for one in prediction["classes"] if one["index"] == 1)
    for text in (page.text, printed):
        squeezed = text.replace(" ", "")
        assert "Not a medical device. Do not use to diagnose, rule out or triage." in text
        assert f"{told['label']} {told['probability']:.2f}" in text
        assert "A model score, not a probability of" in text
        assert "Röntgen <b>.png" in text
        for exact in (photo, record["weights_sha256"], record["values_sha256"][:12], LINK):
            assert exact.replace(" ", "") in squeezed
        for number, id in enumerate(ids, 1):
            said = client.get(f"/explanations/{id}").json()["record"]
            assert f"seed {said['seed']}" in text
            assert page.shown[f"input-1.map.{number}"]
            assert plain(page.shown[f"input-1.map.{number}"]) in text


def test_the_manifest_of_both_holds_requests_and_hashes(client: httpx.Client, photo: str) -> None:
    ids = maps(client, photo)
    files = {form: report(client, form, ids, link=LINK) for form in ("pdf", "html", "json")}
    read = {form: manifest_of(files[form]) for form in ("pdf", "html")}
    assert {**read["pdf"], "file_sha256": ""} == {**read["html"], "file_sha256": ""}
    assert all(manifest.intact(data) for data in files.values())
    [subject] = read["html"]["subjects"]
    assert subject["input"]["id"] == photo
    for id, said in zip(ids, subject["explanations"], strict=True):
        known = client.get(f"/explanations/{id}").json()
        assert (said["request"], said["record"]) == (known["request"], known["record"])
    page = Page(files["html"])
    assert {f"input-1.{name}": text for name, text in subject["shown"].items()} == page.shown


def test_a_report_asks_nobody_for_anything(client: httpx.Client, sound: str) -> None:
    ids = heard(client, sound)
    page = Page(report(client, "html", ids))
    assert not any(tag == "script" and a.get("type") != "application/json" for tag, a in page.elements)
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:"), (tag, value)
        assert not any(name.startswith("on") for name in attributes), tag
    assert len(page.sounds) == 1 + 2 * len(ids)
    marked = client.get(f"/explanations/{ids[0]}/audio.wav", params={"part": "only", "top": 20}).content
    assert page.sounds[1] == marked, "what a map marks sounds as on the page"
    assert page.sounds[0] == client.get(f"/inputs/{sound}/audio.wav").content
    printed = pypdf.PdfReader(io.BytesIO(report(client, "pdf", ids)))
    assert printed.trailer["/Root"]["/Lang"] == "en"
    assert printed.outline
    assert (printed.metadata or {}).get("/Title")


def test_a_withheld_score_is_nowhere_in_the_report_until_it_was_asked_for(
    client: httpx.Client, sound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = heard(client, sound)
    prediction = client.post("/predictions", json={"input": sound, "model": HEARS}).json()
    gate = Gate(state="abstain", reasons=["No cough was found."])
    made = reporting.prediction_of
    monkeypatch.setattr(reporting, "prediction_of", lambda row: made(row).model_copy(update={"gate": gate}))
    told = next(one for one in prediction["classes"] if one["index"] == 1)
    headline, page = f"{told['label']} {told['probability']:.2f}", Page(report(client, "html", ids))
    assert "Score withheld" in page.text
    assert headline not in page.text
    assert headline not in pdf_text(report(client, "pdf", ids))
    assert "input-1.score" not in page.shown
    assert str(told["probability"]) not in report(client, "json", ids).decode()
    assert headline in Page(report(client, "html", ids, asked=True)).text
    assert headline in pdf_text(report(client, "pdf", ids, asked=True))


def test_the_same_question_gives_the_same_report(client: httpx.Client, photo: str) -> None:
    ids = maps(client, photo)
    for form in ("pdf", "html"):
        assert report(client, form, ids) == report(client, form, ids)
        assert report(client, form, ids) != report(client, form, ids, top=10)


def test_refusals_of_a_report(client: httpx.Client, photo: str, sound: str, after: Any) -> None:
    [id, _], [other, _] = maps(client, photo), heard(client, sound)
    assert after(client.get(f"/explanations/report.pdf?ids={NOWHERE}"))["status"] == 404
    for query in (
        "ids=",
        "ids=,",
        "",
        f"ids={id}&top=0",
        f"ids={id}&link=javascript:alert(1)",
        f"ids={id},{other}",
    ):
        assert after(client.get(f"/explanations/report.pdf?{query}"))["status"] == 422, query
    assert after(client.get(f"/explanations/report.doc?ids={id}"))["status"] == 422
    waiting = explain(client, photo, seed=53, params={"n_samples": 60, "pause": 0.05}).json()["id"]
    refusal = after(client.get(f"/explanations/report.pdf?ids={waiting}"))
    client.delete(f"/explanations/{waiting}")
    assert (refusal["status"], refusal["code"]) == (404, "not_ready")


TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/explanations/report.{form}"): {200: "test_pdf_and_html_say_what_the_records_say", 404: f"/explanations/report.html?ids={NOWHERE}", 422: "test_refusals_of_a_report"},
}  # fmt: skip
