/* The network as it was at an epoch, as a model of one's own. */
import { callApi, Problem } from "../../core/api.mjs";
import { toast } from "../../core/dialog.mjs";
import { el } from "../../core/elements.mjs";

/**
 * A button that opens the network as it was at an epoch, as a model of one's own.
 * @param {any} history
 * @param {number} epoch
 * @param {() => Record<string, string>} shown the address's parts: the open input stays where it is the model's
 */
export function epochOpener(history, epoch, shown) {
  const title = "Adds the network as it was at this epoch to your models (it can be deleted on the page Models) and opens it";
  const button = el("button.ev-button", { type: "button", title }, "Open this epoch");
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "Opening …";
    try {
      const model = await epochAsModel(history, epoch);
      const { input, model: open } = shown();
      const same = input && open === history.model ? `&input=${encodeURIComponent(input)}` : "";
      window.location.assign(`/inside?model=${encodeURIComponent(model)}${same}`);
    } catch (problem) {
      toast(problem.message);
      button.disabled = false;
      button.textContent = "Open this epoch";
    }
  });
  return button;
}

/**
 * Sends an epoch's weights back as a model; the same weights are the same model. @returns {Promise<string>} its key
 * @param {any} history
 * @param {number} epoch
 */
async function epochAsModel(history, epoch) {
  const bytes = await callApi(`/recordings/${encodeURIComponent(history.key)}/weights/${epoch}.safetensors`, { as: "bytes" });
  const form = new FormData();
  form.append("labels", JSON.stringify(history.labels));
  form.append("title", `Epoch ${epoch} of ${history.title}`);
  form.append("weights", new Blob([bytes]), `epoch_${epoch}.safetensors`);
  const answer = await callApi("/models", { method: "POST", form });
  if (answer.key) return answer.key;
  throw new Problem({ detail: "The network is still being looked at. Press again in a moment." });
}
