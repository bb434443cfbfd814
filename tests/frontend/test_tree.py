"""All pages as component trees: unique ids, callbacks whose ids exist, one prefix, nothing from elsewhere, no
word that speaks of illness."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from dash import Dash
from fastapi import FastAPI

from app.core.settings import Settings
from frontend import create_dash, shell
from tests.frontend.trees import parts, texts, trees

FRONTEND = Path(shell.__file__).parent
FORBIDDEN = re.compile(
    r"diagnos|shows? disease|decision support|\bsick\b|\binfected\b|patient has|detects? covid|covid positive",
    re.IGNORECASE,
)
ALLOWED = ("Do not use to diagnose, rule out or triage.",)


@pytest.fixture(scope="module")
def app() -> Dash:
    return create_dash(FastAPI(), Settings())


@pytest.mark.parametrize("name", list(trees()))
def test_ids_are_unique(name):
    keys = [json.dumps(part.id, sort_keys=True) for part in parts(trees()[name]) if getattr(part, "id", None)]
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)


@pytest.mark.parametrize("name", list(trees()))
def test_no_word_speaks_of_illness(name):
    spoken = texts(trees()[name])
    for sentence in ALLOWED:
        spoken = spoken.replace(sentence, "")
    assert not FORBIDDEN.search(spoken)


def test_the_banner_stands_on_every_page():
    assert "Not a medical device" in texts(shell.shell())


def test_every_callback_is_async_or_runs_in_the_browser(app):
    ours = 0
    for key, entry in app.callback_map.items():
        function = entry.get("callback")
        if function is None:
            continue
        function = inspect.unwrap(function)
        assert inspect.iscoroutinefunction(function), key
        ours += 1
    assert ours >= 12


def test_every_clientside_function_is_a_name_not_a_text(app, js):
    assert not app._inline_scripts
    named = [entry["clientside_function"] for entry in app._callback_list if entry["clientside_function"]]
    exported = set(js.evaluate("async () => Object.keys(await evident.callbacks())"))
    for function in named:
        assert function["namespace"] == "evident"
        assert function["function_name"] in exported, function
    assert exported == {function["function_name"] for function in named}, "a function that no page calls"


def test_every_callback_s_fixed_ids_exist(app):
    placed = {
        part.id
        for tree in [*trees().values(), [shell.shell()]]
        for part in parts(tree)
        if isinstance(getattr(part, "id", None), str)
    }
    for entry in app._callback_list:
        names = [dependency["id"] for dependency in [*entry["inputs"], *entry["state"]]]
        names += [output.rsplit(".", 1)[0] for output in entry["output"].strip(".").split("...")]
        for name in names:
            assert name.startswith(("{", "_pages")) or name in placed, name


def test_buttons_that_come_and_go_share_no_callback_with_other_inputs(app):
    """Their arrival starts the callback again, and Dash throws away the answer to the other input that was
    under way."""
    mixed = []
    for entry in app._callback_list:
        patterned = [
            part["id"].startswith("{") and part["property"] == "n_clicks" for part in entry["inputs"]
        ]
        if any(patterned) and not all(patterned):
            mixed.append(entry["output"])
    assert not mixed


def test_nothing_is_fetched_from_elsewhere(app):
    page = app.interpolate_index(
        css=app._generate_css_dist_html(), scripts=app._generate_scripts_html(), config="", renderer=""
    )
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    for path in [*(FRONTEND / "assets").rglob("*.css"), *(FRONTEND / "assets").rglob("*.svg")]:
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", path.read_text()), path


def test_dash_s_websocket_is_gone(app):
    assert "websocket" not in app._config()
    assert "/_dash-ws-callback" not in {getattr(route, "path", "") for route in app.server.router.routes}


def test_styles_stand_in_one_order_of_layers_under_one_prefix():
    styles = FRONTEND / "assets" / "styles"
    [layers] = re.findall(r"^@layer (.*);", (FRONTEND / "assets" / "layers.css").read_text(), re.MULTILINE)
    for path in styles.glob("*.css"):
        css = re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", path.read_text(), flags=re.DOTALL)
        outside = re.findall(r"^(\S.*?)\s*\{", css, re.MULTILINE)
        if path.name == "mantine.css":
            assert not any(line.startswith("@") for line in outside)
        else:
            assert outside, path
            assert {line.removeprefix("@layer ") for line in outside} <= set(layers.split(", ")), (
                path,
                outside,
            )
        assert len(css.splitlines()) <= 400, path
        foreign = {"gridlayer", "zerolinelayer", "heatmap-label", "_dash-loading"}
        selectors = [line for line in css.splitlines() if line.rstrip().endswith(("{", ","))]
        classes = set(re.findall(r"\.(_?[a-zA-Z][\w-]*)", " ".join(selectors))) - foreign
        assert all(name.startswith(("ev-", "mantine-")) for name in classes), (path, classes)


def test_every_class_on_the_pages_has_the_prefix():
    for name, tree in trees().items():
        for part in parts(tree):
            for word in str(getattr(part, "className", None) or "").split():
                assert word.startswith("ev-"), (name, word)
    for path in (FRONTEND / "assets" / "evident").rglob("*.mjs"):
        for classes in re.findall(r"""\bel\(\s*["'`][a-z0-9]+\.([\w.-]+)""", path.read_text()):
            assert all(word.startswith("ev-") for word in classes.split(".")), (path, classes)


def test_every_drawer_can_be_closed_by_name():
    drawers = {part.id: part for tree in trees().values() for part in parts(tree) if part._type == "Drawer"}
    assert len(drawers) >= 4
    assert all(part.closeButtonProps["aria-label"] == "Close" for part in drawers.values())


def test_every_icon_exists_as_a_file():
    css = (FRONTEND / "assets" / "styles" / "icons.css").read_text()
    for path in (FRONTEND / "assets" / "icons").glob("*.svg"):
        assert f"../icons/{path.name}" in css
    used = {
        name
        for tree in trees().values()
        for part in parts(tree)
        for name in re.findall(r"ev-icon--(\w+)", str(getattr(part, "className", "")))
    }
    assert used
    assert used <= {path.stem for path in (FRONTEND / "assets" / "icons").glob("*.svg")}
