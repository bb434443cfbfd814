"""The gallery is listed again once the operator's own models have been looked at."""

from __future__ import annotations

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate

from frontend.compare import page as compare
from frontend.compare.address import View
from frontend.compare.samples import list_again, show_drawer, show_start
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.trees import opened, texts
from tests.frontend.waiting import run

SERVER = Api(samples=canned.SAMPLES, input=lambda key: GONE)


def test_own_inputs_join_the_gallery_when_the_list_of_models_is_complete():
    again = run(list_again(SERVER, True, True, True))
    assert set(again) == {"start", "drawer"}
    for gallery in again.values():
        assert canned.SAMPLES[0].title in texts(gallery)


def test_what_is_not_seen_is_not_listed_before_it_is():
    assert set(run(list_again(SERVER, True, False, False)).values()) == {no_update}
    page = compare.body(opened(), View())
    assert canned.SAMPLES[1].title not in texts(page)
    assert canned.SAMPLES[1].title in texts(compare.body(opened(None), View()))


def test_the_drawer_lists_its_samples_when_it_is_opened_and_says_when_it_cannot():
    shown = run(show_drawer(SERVER, 1))
    assert shown["opened"]
    assert canned.SAMPLES[0].title in texts(shown["drawer"])
    assert "does not answer" in texts(run(show_drawer(Api(down=True), 1))["drawer"])
    with pytest.raises(PreventUpdate):
        run(show_drawer(SERVER, 0))


def test_the_first_screen_gets_its_samples_when_the_input_of_a_link_is_closed():
    assert canned.SAMPLES[0].title in texts(run(show_start(SERVER, True)))
    assert "does not answer" in texts(run(show_start(Api(down=True), True)))


@pytest.mark.parametrize(("server", "complete"), [(SERVER, False), (Api(samples=GONE), True)])
def test_what_is_listed_stays_while_there_is_nothing_new(server, complete):
    with pytest.raises(PreventUpdate):
        run(list_again(server, complete, True, True))
