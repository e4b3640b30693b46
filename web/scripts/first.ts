// The parts that a first page needs: named in the page, so that they come together and not one after the other; and its colours.
import type { HtmlTagDescriptor, Plugin, Rolldown } from "vite";

type Bundle = Rolldown.OutputBundle;

/** The chunk that src/app/boot.ts starts. */
const MAIN = /\/src\/app\/main\.tsx$/;

/** What the page itself starts. */
const BOOT = /\/src\/app\/boot\.ts$/;

/** The list of all hooks leads to each of them, wanted or not; so those that the frame and the chat use are named here. */
const HOOKS = /\/@mantine\/hooks\/esm\//;
const OUR_HOOKS = /\/use-(document-title|hotkeys|isomorphic-effect|local-storage|media-query|window-event)\//;

/** Whether what matches `from` needs a module at once, not only by an `import()`. */
function neededBy(from: RegExp, id: string, context: Rolldown.ChunkingContext): boolean {
  const seen = new Set<string>();
  const visit = (one: string): boolean => {
    if (from.test(one)) return true;
    if (seen.has(one)) return false;
    seen.add(one);
    if (HOOKS.test(one)) return OUR_HOOKS.test(one) && from === MAIN;
    return context.getModuleInfo(one)?.importers.some(visit) ?? false;
  };
  return visit(id);
}

/** Puts what a first page needs into two files, the libraries' and ours: each file costs a line with delays another round trip. */
export function firstChunk(id: string, context: Rolldown.ChunkingContext): string | null {
  if (MAIN.test(id) || !neededBy(MAIN, id, context) || neededBy(BOOT, id, context)) return null;
  return id.includes("/node_modules/") ? "base" : "app";
}

/** Names of the scripts and styles that a first page needs: what starts it, what that imports, and the app with its imports. */
export function firstParts(bundle: Bundle, worker: string): Set<string> {
  const found = new Set<string>();
  const visit = (name: string) => {
    const chunk = bundle[name];
    if (chunk?.type !== "chunk" || found.has(name)) return;
    found.add(name);
    for (const style of chunk.viteMetadata?.importedCss ?? []) found.add(style);
    for (const next of chunk.imports) visit(next);
  };
  for (const [name, part] of Object.entries(bundle)) {
    if (part.type !== "chunk" || name === worker) continue;
    if (part.isEntry || MAIN.test(part.facadeModuleId ?? "")) visit(name);
  }
  return found;
}

const DARK = /:root\[data-mantine-color-scheme="dark"\] \{([^}]*)\}/;

/** The tokens of colour and form in one line, the dark ones also for a system that is dark, until the app says what was chosen. */
function tokens(all: string): string {
  const dark = DARK.exec(all)?.[1];
  if (!dark) throw new Error("tokens.css has no dark tokens");
  const system = `@media (prefers-color-scheme: dark) { :root:not([data-mantine-color-scheme]) {${dark}} }`;
  return `${all}${system}`.replace(/\s+/g, " ");
}

/** Vite plugin: writes the tokens into the page, which needs them before any stylesheet has come. */
export function colours(): Plugin {
  let written = "";
  return {
    name: "corral-colours",
    async buildStart() {
      const file = new URL("../src/ui/tokens.css", import.meta.url).pathname;
      written = tokens(await this.fs.readFile(file, { encoding: "utf8" }));
    },
    transformIndexHtml: { order: "pre", handler: (html) => html.replace("/* tokens */", written) },
  };
}

/**
 * Vite plugin: lets the browser fetch those parts while it reads the page. Neither styles nor scripts hold the first picture up, which the
 * page has in itself, so they come after whatever that needs. `soon`: what is wanted as soon as the page is drawn.
 */
export function first(base: string, soon: RegExp | null): Plugin {
  return {
    name: "corral-first",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        if (!bundle) return;
        const tags: HtmlTagDescriptor[] = [];
        const named = [...firstParts(bundle, "sw.js")];
        for (const [name, part] of Object.entries(bundle))
          if (soon && part.type === "chunk" && soon.test(part.facadeModuleId ?? "")) named.push(name);
        for (const name of named) {
          const href = base + name;
          if (html.includes(`"${href}"`)) continue;
          const how = name.endsWith(".css") ? { rel: "preload", as: "style" } : { rel: "modulepreload" };
          tags.push({
            tag: "link",
            attrs: { ...how, fetchpriority: "low", crossorigin: true, href },
            injectTo: "head",
          });
        }
        return tags;
      },
    },
  };
}
