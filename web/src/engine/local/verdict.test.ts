import { describe, expect, it } from "vitest";
import type { Capabilities } from "./capabilities";
import { threadsFor } from "./plan";
import { BROWSER } from "./scripted";
import { judge, storageLeft } from "./verdict";

const GiB = 1024 ** 3;
const BUDGET = 4 * GiB;

describe("judge", () => {
  it.each([
    ["fits", 0.5, {}, "4 threads"],
    ["tight", 0.5, { threads: 2 }, "one thread"],
    ["fits", 0.5, { webgpu: "ready" }, "graphics card"],
    ["fits", 2, { webgpu: "ready" }, "graphics card"],
    ["tight", 2, {}, "slowly"],
    ["tight", 2, { webgpu: "software" }, "slowly"],
    ["tight", 0.5, { threads: 1 }, "one thread"],
    ["fits", 0.1, { threads: 1 }, "one thread"],
    ["tight", 3.5, { webgpu: "ready" }, "nearly all the memory"],
    ["tight", 0.5, { opfs: false }, "downloads it again"],
    ["no", 4, {}, "4.2 GiB"],
    ["no", 0.5, { quotaBytes: 1.2 * GiB }, "storage"],
    ["no", 0.5, { simd: false }, "SIMD"],
    ["no", 0.5, { wasm: false }, "WebAssembly"],
  ] as const)("says %s to %s GiB with %o", (verdict, gib, more, words) => {
    const judged = judge({ bytes: gib * GiB }, { ...BROWSER, ...more } as Capabilities, BUDGET);
    expect(judged).toMatchObject({ verdict, reason: expect.stringContaining(words) });
    expect(judged.reason).toMatch(/^[A-Z].*\.$/);
  });

  it.each([1, 2, 3, 4, 6, 8, 16, 64])(
    "promises of %i processors the threads that an engine is started with",
    (threads) => {
      const [, told = "one"] =
        /Runs on (?:(\d+) threads|one thread)/.exec(judge({ bytes: 1 }, { ...BROWSER, threads }, BUDGET).reason) ?? [];
      expect(told === "one" ? 1 : Number(told)).toBe(threadsFor(threads));
    },
  );

  it("counts what is stored already", () => {
    const full = { ...BROWSER, quotaBytes: 1.2 * GiB };
    expect(judge({ bytes: 0.5 * GiB, stored: 0.5 * GiB }, full, BUDGET).verdict).toBe("fits");
  });

  it("passes on what the server says", () => {
    expect(judge({ bytes: 1, reason: "A part is larger than 2 GB." }, BROWSER, BUDGET)).toEqual({
      verdict: "no",
      reason: "A part is larger than 2 GB.",
    });
  });

  it("knows no storage where the browser tells of none", () => {
    const { quotaBytes: _, ...silent } = BROWSER;
    expect(storageLeft(silent)).toBeUndefined();
    expect(judge({ bytes: 0.5 * GiB }, silent, BUDGET).verdict).toBe("fits");
  });
});
