import { describe, expect, it } from "vitest";
import type { DeviceModel } from "../../engine/local/files";
import { facts, heard, here, lines, mainAction, ownFacts, room, toggled } from "./words";

const model = (change: Partial<DeviceModel> = {}): DeviceModel => ({
  id: "cria",
  name: "Cria",
  version: "v1",
  bytes: 4_000_000,
  stored: 0,
  state: "absent",
  parts: 1,
  builtIn: true,
  usable: null,
  outdated: false,
  verified: null,
  fits: true,
  offered: true,
  context: 1024,
  ...change,
});

describe("a model's line", () => {
  it("says how far a download is, how fast, and how long it takes", () => {
    const going = model({ state: "downloading", stored: 1_000_000, rate: 500_000, secondsLeft: 6 });
    expect(facts(going)).toBe("Downloading · 1.0 MB of 4.0 MB · 500 kB/s · 6 s left");
    expect(facts({ ...going, reason: "Waiting for the network", rate: 0, secondsLeft: undefined })).toBe(
      "Waiting for the network · 1.0 MB of 4.0 MB",
    );
    expect(facts({ ...going, checking: true })).toBe("Checking what came");
  });

  it("claims a checksum only where one was compared", () => {
    expect(facts(model({ state: "ready", usable: "v1", verified: "sha256" }))).toContain("checksum verified");
    expect(facts(model({ state: "ready", usable: "v1", verified: "size" }))).not.toContain("verified");
  });
});

describe("a model's button", () => {
  it.each([
    [{}, "Download"],
    [{ state: "downloading" }, "Pause"],
    [{ state: "paused", stored: 1 }, "Resume"],
    [{ state: "failed" }, "Try again"],
    [{ state: "failed", code: "device_quota_full" }, "Try again"],
    [{ state: "failed", code: "device_download_corrupt" }, "Fetch it again"],
    [{ state: "failed", code: "device_storage_evicted" }, "Fetch it again"],
    [{ state: "failed", code: "device_version_gone" }, "Fetch the new version"],
    [{ state: "ready", outdated: true, usable: "v0" }, "Update"],
    [{ state: "ready", usable: "v1" }, undefined],
    [{ fits: false }, undefined],
    [{ state: "paused", offered: false }, undefined],
  ] as const)("%j: %s", (change, label) => {
    expect(mainAction(model(change))?.label).toBe(label);
  });
});

it("knows what is here", () => {
  expect(here(model())).toBe(false);
  expect(here(model({ stored: 1, state: "paused" }))).toBe(true);
  expect(heard(model({ state: "ready" }))).toBe("Cria is on this device");
});

it("shares the room out", () => {
  const usage = { quota: 100, used: 30, models: 20, persisted: false };
  expect(room(usage)).toEqual({ models: 20, others: 10, free: 70 });
  expect(room({ ...usage, quota: 10 }).free).toBe(0);
});

it("tells of a provider of the person's own", () => {
  const own = {
    id: "1",
    name: "P",
    kind: "openai",
    baseUrl: "https://api.example.com/v1",
    models: ["m"],
    addedAt: 1,
  } as const;
  expect(ownFacts({ ...own, hint: "WXYZ", keyed: true })).toBe("OpenAI-compatible · api.example.com/v1");
  expect(ownFacts({ ...own, hint: "", keyed: false })).toContain("without a key");
  expect(lines(" a \n\nb")).toEqual(["a", "b"]);
  expect(toggled("a\nb", "b")).toBe("a");
  expect(toggled("a", "b")).toBe("a\nb");
});
