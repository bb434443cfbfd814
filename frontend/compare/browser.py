"""What runs in the browser: wiring of the functions in assets/evident/dash/callbacks.mjs. No script text
in Python."""

from __future__ import annotations

from dash import ALL, ClientsideFunction, Dash, Input, Output, State

from frontend.client import Client

LOOK = ("look-opacity", "look-top", "look-sign", "look-scale", "look-colours", "look-cell")


def register(app: Dash, _client: Client) -> None:
    """Level, look, what is withheld, staleness, permalink, announcements."""

    def function(name: str) -> ClientsideFunction:
        return ClientsideFunction("evident", name)

    look = [Input(key, "value") for key in LOOK]
    app.clientside_callback(function("look"), Output("compare", "data-look"), *look)
    app.clientside_callback(
        function("percent"),
        Output("look-opacity-value", "children"),
        Output("look-top-value", "children"),
        *look[:2],
    )
    app.clientside_callback(
        function("known"),
        Output("evidence-row", "hidden"),
        Output("evidence", "data-known"),
        Input("answer-store", "data"),
    )
    app.clientside_callback(
        function("withheld"),
        Output("prediction-card", "data-withheld"),
        Input("answer-store", "data"),
        Input("asked-store", "data"),
    )
    outlined = Input("look-evidence", "checked")
    app.clientside_callback(function("outlined"), Output("evidence-row", "data-outlined"), outlined)
    app.clientside_callback(function("level"), Output("level", "data-level"), Input("level", "value"))
    app.clientside_callback(
        function("navigation"),
        Output({"type": "nav", "path": ALL}, "aria-current"),
        Output({"type": "nav", "path": ALL}, "href"),
        Input("_pages_location", "pathname"),
        State({"type": "nav", "path": ALL}, "id"),
    )
    app.clientside_callback(function("mode"), Output("compare", "className"), Input("input-store", "data"))
    app.clientside_callback(
        function("startSeen"),
        Output("start-store", "data"),
        Input("input-store", "data"),
        State("start-store", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("remove"),
        Output("input-store", "data", allow_duplicate=True),
        Input("input-remove", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("target"),
        Output("target-store", "data"),
        Input("target-select", "value"),
        State("answer-store", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("playerWindow"),
        Output({"type": "player", "input": ALL}, "data-window"),
        Input("answer-store", "data"),
        State({"type": "player", "input": ALL}, "id"),
    )
    state = [
        Input("answer-store", "data"),
        Input("target-store", "data"),
        Input("params-store", "data"),
        Input("layer-select", "value"),
        Input("seed", "value"),
    ]
    app.clientside_callback(
        function("stale"),
        Output({"type": "map", "method": ALL}, "data-stale"),
        Output("run-note", "children"),
        Input("runs-store", "data"),
        Input("panels", "children"),
        *state,
        State({"type": "map", "method": ALL}, "id"),
    )
    beside = Input("beside-store", "data")
    app.clientside_callback(
        function("besideOn"),
        Output("compare", "data-beside"),
        Output("beside-drawer", "opened", allow_duplicate=True),
        beside,
        prevent_initial_call="initial_duplicate",
    )
    app.clientside_callback(
        function("besideInput"),
        Output("beside-store", "data", allow_duplicate=True),
        Input("beside-input-store", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("besideOff"),
        Output("beside-store", "data", allow_duplicate=True),
        Input("beside-close", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("besideAlone"),
        Output("beside-store", "data", allow_duplicate=True),
        Input("input-store", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("besideStale"),
        Output({"type": "map-beside", "method": ALL}, "data-stale"),
        Input({"type": "map", "method": ALL}, "data-stale"),
        Input("panels-beside", "children"),
        State({"type": "map", "method": ALL}, "id"),
        State({"type": "map-beside", "method": ALL}, "id"),
    )
    paired = Input("beside-paired", "checked")
    app.clientside_callback(function("paired"), Output("beside-card", "data-paired"), paired)
    app.clientside_callback(
        function("compareOpened"),
        Output("compare", "data-opened"),
        Input("opened-store", "data"),
        State("input-store", "data"),
    )
    about = [Input(f"{name}-store", "data") for name in ("opened", "input", "subject")]
    settings = [state[0], Input("methods", "value"), *state[1:], outlined, beside, paired, *look]
    app.clientside_callback(function("compareLink"), Output("copy-link", "value"), *about, *settings)
    # A new input is in the address at once, not first when it is predicted: whoever leaves the page before takes it along.
    app.clientside_callback(
        function("compareChoice"),
        Output("copy-link", "value", allow_duplicate=True),
        *about,
        *(as_state(setting) for setting in settings),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("announce"),
        Output("live", "children"),
        Input("panel-store", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        function("pictures"), Output("as-spectrogram", "data-as"), Input("as-spectrogram", "checked")
    )


def as_state(source: Input) -> State:
    """The same property, read when something else starts the callback."""
    return State(source.component_id, source.component_property)
