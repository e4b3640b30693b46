// Puts the models beside the static build: the files given, else the included one, and the list that the page reads.
// Usage: node scripts/static.mjs FOLDER [MODEL.gguf …]
import { createHash } from "node:crypto";
import { copyFileSync, createReadStream, mkdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const INCLUDED = resolve(here, "../../src/corral/included/cria.gguf");
/** A file that a browser's engine takes goes into one buffer. */
const MOST = 2 ** 31 - 1;
const SPLIT = /^(.*)-(\d{5})-of-(\d{5})$/;

async function digest(path) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

/** The files of one model, in their order: files that llama.cpp has split belong together. */
function grouped(paths) {
  const models = new Map();
  for (const path of [...paths].sort()) {
    const stem = basename(path).replace(/\.gguf$/i, "");
    const name = SPLIT.exec(stem)?.[1] ?? stem;
    models.set(name, [...(models.get(name) ?? []), path]);
  }
  return models;
}

async function offer(name, paths, folder) {
  const parts = [];
  for (const path of paths) {
    const file = basename(path);
    const { size } = statSync(path);
    if (size > MOST) throw new Error(`${path} is larger than 2 GB; split it with llama-gguf-split first`);
    const sha256 = await digest(path);
    copyFileSync(path, join(folder, file));
    // Its content is in its address, so no cache between here and the browser can give an older one.
    parts.push({ name: file, bytes: size, sha256, url: `${encodeURIComponent(file)}?v=${sha256.slice(0, 16)}` });
  }
  const version = createHash("sha256")
    .update(parts.map((part) => part.sha256).join())
    .digest("hex")
    .slice(0, 32);
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const builtIn = paths[0] === INCLUDED;
  return { id: name, name, version, bytes, parts, context: null, builtIn, reason: null };
}

const [target, ...given] = process.argv.slice(2);
if (!target) throw new Error("name the folder of the static build");
const folder = join(resolve(target), "models");
mkdirSync(folder, { recursive: true });
const models = [];
for (const [name, paths] of grouped(given.length > 0 ? given.map((path) => resolve(path)) : [INCLUDED]))
  models.push(await offer(name, paths, folder));
writeFileSync(join(folder, "index.json"), `${JSON.stringify({ models }, null, 2)}\n`);
console.log(`${models.length} ${models.length === 1 ? "model" : "models"} beside the app in ${target}`);
