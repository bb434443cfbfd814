// Runs in <head>, so that it hears of another address before Dash does: the page on show may answer itself (evident/dash/bar.mjs), and Dash
// then hears nothing.
for (const name of ["popstate", "_dashprivate_pushstate"]) {
  window.addEventListener(name, (event) => {
    const asked = new CustomEvent("another-address", { cancelable: true, detail: event.type });
    if (!document.dispatchEvent(asked)) event.stopImmediatePropagation();
  });
}
