// The size gates. Initial: the scripts that a first page needs before it is drawn, as they are. Chat: all that a
// conversation with answers in it loads, scripts and styles together, gzip.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const INITIAL = 500_000;
const CHAT = 250_000;
const folder = new URL("../node_modules/.size/", import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(folder, ".vite/manifest.json"), "utf8"));

/** The files of these chunks and of all that they import at once. */
function closure(...keys) {
  const files = new Set();
  const visit = (key) => {
    const chunk = manifest[key];
    if (!chunk) throw new Error(`the build has no ${key}`);
    if (files.has(chunk.file)) return;
    files.add(chunk.file);
    for (const style of chunk.css ?? []) files.add(style);
    for (const next of chunk.imports ?? []) visit(next);
  };
  for (const key of keys) visit(key);
  return [...files];
}

const read = (file) => readFileSync(join(folder, file));
const initial = closure("index.html", "src/app/main.tsx")
  .filter((file) => file.endsWith(".js"))
  .reduce((sum, file) => sum + read(file).length, 0);
const chat = closure("index.html", "src/app/main.tsx", "src/ui/markdown/Markdown.tsx").reduce(
  (sum, file) => sum + gzipSync(read(file), { level: 9 }).length,
  0,
);
const kB = (bytes) => (bytes / 1000).toFixed(1);
console.log(
  `initial scripts: ${kB(initial)} kB of ${INITIAL / 1000}; chat route: ${kB(chat)} kB gzip of ${CHAT / 1000}`,
);
if (initial > INITIAL || chat > CHAT) process.exit(1);
