/* What can be done with a whole list: another title, agreement, files, away with it. */
import { apiUrl, callApi } from "../core/api.mjs";
import { openDialog } from "../core/dialog.mjs";
import { el, icon } from "../core/elements.mjs";
import { showAgreement } from "./aside.mjs";
import { removeList } from "./home.mjs";
import { whoDeletes } from "./reading.mjs";

/** @param {any} list @param {{onRenamed: () => void, onRemoved: () => void}} page */
export function listMenu(list, { onRenamed, onRemoved }) {
  const file = (text, name) =>
    el("a.ev-button", { href: apiUrl(`/worklists/${encodeURIComponent(list.id)}/${name}`), download: "" }, icon("download"), text);
  const act = (glyph, text, run) =>
    el(
      "button.ev-button",
      {
        type: "button",
        onclick: () => {
          dialog.close();
          run();
        },
      },
      icon(glyph),
      text,
    );
  const { total } = list.counts;
  const name = el("input.ev-text", { type: "text", maxLength: 80, value: list.title, "aria-label": "Title of the list" });
  const said = el("p.ev-problem", { role: "alert", hidden: true });
  const rename = async (event) => {
    event.preventDefault();
    try {
      const json = { title: name.value };
      Object.assign(list, await callApi(`/worklists/${encodeURIComponent(list.id)}`, { method: "PATCH", json }));
      onRenamed();
      dialog.close();
    } catch (problem) {
      said.textContent = problem.message;
      said.hidden = false;
    }
  };
  const dialog = openDialog(
    list.title,
    el(
      "p.ev-muted",
      {},
      `${total} ${total === 1 ? "case" : "cases"} for ${list.model_title}. ${list.blind ? "Judged before the model is seen." : "The model is shown at once."} File names are kept with the list and go with it.`,
    ),
    el("form.ev-cases-rename", { onsubmit: rename }, name, el("button.ev-button", { type: "submit" }, "Rename")),
    said,
    el(
      "div.ev-cases-acts",
      {},
      act("numbers", "Agreement", () => showAgreement(list)),
      file("Verdicts as CSV", "verdicts.csv"),
      file("Report of the list", "report.pdf"),
      list.deletable && act("trash", "Delete the list", () => removeList(list, onRemoved)),
    ),
    !list.deletable && el("p.ev-muted", {}, whoDeletes(list)),
  );
  dialog.classList.add("ev-dialog--narrow");
}
