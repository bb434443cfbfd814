// Runs in <head>, before Dash. In a frame of another site's page (a notebook) the browser may close storage, and Dash, which asks
// for it without a guard, would draw nothing: then what would be stored lasts as long as the page.
(() => {
  for (const name of ["localStorage", "sessionStorage"]) {
    try {
      window[name].getItem("");
    } catch {
      const kept = new Map();
      const value = {
        getItem: (/** @type {string} */ key) => kept.get(String(key)) ?? null,
        setItem: (/** @type {string} */ key, /** @type {unknown} */ text) => void kept.set(String(key), String(text)),
        removeItem: (/** @type {string} */ key) => void kept.delete(String(key)),
        clear: () => kept.clear(),
        key: (/** @type {number} */ place) => [...kept.keys()][place] ?? null,
        get length() {
          return kept.size;
        },
      };
      Object.defineProperty(window, name, { configurable: true, value });
    }
  }
})();
