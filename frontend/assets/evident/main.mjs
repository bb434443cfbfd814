/* Every widget of the pages, declared by its module; then the start. What Dash calls is exported (page.js passes the calls on). */
import "./agreement/agreement.mjs";
import "./agreement/summary.mjs";
import "./concepts/job_bar.mjs";
import "./concepts/maker.mjs";
import "./concepts/map.mjs";
import "./dash/copy_link.mjs";
import "./evidence/legend.mjs";
import "./inside/inside.mjs";
import "./models/hub.mjs";
import "./models/offer.mjs";
import "./models/weights.mjs";
import "./panel/input.mjs";
import "./panel/panel.mjs";
import "./panel/readout.mjs";
import "./sound/player.mjs";
import "./tour/result.mjs";
import "./tour/tour.mjs";
import "./upload/recent.mjs";
import "./upload/record.mjs";
import "./upload/upload.mjs";
import { followAddress } from "./dash/bar.mjs";
import { listenForKeys } from "./keyboard.mjs";
import { listenForBundles } from "./panel/download.mjs";
import { listenForCoughs } from "./sound/coughs.mjs";
import { listenForConfirm } from "./core/confirm.mjs";
import { startWidgets } from "./core/widgets.mjs";

export { ranked } from "./core/ranked.mjs";
export * from "./dash/callbacks.mjs";

followAddress();
listenForConfirm();
listenForBundles();
listenForCoughs();
listenForKeys();
startWidgets();
