// The browser modules by name, for tests: pure ones as namespaces, of the others what tests touch. `base` is where assets/evident is served.
async (base) => {
  const module = (path) => import(`${base}/${path}.mjs`);
  if (globalThis.document) await module("main");
  const spaces = { axes: "maps/axes", colour: "maps/colour", contour: "maps/contour", describe: "maps/describe", field: "maps/field", regions: "evidence/regions", statistics: "maps/statistics", words: "maps/words" };
  const parts = ["core/api", "core/bus", "core/elements", "core/renew", "core/state", "core/widgets", "maps/npy", "panel/panels", "panel/look", "panel/download", "evidence/marks", "agreement/summary", "concepts/maker"];
  const evident = Object.assign({}, ...(await Promise.all(parts.map(module))));
  for (const [name, path] of Object.entries(spaces)) evident[name] = await module(path);
  globalThis.evident = { ...evident, Field: evident.field.Field, callbacks: () => module("dash/callbacks") };
}
