import type { Plugin } from "vite";

const OLDER = /,\s*url\([^)]*\)\s*format\(["'](?:woff|truetype)["']\)/g;

/** Leaves out the older forms of KaTeX's fonts: every browser that runs the app takes woff2, and they weigh more than the app. */
export function fonts(): Plugin {
  return {
    name: "corral-fonts",
    enforce: "pre",
    transform: {
      filter: { id: /katex[^?]*\.css/ },
      handler: (code) => ({ code: code.replace(OLDER, ""), map: null }),
    },
  };
}
