// The differences of the static build: which composition it has, and a policy in the page, as its host sends none.
import type { Plugin } from "vite";

/** As the server's own (`corral.surfaces.edge.middleware.CSP`), without what only a header can say. */
const POLICY =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'";
const OTHER = /\/src\/app\/(router|pages)(\.tsx?)?$/;

/** Vite plugin for `--mode static`. */
export function edition(): Plugin {
  return {
    name: "corral-static",
    enforce: "pre",
    async resolveId(source, importer) {
      if (!importer || !/^\.\/(router|pages)$/.test(source)) return null;
      const found = await this.resolve(source, importer, { skipSelf: true });
      if (!found || !OTHER.test(found.id)) return null;
      return found.id.replace(/(\.tsx?)$/, ".static$1");
    },
    transformIndexHtml: {
      order: "post",
      handler: () => [
        { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
        { tag: "meta", attrs: { name: "referrer", content: "no-referrer" }, injectTo: "head" },
      ],
    },
  };
}
