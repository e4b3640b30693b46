// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import type { DeviceModel } from "../../engine/local/files";
import { figuresOf, placeLabel } from "./labels";
import { deviceModelOf, hereModelOf, type Wish } from "./place";

const model = (id: string, bytes: number, usable: string | null = "1"): DeviceModel => ({
  id,
  name: id.toUpperCase(),
  version: "1",
  bytes,
  stored: usable ? bytes : 0,
  state: usable ? "ready" : "absent",
  parts: 1,
  builtIn: false,
  usable,
  outdated: false,
  verified: null,
  fits: true,
  offered: true,
  context: null,
});
const auto: Wish = { place: "auto", model: null };

beforeEach(() => {
  localStorage.clear();
  vi.resetModules();
});

it("takes the model that was wished for, else the server's own, else the largest that is here", () => {
  const models = [model("a", 1), model("b", 3), model("c", 9, null)];
  expect(deviceModelOf(models, { place: "device", model: "c" }, "A")?.id).toBe("c");
  expect(deviceModelOf(models, auto, "A")?.id).toBe("a");
  expect(deviceModelOf(models, auto, "other")?.id).toBe("b");
  expect(deviceModelOf([model("c", 9, null)], auto, null)).toBeNull();
});

it("takes a provider's model when it is wished for, and never by itself", () => {
  const own = [{ id: "own:p:m", name: "m", label: "m (own key)", provider: "P", host: "api.example.com" }];
  expect(hereModelOf([model("a", 1)], own, { place: "device", model: "own:p:m" }, null)?.id).toBe("own:p:m");
  expect(hereModelOf([model("a", 1)], own, { place: "auto", model: "own:p:m" }, null)?.id).toBe("a");
  expect(hereModelOf([], own, auto, null)).toBeNull();
});

it("keeps the wish over a reload, and takes nothing that is none", async () => {
  const { wishes } = await import("./place");
  wishes.setState({ place: "device", model: "a" });
  vi.resetModules();
  expect((await import("./place")).wishes.getState()).toEqual({ place: "device", model: "a" });
  localStorage.setItem("corral.place.v1", '{"place": "moon"}');
  vi.resetModules();
  expect((await import("./place")).wishes.getState()).toEqual(auto);
});

it("names the place and the model of an answer that the server has not made", () => {
  expect(placeLabel({ place: "server", model: "m" }, "me")).toBe("");
  expect(placeLabel({ place: "device", device: "me", model: "Cria" }, "me")).toBe("This device · Cria");
  expect(placeLabel({ place: "device", device: "you", model: null }, "me")).toBe("Another device");
});

it("tells kept figures as it tells those of an answer that it saw", () => {
  expect(figuresOf({ tokens: 21, tokensPerSecond: 10 })).toBe("21 tokens · 10 tokens/s");
  expect(figuresOf({ tokens: 1, tokensPerSecond: 0 })).toBe("1 token");
  expect(figuresOf({})).toBe("");
});
