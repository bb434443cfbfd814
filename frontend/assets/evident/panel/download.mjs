/* A panel as a picture that can leave the page: title, conditions, axes, colour bar in words, on white. */
import { toast } from "../core/dialog.mjs";
import { el } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { barLabels, barPixels } from "../figure/bar.mjs";
import { drawFigure, layoutFigure } from "../figure/drawing.mjs";
import { paperColours } from "../figure/theme.mjs";

const WIDTH = 560;
const MARGIN = 20;
const SCALE = 2;

/** Canvas with the panel as it is on screen, drawn anew at twice the size. */
export function composePicture(panel) {
  const { figure, record, style } = panel;
  const colours = paperColours();
  const place = layoutFigure(WIDTH - 2 * MARGIN, { ...figure, strip: figure.axes.x_axis.unit === "s" });
  const height = 58 + place.height + 80;
  const canvas = el("canvas", { width: WIDTH * SCALE, height: height * SCALE });
  const context = canvas.getContext("2d");
  context.scale(SCALE, SCALE);
  context.fillStyle = colours.card;
  context.fillRect(0, 0, WIDTH, height);
  const write = (text, x, y, { size = 12, weight = 400, colour = colours.muted, align = "left" } = {}) => {
    context.font = `${weight} ${size}px ${colours.font}`;
    context.fillStyle = colour;
    context.textAlign = align;
    context.textBaseline = "alphabetic";
    context.fillText(text, x, y, WIDTH - 2 * MARGIN);
  };
  write(panel.face.heading.textContent, MARGIN, 28, { size: 16, weight: 650, colour: colours.ink });
  write(subtitle(record, panel.target), MARGIN, 46);
  const drawn = el("canvas", { width: place.width * SCALE, height: place.height * SCALE });
  const inner = drawn.getContext("2d");
  inner.scale(SCALE, SCALE);
  drawFigure(inner, place, figure, colours);
  context.drawImage(drawn, MARGIN, 58, place.width, place.height);
  drawBar(context, style, 58 + place.height + 8, colours, write);
  const { look } = viewState;
  const line = `Colours: ${look.scale} scale, ${look.top < 100 ? `strongest ${look.top} % shown` : "all cells shown"}, ${{ both: "both signs", for: "only supporting", against: "only opposing" }[look.sign]}${style.cell > 1 ? `; averaged over cells of ${style.cell} px` : ""}${figure.marks.length ? "; magenta: known evidence" : ""}`;
  write(line, MARGIN, height - 26, { size: 10 });
  write("Research and teaching only. The map shows what the model used, not what is wrong with the patient.", MARGIN, height - 12, {
    size: 10,
  });
  return canvas;
}

function subtitle(record, target) {
  if (!record) return "Not finished";
  const parts = [target, record.model, `weights ${record.weights_sha256.slice(0, 12)}`, record.layer, `seed ${record.seed}`];
  return parts.filter(Boolean).join(" \u00b7 ");
}

function drawBar(context, style, y, colours, write) {
  const strip = el("canvas", { width: 256, height: 1 });
  strip.getContext("2d").putImageData(new ImageData(barPixels(256, style), 256, 1), 0, 0);
  const width = WIDTH - 2 * MARGIN;
  context.fillStyle = colours.line;
  context.fillRect(MARGIN, y, width, 8);
  context.drawImage(strip, MARGIN, y, width, 8);
  const text = barLabels(style);
  write(`${text.low} ${text.against}`.trim(), MARGIN, y + 24);
  write(`${text.for} ${text.high}`.trim(), WIDTH - MARGIN, y + 24, { align: "right" });
  if (style.signed) {
    context.fillStyle = colours.ink;
    context.fillRect(MARGIN + width / 2 - 0.5, y - 2, 1, 12);
    write("0", MARGIN + width / 2, y + 24, { align: "center" });
  }
}

export function downloadPicture(panel) {
  composePicture(panel).toBlob((blob) => {
    if (!blob) {
      toast("The picture could not be made. Try again.");
      return;
    }
    const href = URL.createObjectURL(blob);
    el("a", { href, download: `${fileName(panel)}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10000);
  }, "image/png");
}

/** Query of the one file with everything: the look of the page, and the link to it where an address can hold it. Pure. */
export function bundleQuery({ opacity, top, sign, scale }, link) {
  const query = new URLSearchParams({ opacity: String(opacity / 100), top: String(top), sign, scale });
  if (link.length <= 3000) query.set("link", link);
  return query.toString();
}

/** Called once, by main.mjs: the link "Download everything" takes the look and the address of the moment it is pressed. */
export function listenForBundles() {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && /** @type {HTMLAnchorElement | null} */ (event.target.closest("a[data-bundle]"));
    if (!link) return;
    const [path, query] = link.href.split("?");
    const explanations = new URLSearchParams(query).get("explanations") ?? "";
    link.href = `${path}?explanations=${explanations}&${bundleQuery(viewState.look, window.location.href)}`;
  });
}

/** "grad_cam-covid-like-1a2b3c4d", for files that leave the page. */
export const fileName = (panel) =>
  [panel.root.dataset.key || panel.title, panel.target, (panel.id || "").slice(0, 8)]
    .filter(Boolean)
    .join("-")
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "-");
