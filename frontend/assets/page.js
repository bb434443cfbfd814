/* The one classic script: Dash looks for its clientside callbacks before a module could have run. Every name of the namespace `evident`
   is passed on to the function of that name that evident/main.mjs exports: at once when the modules are there, else when they are. */
(() => {
  const loading = import("/assets/evident/main.mjs");
  let functions = null;
  loading.then((module) => {
    functions = module;
  });

  const passOn = (_, name) => (...values) => (functions ? functions[name](...values) : loading.then((module) => module[name](...values)));

  window.dash_clientside = Object.assign({}, window.dash_clientside, { evident: new Proxy({}, { get: passOn }) });
})();
