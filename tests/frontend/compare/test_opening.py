"""What the Compare page opens for an address: an input taken along from another page only where the model takes such inputs."""

from __future__ import annotations

import pytest

from app.core.schemas import Input
from frontend.compare.address import read
from frontend.compare.page import Opened, open_page
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.waiting import run


def opened(**query: str) -> Opened:
    inputs: dict[str, Input] = {value.id: value for value in (canned.SOUND, canned.PICTURE)}
    server = Api(
        fits=canned.FITS,
        advice=None,
        catalogue=canned.CATALOGUE,
        limits=canned.LIMITS,
        samples=[],
        input=lambda key: inputs.get(key, GONE),
    )
    return run(open_page(server, read(query)))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"model": "shapes", "along": canned.PICTURE.id}, canned.PICTURE.id),
        ({"model": "cnnexplain", "along": canned.SOUND.id}, canned.SOUND.id),
        ({"model": "cnnexplain", "along": canned.PICTURE.id}, None),
        ({"model": "unknown", "along": canned.PICTURE.id}, None),
        ({"model": "shapes", "along": "gone"}, None),
        ({"along": canned.PICTURE.id}, None),
        ({"model": "shapes", "input": canned.PICTURE.id, "along": canned.SOUND.id}, canned.PICTURE.id),
    ],
)
def test_an_input_comes_along_where_the_chosen_model_takes_it(query, shown):
    page = opened(**query)
    assert (page.value.id if page.value else None) == shown
    assert page.trouble is None
