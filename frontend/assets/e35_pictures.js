/* The input on the display grid, turned grey, shared by every panel that shows it; and the theme's colours for drawing. */
(() => {
  "use strict";
  const { evident } = window;
  const loading = new Map();
  const KEEP = 12;

  /** Address -> Promise of a grey canvas, rows in picture order (as a person sees it). Rejects with a Problem. */
  evident.picture = (path) => {
    if (!loading.has(path)) {
      if (loading.size >= KEEP) loading.delete(loading.keys().next().value);
      const promise = load(path);
      promise.catch(() => loading.delete(path));
      loading.set(path, promise);
    }
    return loading.get(path);
  };

  async function load(path) {
    const image = new Image();
    image.src = evident.url(path);
    try {
      await image.decode();
    } catch {
      throw new evident.Problem({ detail: "The picture of the input could not be loaded. Reload the page." });
    }
    const canvas = evident.el("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    evident.colour.grey(pixels.data);
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  const FALLBACK = { card: "#ffffff", line: "#e2e5e9", ink: "#16191d", muted: "#5c6670", accent: "#2456a6" };
  let colours = null;
  evident.on("theme", () => {
    colours = null;
  });

  /** {card, line, ink, muted, accent, font} of the present theme. */
  evident.themeColours = () => {
    if (!colours) {
      const style = getComputedStyle(document.documentElement);
      colours = { font: style.getPropertyValue("--ev-font").trim() || "sans-serif" };
      for (const [name, value] of Object.entries(FALLBACK)) colours[name] = style.getPropertyValue(`--ev-${name}`).trim() || value;
    }
    return colours;
  };

  /** Colours of a light page, for pictures that leave it. */
  evident.paperColours = () => ({ ...FALLBACK, font: evident.themeColours().font });
})();
