/* What Dash calls, and the start of everything. Last of the e-files in the alphabet. */
(() => {
  "use strict";
  const { evident } = window;
  const dash = (window.dash_clientside = window.dash_clientside || {});

  dash.evident = {
    /** Clientside callback of the look controls: opacity 0..100, top 1..100, sign for|against|both, scale own|shared|raw, colours. */
    look(opacity, top, sign, scale, colours) {
      evident.look({ opacity, top, sign, scale, colours });
      return window.dash_clientside.no_update;
    },

    /** Clientside callback of the box "Known evidence". */
    outlined(checked) {
      evident.outlineEvidence(Boolean(checked));
      return checked ? "1" : "";
    },

    /** Clientside callback of the choices on the Concepts page. */
    conceptLink: (...choices) => evident.concepts.permalink(...choices),
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", evident.start);
  else evident.start();
})();
