import { describe, expect, it } from "vitest";
import type { Capabilities } from "../../engine/local/capabilities";
import { BROWSER } from "../../engine/local/scripted";
import { checksOf, summary } from "./checks";
import { asJson, asText } from "./report";

const GiB = 1024 ** 3;
const GOOD: Capabilities = {
  ...BROWSER,
  webgpu: "ready",
  adapter: {
    vendor: "apple",
    architecture: "metal-3",
    description: "",
    maxBufferSize: 4 * GiB,
    maxStorageBufferBindingSize: 4 * GiB,
    maxComputeWorkgroupStorageSize: 32_768,
    maxComputeInvocationsPerWorkgroup: 1_024,
  },
  quotaBytes: 60 * GiB,
  usedBytes: 0,
  persisted: true,
  deviceMemoryGb: 8,
};
const BARE: Capabilities = {
  ...BROWSER,
  isolated: false,
  threads: 1,
  cores: 4,
  jspi: false,
  memory64: false,
  opfs: false,
  quotaBytes: GiB / 2,
  usedBytes: undefined,
  persisted: false,
  phone: true,
  privateMode: true,
};
const level = (seen: Capabilities, measured?: number) =>
  Object.fromEntries(checksOf(seen, 3 * GiB, measured).map((check) => [check.id, check.level]));

describe("checksOf", () => {
  it("finds nothing to say about a good browser", () => {
    const checks = checksOf(GOOD, 3 * GiB, 4 * GiB);
    expect(checks.filter((check) => check.level !== "ok" || check.remedy !== "")).toEqual([]);
    expect(checks.map((check) => check.id)).toEqual([
      ...["webgpu", "f16", "buffers", "wasm", "simd", "isolation", "threads", "jspi", "memory64"],
      ...["memory", "budget", "reserve", "opfs", "quota", "persisted", "private"],
    ]);
    expect(checks[0]?.value).toBe("apple metal-3");
  });

  it("has a remedy for everything that is less", () => {
    const checks = checksOf(BARE, GiB / 2, undefined);
    expect(checks.filter((check) => check.level !== "ok" && check.remedy === "")).toEqual([]);
    expect(level(BARE)).toMatchObject({
      webgpu: "note",
      threads: "note",
      opfs: "missing",
      private: "note",
      quota: "note",
    });
    expect(checks.find((check) => check.id === "reserve")?.value).toContain("not tried on phones");
  });

  it("does not praise an adapter that is the processor", () => {
    expect(level({ ...GOOD, webgpu: "software" })).toMatchObject({ webgpu: "note" });
    expect(level({ ...GOOD, webgpu: "software" })).not.toHaveProperty("f16");
    expect(level({ ...GOOD, webgpu: "no-f16" })).toMatchObject({ webgpu: "note", f16: "note" });
  });

  it("tells of little memory", () => {
    expect(level(GOOD, GiB).reserve).toBe("note");
  });
});

describe("summary", () => {
  it.each([
    [GOOD, "graphics card"],
    [BARE, "one thread"],
    [{ ...GOOD, webgpu: "none" as const }, "4 threads"],
    [{ ...GOOD, simd: false }, "cannot run"],
  ])("says it in a sentence", (seen, words) => expect(summary(seen)).toContain(words));
});

describe("the report", () => {
  const report = {
    at: "2026-11-21T20:00:00Z",
    userAgent: "A browser",
    summary: summary(BARE),
    capabilities: BARE,
    checks: checksOf(BARE, GiB / 2, undefined),
    models: [{ name: "cria", bytes: 4_000_000, verdict: "tight" as const, reason: "Runs on one thread." }],
    server: null,
  };

  it("is a text that names every check and model", () => {
    const text = asText(report);
    for (const check of report.checks) expect(text).toContain(`${check.name}: ${check.value}`);
    expect(text).toContain("tight   cria: Runs on one thread.");
    expect(text).toContain("not asked");
  });

  it("is JSON that holds all of it", () => {
    expect(JSON.parse(asJson(report))).toEqual(report);
  });
});
