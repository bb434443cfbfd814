"""The page to sign in: small and plain, drawn with nothing that only users may see."""

from __future__ import annotations

from starlette.responses import HTMLResponse

from frontend.client import API
from frontend.ui import assets, words

PATH = "/sign-in"
_STYLES = (
    "layers.css",
    *(f"styles/{name}.css" for name in ("tokens", "reset", "parts", "icons", "access")),
)
_MODULES = tuple(
    f"evident/{name}.mjs"
    for name in ("access/sign_in", "access/form", "core/api", "core/bus", "core/elements", "core/reviewer")
)
OPEN = frozenset(
    {
        PATH,
        "/_favicon.ico",
        *map(
            assets.url,
            ("favicon.ico", "early/storage.js", "early/theme.js", "icons/warning.svg", *_STYLES, *_MODULES),
        ),
    }
)
"""Paths that everybody may ask for."""
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Sign in · Evident</title>
    <link rel="icon" href="{assets.url("favicon.ico")}">
    <script src="{assets.url("early/storage.js")}"></script>
    <script src="{assets.url("early/theme.js")}"></script>
    {"".join(f'<link rel="stylesheet" href="{assets.url(name)}">' for name in _STYLES)}
    <script type="module" src="{assets.url(_MODULES[0])}"></script>
  </head>
  <body data-api="{API}" class="ev-sign-in">
    <header><span class="ev-brand">Evident</span></header>
    <main>
      <h1>Sign in</h1>
      <div id="sign-in"></div>
      <noscript>Evident needs JavaScript, also to sign in.</noscript>
      <p class="ev-muted ev-small"><strong>{words.BANNER_LEAD}</strong> {words.BANNER}</p>
      <p class="ev-muted ev-small">No account, or the password forgotten? Ask an admin of this server.</p>
    </main>
    <div id="live" role="status" aria-live="polite" class="ev-visually-hidden"></div>
  </body>
</html>
"""


async def page() -> HTMLResponse:
    """The same for everybody; its script goes on to where somebody wanted to go."""
    return HTMLResponse(_PAGE, headers={"Cache-Control": "no-store"})
