"""Children drawn anew in the background: a press that is under way and the focus survive it, and the newest state wins."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.widgets import scenes
from tests.browser.widgets.scenes import wait_frames
from tests.browser.widgets.server import Site, pixel_axes

pytestmark = pytest.mark.browser

# draw(number, text): a line of progress with its stop, as a running job draws it again and again.
BEGIN = """() => {
  const { el, renew } = evident;
  const parent = el("div", { id: "parent" });
  document.querySelector("main").append(parent);
  window.pressed = [];
  window.draw = (number, text = "stop") => renew(parent,
    el("p", { title: `of ${number}` }, el("span", {}, `${number} done`), el("button", { type: "button", onclick: () => pressed.push(number) }, text)),
    el("details", {}, el("summary", {}, "More"), el("b", {}, `about ${number}`)),
  );
  draw(1);
}"""


@pytest.fixture
def parent(bench: Page) -> Locator:
    bench.evaluate(BEGIN)
    return bench.locator("#parent")


def hold(button: Locator) -> None:
    """Presses the mouse on it, and does not let go."""
    button.hover()
    button.page.mouse.down()


def test_what_is_equal_stays_and_answers_as_the_newest(bench: Page, parent: Locator) -> None:
    bench.evaluate("window.before = document.querySelector('#parent button'); before.focus(); draw(2)")
    expect(parent.locator("p")).to_have_text("2 donestop")
    expect(parent.locator("p")).to_have_attribute("title", "of 2")
    assert bench.evaluate("document.querySelector('#parent button') === before")
    expect(parent.get_by_role("button")).to_be_focused()
    parent.get_by_role("button").click()
    assert bench.evaluate("pressed") == [2]


def test_a_press_under_way_is_not_lost_and_the_newest_state_follows(bench: Page, parent: Locator) -> None:
    hold(parent.get_by_role("button"))
    bench.evaluate("draw(2); draw(3, 'go on'); draw(4, 'again')")
    expect(parent.locator("p")).to_have_text("1 donestop")  # under the hand nothing changes
    bench.mouse.up()
    expect(parent.locator("p")).to_have_text("4 doneagain")
    assert bench.evaluate("pressed") == [1]  # what was pressed, not what came in its place
    parent.get_by_role("button").click()
    assert bench.evaluate("pressed") == [1, 4]


def test_a_press_elsewhere_keeps_nothing_waiting(bench: Page, parent: Locator) -> None:
    hold(bench.locator("main"))
    bench.evaluate("draw(2)")
    expect(parent.locator("p")).to_have_text("2 donestop")
    bench.mouse.up()


def test_a_press_by_the_space_bar_is_not_lost(bench: Page, parent: Locator) -> None:
    parent.get_by_role("button").focus()
    bench.keyboard.down(" ")
    bench.evaluate("draw(2, 'again')")
    bench.keyboard.up(" ")
    expect(parent.get_by_role("button")).to_have_text("again")
    assert bench.evaluate("pressed") == [1]
    expect(parent.get_by_role("button")).to_be_focused()


def test_a_press_that_is_taken_back_lets_the_newest_come(bench: Page, parent: Locator) -> None:
    hold(parent.get_by_role("button"))
    bench.evaluate("draw(2, 'again')")
    bench.mouse.move(0, 0)
    bench.mouse.up()
    expect(parent.get_by_role("button")).to_have_text("again")
    assert bench.evaluate("pressed") == []


def test_a_finger_is_waited_for_too(phone: Page, served: Site) -> None:
    scenes.open_harness(phone, served)
    phone.evaluate(BEGIN)
    phone.evaluate("addEventListener('pointerdown', () => draw(2, 'again'), { once: true })")
    phone.locator("#parent").get_by_role("button").tap()
    expect(phone.locator("#parent").get_by_role("button")).to_have_text("again")
    assert phone.evaluate("pressed") == [1]


def test_the_focus_goes_to_what_takes_the_place(bench: Page, parent: Locator) -> None:
    parent.get_by_role("button").focus()
    bench.evaluate("draw(2, 'again')")
    expect(parent.get_by_role("button", name="again")).to_be_focused()


def test_what_was_opened_stays_open(bench: Page, parent: Locator) -> None:
    parent.locator("summary").click()
    bench.evaluate("draw(2)")
    expect(parent.locator("details")).to_have_attribute("open", "")
    expect(parent.locator("b")).to_have_text("about 2")


def test_rows_are_found_again_by_their_key(bench: Page, parent: Locator) -> None:
    bench.evaluate("""() => {
      const { el, renew } = evident;
      const row = (key) => el("p", { "data-key": key }, el("button", { type: "button", onclick: () => pressed.push(key) }, "remove"));
      window.rows = (...keys) => renew(document.getElementById("parent"), ...keys.map(row));
      rows("a", "b");
      document.querySelector("[data-key=b] button").focus();
      rows("new", "a", "b");
    }""")
    expect(parent.locator("[data-key=b] button")).to_be_focused()
    bench.keyboard.press("Enter")
    assert bench.evaluate("pressed") == ["b"]
    hold(parent.locator("[data-key=a] button"))
    bench.evaluate("rows('b')")
    bench.mouse.up()
    expect(parent.locator("p")).to_have_count(1)
    assert bench.evaluate("pressed") == ["b", "a"]


def test_fields_hold_what_is_told_now(bench: Page, parent: Locator) -> None:
    bench.evaluate("""() => {
      const { el, renew } = evident;
      window.fields = (on, chosen) => renew(document.getElementById("parent"),
        el("input", { type: "checkbox", checked: on, "aria-label": "on" }),
        el("select", {}, ...["a", "b"].map((value) => el("option", { value, selected: value === chosen }, value))));
      fields(false, "a");
      document.querySelector("#parent input").focus();
      fields(true, "b");
    }""")
    expect(parent.get_by_role("checkbox")).to_be_checked()
    expect(parent.get_by_role("checkbox")).to_be_focused()
    expect(parent.locator("select")).to_have_value("b")


def test_a_choice_among_options_is_drawn_at_once(bench: Page, parent: Locator) -> None:
    """While a list of options is open the page is not told that the mouse was released."""
    bench.evaluate("""() => {
      const { el, renew } = evident;
      window.chosen = (value) => renew(document.getElementById("parent"),
        el("p", {}, el("select", { onchange: ({ currentTarget }) => chosen(currentTarget.value) },
          ...["a", "b"].map((each) => el("option", { value: each, selected: each === value }, each))), el("b", {}, `it is ${value}`)));
      chosen("a");
    }""")
    hold(parent.locator("select"))
    bench.keyboard.press("ArrowDown")
    bench.keyboard.press("Enter")
    expect(parent.locator("b")).to_have_text("it is b")
    bench.mouse.up()


def test_what_somebody_holds_on_to_is_made_like_nothing_else(bench: Page, parent: Locator) -> None:
    bench.evaluate("""() => {
      const { el, renew, lasting } = evident;
      const parent = document.getElementById("parent");
      window.kept = lasting(el("div", {}, "kept"));
      renew(parent, kept);
      renew(parent, el("div", {}, "another"));
      renew(parent, el("div", {}, "another"), kept);
    }""")
    expect(parent.locator("div")).to_have_text(["another", "kept"])
    assert bench.evaluate("kept === document.getElementById('parent').lastChild")


def test_the_links_of_the_summary_outlive_what_arrives_behind(bench: Page, served: Site) -> None:
    for key in ("a", "b"):
        scenes.show(bench, served, scenes.bump(8, 8, 0.4, 0.6, 0.2), pixel_axes(8, 8), key, key.upper())
    scenes.add(bench, "summary")
    bench.get_by_text("Each map's share").click()
    link = bench.locator(".ev-summary-parts button", has_text="B")
    link.focus()
    bench.evaluate("evident.emit('checks')")
    wait_frames(bench)
    expect(link).to_be_focused()
    hold(link)
    bench.evaluate("evident.emit('maps')")
    wait_frames(bench)
    bench.mouse.up()
    focused = bench.locator("[data-evident=map]").filter(has=bench.locator(":focus"))
    expect(focused).to_have_attribute("data-title", "B")
