"""Signing in, out and in again, by keyboard, on a server that has pages and sessions and needs no worker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import delete

from app.core.settings import Settings
from app.web.main import create_app
from backend.api.services import Services
from backend.store import Store, users
from tests.browser.axe import violations
from tests.serving import serving

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path)) as store:
        store.migrate()
        users.add_user(store, "Ann", PASSWORD, "admin")
        yield store


@pytest.fixture
def base(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    async def nothing(_: Services) -> None:
        """No workers."""

    monkeypatch.setattr(Services, "start", nothing)
    monkeypatch.setattr(Services, "stop", nothing)
    app = create_app(Settings(_env_file=None, data=tmp_path, workers=1, sign_in=True))
    with serving(app) as address:
        yield address


def type_in(page: Page, *texts: str) -> None:
    """From the field that has the focus on, with Tab between and Enter at the end."""
    for number, text in enumerate(texts):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")


def add_somebody(page: Page) -> None:
    """By an admin, with a password that is made for them."""
    page.locator("#user-add-name").fill("Cleo")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="One-time password")
    expect(dialog.locator(".ev-one-time")).to_have_text(re.compile(r"^([a-z2-9]{4}-){3}[a-z2-9]{4}$"))
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("row").filter(has_text="Cleo").first).to_contain_text(
        "has yet to choose a password"
    )


def test_in_out_and_in_again(page: Page, base: str, store: Store) -> None:
    watch: Any = page.watch  # type: ignore[attr-defined]
    page.goto(f"{base}/about?x=1#papers")
    expect(page.locator("#sign-in-name")).to_be_focused()
    for scheme, width in (("light", 1440), ("dark", 390)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 844})
        page.reload()
        expect(page.locator("#sign-in-name")).to_be_focused()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert watch.complaints == []

    watch.allow("status of 401")  # the browser's own line for a refusal
    type_in(page, "ann", "wrong password")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.locator("#sign-in-password")).to_be_focused()
    type_in(page, PASSWORD)
    expect(page.locator(".ev-who-name")).to_have_text("Ann")
    assert page.url == f"{base}/about?x=1#papers"
    log = page.get_by_role("region", name="Who did what", exact=True)
    expect(log.get_by_role("row").nth(1)).to_contain_text("signed in")
    add_somebody(page)
    watch.allow("status of 409")
    page.get_by_label("Role of Ann").select_option("reviewer")
    expect(page.locator("#users").get_by_role("alert")).to_contain_text("This is the last admin")
    expect(page.get_by_label("Role of Ann")).to_have_value("admin")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate(
        "[...document.querySelectorAll('.ev-audit .ev-table-box')].every(b => b.scrollWidth === b.clientWidth)"
    )

    with store.write() as connection:  # the session ends under somebody's hands
        connection.execute(delete(users.sessions))
    page.get_by_label("Object").press("Enter")
    dialog = page.get_by_role("dialog", name="You were signed out")
    expect(dialog.locator("#sign-in-password")).to_be_focused()
    type_in(page, PASSWORD)
    expect(dialog).to_have_count(0)
    page.get_by_label("Object").press("Enter")
    expect(log.get_by_role("row")).to_have_text(
        [re.compile(words) for words in ("When", "signed in", "Cleo", "signed in", "refused")]
    )

    page.locator(".ev-who-button").press("Enter")
    page.get_by_role("button", name="Sign out").press("Enter")
    expect(page).to_have_url(f"{base}/sign-in")
    page.goto(f"{base}/about")
    expect(page.locator("#sign-in-name")).to_be_focused()
