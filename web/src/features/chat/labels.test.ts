import { expect, it } from "vitest";
import { figures, stateLabel } from "./labels";

const model = (state: string, progress: number | null) => ({ name: "small", state, progress });

it("says what an answer waits for", () => {
  expect(stateLabel("queued", { ahead: 2, model: model("loading", 0.5) })).toBe("Queued #3");
  expect(stateLabel("reading", { model: model("loading", 0.437) })).toBe("Starting small 43 %");
  expect(stateLabel("reading", { model: model("starting", null) })).toBe("Starting small");
  expect(stateLabel("reading", { model: model("busy", null) })).toBe("Reading prompt");
});

it("does not claim to know what happens behind a lost connection", () => {
  expect(stateLabel("writing", { connected: false })).toBe("Connection lost; goes on by itself");
  expect(stateLabel("completed", { connected: false })).toBe("Done");
});

it("does not speak of a start once there are words", () => {
  expect(stateLabel("writing", { model: model("loading", 0.5) })).toBe("Writing");
  expect(stateLabel("completed", { ahead: 1 })).toBe("Done");
});

it("gives a rate only where it was measured", () => {
  expect(figures(null, 400)).toBe("");
  expect(figures(1, 400)).toBe("1 token");
  expect(figures(1_200, null)).toBe("1,200 tokens");
  expect(figures(101, 2_000)).toBe("101 tokens · 50 tokens/s");
  expect(figures(5, 1_000)).toBe("5 tokens · 4.0 tokens/s");
});
