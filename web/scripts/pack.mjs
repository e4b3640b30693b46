// Packs the scripts, styles and pages of a build with brotli, at a level that takes too long while somebody waits: FILE.br lies beside FILE.
// Usage: node scripts/pack.mjs FOLDER
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

const PACKED = /\.(js|css|html|svg)$/;
/** Bytes from which on a file is worth it, and from which on the server reads it from the disk (`corral.surfaces.web`). */
const [SMALL, LARGE] = [1024, 1024 * 1024];

const compress = promisify(brotliCompress);
const folder = resolve(process.argv[2] ?? "");
const names = readdirSync(folder, { recursive: true }).filter((name) => PACKED.test(name));
await Promise.all(
  names.map(async (name) => {
    const content = readFileSync(join(folder, name));
    if (content.length < SMALL || content.length >= LARGE) return;
    const packed = await compress(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } });
    if (packed.length < content.length * 0.9) writeFileSync(join(folder, `${name}.br`), packed);
  }),
);
