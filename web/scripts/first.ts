// The parts that a first page needs: named in the page, so that they come together and not one after the other.
import type { HtmlTagDescriptor, Plugin, Rolldown } from "vite";

type Bundle = Rolldown.OutputBundle;

/** The chunk that src/app/boot.ts starts. */
const MAIN = /\/src\/app\/main\.tsx$/;

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

/** Vite plugin: lets the browser fetch those parts while it reads the page. Styles do not hold the first picture up. */
export function first(base: string): Plugin {
  return {
    name: "corral-first",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        if (!bundle) return;
        const tags: HtmlTagDescriptor[] = [];
        for (const name of firstParts(bundle, "sw.js")) {
          const href = base + name;
          if (html.includes(`"${href}"`)) continue;
          const how = name.endsWith(".css") ? { rel: "preload", as: "style" } : { rel: "modulepreload" };
          tags.push({ tag: "link", attrs: { ...how, crossorigin: true, href }, injectTo: "head" });
        }
        return tags;
      },
    },
  };
}
