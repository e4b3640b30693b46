// The size gate: all that the chat route loads before it can be used, gzip, scripts and styles together.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT = 250_000;
const folder = new URL("../node_modules/.size/", import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(folder, ".vite/manifest.json"), "utf8"));
const files = new Set();

function visit(key) {
  const chunk = manifest[key];
  if (!chunk || files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const style of chunk.css ?? []) files.add(style);
  for (const next of chunk.imports ?? []) visit(next);
}

visit("index.html");
let total = 0;
for (const file of files) total += gzipSync(readFileSync(join(folder, file)), { level: 9 }).length;
console.log(`chat route: ${(total / 1000).toFixed(1)} kB gzip of ${LIMIT / 1000}`);
if (total > LIMIT) process.exit(1);
