/* The one classic script: Dash looks for its clientside callbacks before a module could have run. Every name of the namespace `evident`
   is passed on to the function of that name that evident/main.mjs exports: at once when the modules are there, else when they are. */
(() => {
  const loading = import("./evident/main.mjs");
  let functions = null;
  loading.then((module) => {
    functions = module;
  });

  function call(name, values) {
    if (functions) return functions[name](...values);
    return loading.then((module) => module[name](...values));
  }

  const evident = new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...values) =>
          call(name, values),
    },
  );
  // How a list is searched: asked for while it is drawn, so there is no waiting for the modules.
  const ranked = (list) => (functions ? functions.ranked(list) : list.options.slice(0, list.limit));
  window.dashMantineFunctions = Object.assign({}, window.dashMantineFunctions, { ranked });
  window.dash_clientside = Object.assign({}, window.dash_clientside, { evident });
})();
