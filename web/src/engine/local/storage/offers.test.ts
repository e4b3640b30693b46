import { afterEach, expect, it, vi } from "vitest";
import { readOffers } from "./offers";

const LIST = "https://corral.example/api/device/models";
const SUM = "a".repeat(64);
const model = { id: "m", name: "M", version: "v", parts: [{ name: "m.gguf", bytes: 10, sha256: SUM }] };

function answered(body: unknown, status = 200): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  vi.stubGlobal("fetch", async () => new Response(text, { status }));
}

afterEach(() => vi.unstubAllGlobals());

it("reads what a server offers", async () => {
  const rest = { bytes: 10, context: 512, builtIn: true, reason: null };
  answered({ models: [{ ...model, ...rest }] });
  expect(await readOffers(LIST)).toEqual([{ ...model, ...rest }]);
});

it("reads a list beside a static build, whose files lie beside it", async () => {
  answered({ models: [{ ...model, parts: [{ name: "m.gguf", bytes: 10, url: "files/m.gguf" }] }] });
  const [offer] = await readOffers("https://cdn.example/app/models.json");
  expect(offer?.parts[0]).toEqual({
    name: "m.gguf",
    bytes: 10,
    sha256: null,
    url: "https://cdn.example/app/files/m.gguf",
  });
});

it.each([
  ["no parts", { ...model, parts: [] }],
  ["a part of another origin", { ...model, parts: [{ name: "m", bytes: 1, sha256: null, url: "//evil.example/m" }] }],
  ["a part that is a script", { ...model, parts: [{ name: "m", bytes: 1, sha256: null, url: "javascript:0" }] }],
  ["a size that is none", { ...model, parts: [{ name: "m", bytes: 0.5, sha256: null }] }],
  ["a sum that is none", { ...model, parts: [{ name: "m", bytes: 1, sha256: "x" }] }],
  ["no id", { ...model, id: "" }],
  ["nothing", null],
])("leaves out what cannot be right: %s", async (_, wrong) => {
  answered({ models: [wrong, model] });
  expect((await readOffers(LIST)).map(({ id }) => id)).toEqual(["m"]);
});

it.each([
  [403, {}, "device_forbidden"],
  [401, {}, "device_forbidden"],
  [500, {}, "device_offline"],
  [200, "<html>", "device_offline"],
  [200, { models: 3 }, "device_offline"],
])("says why there is no list (%d)", async (status, body, code) => {
  answered(body, status);
  await expect(readOffers(LIST)).rejects.toMatchObject({ code });
});

it("takes a server that cannot be reached for offline", async () => {
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(readOffers(LIST)).rejects.toMatchObject({ code: "device_offline", recoverable: true });
});
