"""Reports of cases and worklists: verdicts and regions as they were given, nothing that is still hidden, and what a deletion leaves."""

from __future__ import annotations

import base64
import io
import time
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.core.schemas import Region
from tests.backend.api.conftest import NOWHERE, explain, finished, upload
from tests.backend.api.reports import Page, manifest_of, pdf_text
from tests.backend.api.test_verifications import outcome, resealed
from tests.models.media.encoders import image, picture

NOTE = "Marks the corner.\nNot the thing."


def judged(
    client: httpx.Client, input: str, title: str, name: str = "leaf.png"
) -> tuple[dict[str, Any], str]:
    """A case that was read, shown and judged, and the map that was shown."""
    body = {"inputs": [input], "model": "tiny", "title": title, "names": {input: name}}
    added = client.post("/cases", json=body).json()
    id = added["cases"][0]["id"]
    client.post("/predictions", json={"input": input, "model": "tiny"})
    region = {"boxes": [[2.0, 20.0, 3.0, 18.0]]}
    before = client.put(f"/cases/{id}/verdict", json={"stage": "before", "reading": 0, "region": region})
    assert before.status_code == 200, before.text
    assert client.post(f"/cases/{id}/reveal").status_code == 200
    map_ = explain(client, input, seed=61).json()["id"]
    finished(client, map_)
    after = {
        "stage": "after",
        "prediction": "cannot_say",
        "explanation": "misleading",
        "note": NOTE,
        "shown": {"explanations": [map_]},
    }
    assert client.put(f"/cases/{id}/verdict", json=after).status_code == 200
    return added, map_


def answer(client: httpx.Client, path: str, **params: Any) -> bytes:
    got = client.get(path, params=params)
    assert got.status_code == 200, got.text
    return got.content


def test_the_report_of_a_case_holds_every_verdict_and_the_map_it_was_given_on(client: httpx.Client) -> None:
    photo = upload(client, image(picture(seed=71)))
    added, map_ = judged(client, photo, "Reports 1")
    other = explain(client, photo, seed=62).json()["id"]
    finished(client, other)
    path = f"/cases/{added['cases'][0]['id']}/report"
    page, printed = Page(answer(client, f"{path}.html")), pdf_text(answer(client, f"{path}.pdf"))
    for text in (page.text, printed):
        for told in (
            "case 1 of “Reports 1”",
            "leaf.png",
            "misleading",
            "cannot say",
            "Marks the corner. Not the thing.",
            "before seeing the model",
        ):
            assert told in text, told
    [subject] = manifest_of(answer(client, f"{path}.pdf"))["subjects"]
    assert [said["id"] for said in subject["explanations"]] == [map_]
    assert [verdict["stage"] for verdict in subject["verdicts"]] == ["before", "after"]
    assert Region(**subject["region"]).boxes == [[2.0, 20.0, 3.0, 18.0]]
    assert "of the support; an even map would have" in page.shown["input-1.map.1"]


def whatif(client: httpx.Client, **body: Any) -> dict[str, Any]:
    """Its result, waited for."""
    job = client.post("/whatifs", json=body).json()
    deadline = time.monotonic() + 60
    while job["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        job = client.get(f"/whatifs/{job['id']}").json()
    assert job["state"] == "done", job
    return job["result"]


def test_the_region_alone_and_the_rest_as_far_as_the_model_was_asked(
    client: httpx.Client, sound: str
) -> None:
    """In the very sound, with what random regions give; recomputed with everything else, and a changed score is told."""
    prediction = client.post("/predictions", json={"input": sound, "model": "tiny_sound"}).json()
    start = prediction["window"][0]
    boxes = [[start + 0.2, start + 0.6, 300.0, 700.0]]
    body = {"inputs": [sound], "model": "tiny_sound", "title": "Reports 5"}
    id = client.post("/cases", json=body).json()["cases"][0]["id"]
    said = client.put(
        f"/cases/{id}/verdict", json={"stage": "before", "reading": 0, "region": {"boxes": boxes}}
    )
    assert said.status_code == 200, said.text
    assert client.post(f"/cases/{id}/reveal").json()["prediction"]["id"] == prediction["id"]
    path = f"/cases/{id}/report"
    read = {"html": lambda data: Page(data).text, "pdf": pdf_text}

    def told(form: str = "html") -> str:
        return read[form](answer(client, f"{path}.{form}", asked=True))

    assert "The model was not asked about the region alone, nor about all but it." in told()
    index = 1 if len(prediction["classes"]) == 2 else prediction["top"]
    asked = {
        "input": sound,
        "model": "tiny_sound",
        "start": start,
        "target": index,
        "heard": True,
        "boxes": boxes,
    }
    whatif(client, **{**asked, "boxes": [[start + 0.1, *boxes[0][1:]]]}, mode="erase")  # another region
    whatif(client, **{**asked, "heard": False}, mode="erase")  # not in the sound
    kept = whatif(client, **asked, mode="keep")
    score = (
        f"Only the region {kept['target_label']} {kept['after']:.2f}, with everything {kept['before']:.2f}"
    )
    for text in (told(), told("pdf")):
        assert score in text
        assert "All but the region The model was not asked." in text
        assert "Masked sound is unlike anything the model was trained on" in text
    erased = whatif(client, **asked, mode="erase")
    assert f"All but the region {erased['target_label']} {erased['after']:.2f}, with" in told()
    assert finished(client, explain(client, sound, "tiny_sound", start=start).json()["id"])["state"] == "done"
    data = answer(client, f"{path}.html", asked=True, opacity=0)
    [drawn] = [
        a["src"] for tag, a in Page(data).elements if tag == "img" and (a["alt"] or "").startswith("Map of")
    ]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn.split(",", 1)[1]))))
    assert len(np.unique(pixels)) > 10, "under a map asked from the start of the window lies the input"
    assert outcome(client, data)["state"] == "same"
    for change in (_less, _nowhere, _no_class):
        items = outcome(client, resealed(data, change))["items"]
        assert "Score of only the region" in [item["title"] for item in items if item["state"] == "different"]


