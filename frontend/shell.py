"""What stands on every page: header, banner, level, theme; and the HTML page around it all."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from frontend.client import API
from frontend.pages import pages
from frontend.ui import assets, words
from frontend.ui.common import aria, hidden, icon, widget

INDEX = f"""<!DOCTYPE html>
<html lang="en">
  <head>
    {{%metas%}}
    <title>{{%title%}}</title>
    {{%favicon%}}
    <script src="{assets.url("early/storage.js")}"></script>
    <script src="{assets.url("early/theme.js")}"></script>
    <script src="{assets.url("early/address.js")}"></script>
    <script src="{assets.url("early/press.js")}"></script>
    {{%css%}}
  </head>
  <body data-api="{API}">
    {{%app_entry%}}
    <noscript>Evident needs JavaScript to draw and link the maps.</noscript>
    <footer>
      {{%config%}}
      {{%scripts%}}
      {{%renderer%}}
    </footer>
  </body>
</html>"""

ACCENT = [
    "#e7eef9",
    "#c9d9f2",
    "#a3c1f2",
    "#7aa7f0",
    "#5285d6",
    "#386cc0",
    "#2456a6",
    "#1e4a90",
    "#183d78",
    "#123060",
]
THEME: dict[str, Any] = {
    "primaryColor": "accent",
    "primaryShade": {"light": 6, "dark": 3},
    "autoContrast": True,
    "colors": {"accent": ACCENT},
    "fontFamily": "var(--ev-font)",
    "fontFamilyMonospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
    "fontSizes": {"xs": "12px", "sm": "13px", "md": "13px", "lg": "15px", "xl": "18px"},
    "spacing": {"xs": "6px", "sm": "8px", "md": "12px", "lg": "16px", "xl": "24px"},
    "radius": {"xs": "4px", "sm": "6px", "md": "8px", "lg": "10px", "xl": "16px"},
    "defaultRadius": "sm",
    "cursorType": "pointer",
    "focusRing": "auto",
    "respectReducedMotion": True,
}


def shell() -> Component:
    """Header, banner, page, and the regions that speak."""
    return dmc.MantineProvider(
        html.Div(
            [
                html.A("Skip to content", href="#content", className="ev-skip"),
                header(),
                banner(),
                html.Main(dash.page_container, id="content", tabIndex=-1),
                widget("tour"),
                html.Div(id="live", role="status", className="ev-visually-hidden", **aria(live="polite")),
                html.Div(id="notice", role="alert"),
            ],
            className="ev-app",
        ),
        theme=THEME,
        defaultColorScheme="auto",
    )


def header() -> Component:
    links = [
        dmc.Anchor(
            page.name,
            href=page.path,
            id={"type": "nav", "path": page.path},
            className="ev-nav-link",
            underline="never",
        )
        for page in pages()
    ]
    return html.Header(
        [
            html.Span("Evident", className="ev-brand"),
            html.Nav(links, className="ev-nav", **aria(label="Pages")),
            html.Div(
                [level(), theme_toggle(), help_button(), widget("who", className="ev-who")],
                className="ev-header-tools",
            ),
        ],
        className="ev-header",
    )


def level() -> Component:
    """Two levels on the same page: Review for reading a case, Lab for everything."""
    return dmc.SegmentedControl(
        id="level",
        data=[{"value": "review", "label": "Review"}, {"value": "lab", "label": "Lab"}],
        value="lab",
        size="xs",
        persistence=True,
        persistence_type="local",
        className="ev-level-switch",
        **aria(label="Level of detail"),
    )


def theme_toggle() -> Component:
    return dmc.ColorSchemeToggle(
        lightIcon=icon("contrast"),
        darkIcon=icon("contrast"),
        variant="subtle",
        size="md",
        className="ev-theme-toggle",
        **aria(label="Switch between light and dark"),
    )


def help_button() -> Component:
    return html.Button(
        [icon("help"), hidden("Keyboard help")],
        id="help-button",
        className="ev-icon-button",
        title="Keyboard help (?)",
        n_clicks=0,
    )


def banner() -> Component:
    """Stands on every page and cannot be closed."""
    return html.Aside(
        [
            icon("warning"),
            html.P([html.Strong(words.BANNER_LEAD), " ", html.Span(words.BANNER)], title=words.BANNER_FULL),
            html.Span([dmc.Anchor("Intended use", href="/about")], className="ev-banner-links"),
        ],
        className="ev-banner",
        **aria(label="What this is for"),
    )
