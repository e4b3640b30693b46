import { describe, expect, it } from "vitest";
import { lack, merged } from "./merge";
import type { Offer, Progress, StoredModel } from "./types";

const offer = (change: Partial<Offer> = {}): Offer => ({
  id: "m",
  name: "M",
  version: "v2",
  bytes: 100,
  parts: [{ name: "m.gguf", bytes: 100, sha256: "a".repeat(64) }],
  context: 512,
  builtIn: false,
  reason: null,
  ...change,
});
const stored = (change: Partial<StoredModel> = {}, bytes = 100): StoredModel => ({
  key: "k",
  id: "m",
  name: "M",
  version: "v2",
  context: 512,
  builtIn: false,
  parts: [{ name: "m.gguf", bytes: 100, sha256: null, stored: bytes, digest: null }],
  wanted: false,
  whole: false,
  verified: null,
  problem: null,
  ...change,
});
const whole = (change: Partial<StoredModel> = {}) => stored({ key: "w", whole: true, verified: "sha256", ...change });
const one = (offers: Offer[], models: StoredModel[], progress: Progress[] = []) =>
  merged(offers, models, new Map(progress.map((it) => [it.key, it])))[0];

describe("a model's state", () => {
  it.each([
    ["absent", [], null],
    ["paused", [stored({}, 40)], null],
    ["downloading", [stored({ wanted: true }, 40)], null],
    ["failed", [stored({ problem: { code: "device_quota_full", message: "full" } }, 40)], null],
    ["ready", [whole()], "v2"],
    ["ready", [whole({ version: "v1" })], "v1"],
    ["downloading", [whole({ version: "v1" }), stored({ wanted: true }, 10)], "v1"],
    ["paused", [whole({ version: "v1" }), stored({}, 10)], "v1"],
    ["absent", [stored({ version: "v1" }, 40)], null],
  ] as const)("%s", (state, models, usable) => {
    const found = one([offer()], [...models]);
    expect([found?.state, found?.usable]).toEqual([state, usable]);
  });

  it("is that of the device where the server is away", () => {
    expect(one([], [whole({ version: "v1" })])).toMatchObject({
      state: "ready",
      version: "v1",
      offered: false,
      outdated: false,
      bytes: 100,
    });
    expect(one([], [stored({}, 40)])).toMatchObject({ state: "paused", stored: 40 });
  });

  it("says when what is here is older, and keeps that usable", () => {
    expect(one([offer()], [whole({ version: "v1" })])).toMatchObject({ outdated: true, version: "v2", usable: "v1" });
    expect(one([offer()], [whole()])).toMatchObject({ outdated: false });
  });
});

it("shows how far the tab is that downloads, also while it checks", () => {
  const progress = { key: "k", id: "m", stored: 60, rate: 20, checking: false };
  expect(one([offer()], [stored({ wanted: true }, 40)], [progress])).toMatchObject({
    stored: 60,
    rate: 20,
    secondsLeft: 2,
  });
  const checking = one([offer()], [stored({ wanted: true }, 100)], [{ ...progress, checking: true }]);
  expect([checking?.stored, checking?.checking, checking?.secondsLeft]).toEqual([100, true, undefined]);
  const waiting = one([offer()], [stored({ wanted: true })], [{ ...progress, waiting: "Waiting for the network" }]);
  expect(waiting?.reason).toBe("Waiting for the network");
});

it("tells why a browser cannot have a model, and sorts the included one first", () => {
  const models = merged(
    [offer({ id: "b", name: "B", reason: "too large" }), offer({ id: "z", name: "Z", builtIn: true })],
    [],
    new Map(),
  );
  expect(models.map(({ id, fits, reason }) => [id, fits, reason])).toEqual([
    ["z", true, undefined],
    ["b", false, "too large"],
  ]);
});

it("knows when there is no room, as far as the browser tells", () => {
  expect(lack(5_000_000, { quota: 10_000_000, usage: 4_000_000 })).toBeNull();
  expect(lack(5_000_000, { quota: 10_000_000, usage: 5_000_000 })).toContain(
    "needs 6.0 MB, and the browser has 5.0 MB left",
  );
  expect(lack(5_000_000, undefined)).toBeNull();
  expect(lack(5_000_000, {})).toBeNull();
});
