import { describe, expect, it } from "vitest";
import {
  BOUNDS,
  checked,
  flaw,
  KEYS,
  MAX_PRESETS,
  PRESETS,
  presetOf,
  readPlaces,
  readPresets,
  readStops,
  same,
  withPreset,
  writePlaces,
} from "./sampling";

describe("settings", () => {
  it.each(KEYS)("%s keeps its bounds", (key) => {
    const { low, high, whole } = BOUNDS[key];
    expect(flaw(key, low)).toBeNull();
    expect(flaw(key, high)).toBeNull();
    expect(flaw(key, low - 1)).toContain(String(low));
    expect(flaw(key, high + 1)).toContain(String(high));
    expect(flaw(key, Number.NaN)).not.toBeNull();
    expect(flaw(key, low + 0.5) === null).toBe(!whole);
  });

  it("takes of anything what is a setting", () => {
    expect(checked({ temperature: 0.5, topP: 7, topK: "3", who: 1, stop: ["a", ""] })).toEqual({
      temperature: 0.5,
      stop: ["a"],
    });
    for (const bad of [null, 3, "x", [], { stop: [1] }, { stop: ["1", "2", "3", "4", "5"] }])
      expect(checked(bad)).toEqual({});
  });

  it("reads texts to stop at, one a line", () => {
    expect(readStops("\nEND\n\n ###\n")).toEqual(["END", " ###"]);
    expect(readStops("1\n2\n3\n4\n5")).toContain("4");
    expect(readStops("x".repeat(65))).toContain("64");
  });

  it("does not mind the order", () => {
    expect(same({ topP: 1, seed: 2 }, { seed: 2, topP: 1 })).toBe(true);
    expect(same({ topP: 1 }, { topP: 0.9 })).toBe(false);
  });
});

describe("presets", () => {
  it("are all within bounds, and are recognised", () => {
    for (const preset of PRESETS) {
      expect(checked(preset.sampling)).toEqual(preset.sampling);
      expect(presetOf({ ...preset.sampling }, [])?.name).toBe(preset.name);
    }
    expect(presetOf({ temperature: 0.33 }, [])).toBeNull();
    expect(presetOf({ temperature: 0.33 }, [{ name: "mine", sampling: { temperature: 0.33 } }])?.name).toBe("mine");
  });

  it("are saved under a name, which another may replace", () => {
    const mine = withPreset([], " Mine ", { seed: 3 }) as never;
    expect(mine).toEqual([{ name: "Mine", sampling: { seed: 3 } }]);
    expect(withPreset(mine, "mine", { seed: 4 })).toEqual([{ name: "mine", sampling: { seed: 4 } }]);
    for (const name of ["", "  ", "precise", "x".repeat(61)]) expect(typeof withPreset(mine, name, {})).toBe("string");
    const many = Array.from({ length: MAX_PRESETS }, (_, index) => ({ name: `p${index}`, sampling: {} }));
    expect(typeof withPreset(many, "more", {})).toBe("string");
    expect(withPreset(many, "p3", { seed: 1 })).toHaveLength(MAX_PRESETS);
  });

  it("survive what is no list of them", () => {
    for (const text of [null, "", "{", "3", '{"a":1}', "[3, null]", '[{"name":" "}]'])
      expect(readPresets(text)).toEqual([]);
    expect(readPresets('[{"name":"a","sampling":{"topP":9,"seed":1}}]')).toEqual([
      { name: "a", sampling: { seed: 1 } },
    ]);
  });
});

describe("places", () => {
  it("come back as they were written", () => {
    const places = { new: { seed: 1 }, "local-1": { topP: 0.5, stop: ["x"] }, "local-2": {} };
    expect(readPlaces(writePlaces(places))).toEqual({ new: { seed: 1 }, "local-1": { topP: 0.5, stop: ["x"] } });
    for (const text of [null, "{}", "[[]]", "[[1,2]]"]) expect(readPlaces(text)).toEqual({});
  });
});
