// Runs in <head>: a button may be pressed before the modules are there, and whatever callbacks of Dash are under way. Dash itself is there,
// or there would be no button.
(() => {
  /**
   * @param {Event} event
   * @param {string} selector
   */
  const pressed = ({ target }, selector) => (target instanceof Element ? target.closest(selector) : null);

  // Buttons that put something into a store (frontend/ui/common.py, sets). `at` makes a second press of the same button another value.
  document.addEventListener("click", (event) => {
    const button = pressed(event, "[data-sets]");
    if (!(button instanceof HTMLElement)) return;
    const data = Object.assign(JSON.parse(button.dataset.value || "{}"), { at: Date.now() });
    window.dash_clientside.set_props(button.dataset.sets, { data });
  });

  // What is asked about first (evident/core/confirm.mjs) is not done while nobody can ask.
  document.addEventListener(
    "click",
    (event) => {
      if ("evidentReady" in document.documentElement.dataset || !pressed(event, "[data-confirm]")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
})();
