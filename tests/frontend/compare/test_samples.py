"""The gallery is listed again once the operator's own models have been looked at."""

from __future__ import annotations

import pytest
from dash.exceptions import PreventUpdate

from frontend.compare.samples import list_again
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.trees import texts
from tests.frontend.waiting import run

SERVER = Api(samples=canned.SAMPLES, input=lambda key: GONE)


def test_own_inputs_join_the_gallery_when_the_list_of_models_is_complete():
    again = run(list_again(SERVER, True))
    assert set(again) == {"start", "drawer"}
    for gallery in again.values():
        assert canned.SAMPLES[0].title in texts(gallery)


@pytest.mark.parametrize(("server", "complete"), [(SERVER, False), (Api(samples=GONE), True)])
def test_what_is_listed_stays_while_there_is_nothing_new(server, complete):
    with pytest.raises(PreventUpdate):
        run(list_again(server, complete))
