/* Fetching the network that an address names; the page is opened again once it is here.

   fetch-offer: data-key-name of the network · data-bytes of its weights, about */
import { el, icon } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { megabytes } from "../maps/words.mjs";
import { Fetching } from "./fetching.mjs";

class FetchOffer {
  constructor(root) {
    const key = root.dataset.keyName;
    this.fetching = new Fetching(key, () => window.location.reload());
    const word = `Fetch ${megabytes(Number(root.dataset.bytes))} and use it`;
    const button = el("button.ev-button.ev-button--primary", { type: "button" }, icon("download"), word);
    button.addEventListener("click", async () => {
      button.hidden = true;
      await this.fetching.start();
      button.hidden = this.fetching.active;
    });
    this.fetching.onEnd = () => {
      button.hidden = false;
    };
    root.append(button, this.fetching.node);
  }

  update() {}

  destroy() {
    this.fetching.destroy();
  }
}

declareWidget("fetch-offer", ["key-name", "bytes"], (root) => new FetchOffer(root));
