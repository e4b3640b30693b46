// Writes the list of the build's files into the service worker.
import type { Plugin } from "vite";
import { firstParts } from "./first.ts";

const WORKER = "sw.js";
/** Characters of a script above which it is no part of the shell but fetched when first used. */
const LARGE = 300_000;

async function digest(content: string | Uint8Array): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content.slice();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Vite plugin: fills in `SHELL` of src/shell/sw.ts, which must be an entry named `sw`. */
export function offline(): Plugin {
  return {
    name: "corral-offline",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      async handler(_, bundle) {
        const worker = bundle[WORKER];
        const page = bundle["index.html"];
        if (worker?.type !== "chunk" || page?.type !== "asset") this.error("the service worker or the page is missing");
        if (worker.imports.length > 0) this.error(`${WORKER} must stand alone, but imports ${worker.imports.join()}`);
        const eager = firstParts(bundle, WORKER);
        const files = Object.values(bundle)
          .filter((part) => {
            if (part.fileName === WORKER || !/\.(js|css)$/.test(part.fileName)) return false;
            const content = part.type === "chunk" ? part.code : part.source;
            return eager.has(part.fileName) || content.length <= LARGE;
          })
          .map((part) => part.fileName)
          .sort();
        const hash = await digest(page.source);
        const version = (await digest([hash, ...files].join("\n"))).slice(0, 16);
        const shell = JSON.stringify({ version, page: hash, files });
        if (!worker.code.includes("SHELL")) this.error(`${WORKER} does not take the list of files`);
        worker.code = `const SHELL=${shell};\n${worker.code}`;
      },
    },
  };
}