def _less(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["again"][0]["result"]["after"] += 0.01


def _nowhere(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["region"] = None


def _no_class(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["again"][0]["target"] = 99


def test_no_report_before_the_model_is_shown(client: httpx.Client, after: Any) -> None:
    photo = upload(client, image(picture(seed=72)))
    added = client.post("/cases", json={"inputs": [photo], "model": "tiny", "title": "Reports 2"}).json()
    id = added["cases"][0]["id"]
    prediction = client.post("/predictions", json={"input": photo, "model": "tiny"}).json()
    refusal = after(client.get(f"/cases/{id}/report.pdf"))
    assert (refusal["status"], refusal["code"]) == (409, "judge_first")
    listed = answer(client, f"/worklists/{added['worklist']['id']}/report.html", pages=True)
    score = next(one["probability"] for one in prediction["classes"] if one["index"] == 1)
    assert "hidden" in Page(listed).text
    assert f"{score:.2f}" not in Page(listed).text
    assert str(score) not in listed.decode()
    assert after(client.get("/cases/nothing/report.pdf"))["status"] == 404
    assert after(client.get(f"/cases/{id}/report.doc"))["status"] == 422
    assert after(client.get(f"/worklists/{added['worklist']['id']}/report.pdf?link=ftp://x"))["status"] == 422


def test_a_deleted_input_leaves_what_was_said(client: httpx.Client) -> None:
    photo = upload(client, image(picture(seed=73)))
    added, _ = judged(client, photo, "Reports 3")
    assert client.delete(f"/inputs/{photo}", params={"with": "all"}).status_code == 204
    path = f"/cases/{added['cases'][0]['id']}/report"
    page, printed = Page(answer(client, f"{path}.html")), pdf_text(answer(client, f"{path}.pdf"))
    for text in (page.text, printed):
        assert "The input was deleted" in text
        assert "misleading" in text
    assert photo in page.text
    assert not page.sounds


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_a_worklist_has_a_table_and_a_page_of_each_judged_case(client: httpx.Client, form: str) -> None:
    photos = [upload(client, image(picture(seed=seed))) for seed in (74, 75)]
    for number, photo in enumerate(photos):
        added, _ = judged(client, photo, f"Reports 4 {form}", f"leaf_{number}.png")
    path = f"/worklists/{added['worklist']['id']}/report.{form}"
    table, whole = answer(client, path), answer(client, path, pages=True)
    read = pdf_text if form == "pdf" else lambda data: Page(data).text
    for text in (read(table), read(whole)):
        assert "leaf_0.png" in text
        assert "leaf_1.png" in text
    assert "misleading" not in read(table)
    assert read(whole).count("misleading") == 2
    assert len(manifest_of(whole)["subjects"]) == 2


TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/cases/{id}/report.{form}"): {200: "test_the_report_of_a_case_holds_every_verdict_and_the_map_it_was_given_on", 404: f"/cases/{NOWHERE}/report.html", 422: "test_no_report_before_the_model_is_shown"},
    ("GET", "/v1/worklists/{id}/report.{form}"): {200: "test_a_worklist_has_a_table_and_a_page_of_each_judged_case", 404: f"/worklists/{NOWHERE}/report.html", 422: "test_no_report_before_the_model_is_shown"},
}  # fmt: skip
