import { expect, test } from "vitest";
import { ago, bytes, dollars, duration, short } from "./format";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [999_999, "1.0 MB"],
  [1_000, "1 kB"],
  [1_234_567, "1.2 MB"],
  [4_683_073_184, "4.7 GB"],
  [250_000_000_000, "250 GB"],
  [9e15, "9000 TB"],
])("%d bytes are %s", (value, text) => expect(bytes(value)).toBe(text));

test.each([
  [12, "12"],
  [4_096, "4.1 K"],
  [32_000, "32 K"],
  [7_615_616_512, "7.6 B"],
  [1_000_000, "1 M"],
])("%d is %s in short", (value, text) => expect(short(value)).toBe(text));

test.each([
  [0.2, "1 s"],
  [59, "59 s"],
  [119, "2 min"],
  [3_600, "1 h"],
  [3_900, "1 h 5 min"],
  [86_400, "24 h"],
  [400_000, "4 days"],
  [Number.POSITIVE_INFINITY, "–"],
  [-1, "–"],
])("%d seconds are %s", (value, text) => expect(duration(value)).toBe(text));

test("moments are told from now", () => {
  const now = new Date("2026-01-02T12:00:00Z");
  expect(ago(new Date("2026-01-02T11:59:50Z"), now)).toBe("just now");
  expect(ago(new Date("2026-01-02T11:59:10Z"), now)).toBe("1 min ago");
  expect(ago(new Date("2026-01-01T11:00:00Z"), now)).toBe("25 h ago");
  expect(ago(new Date("2025-12-20T12:00:00Z"), now)).toBe("13 days ago");
  expect(ago(new Date("nonsense"), now)).toBe("");
});

test.each([
  [2.5, "$2.50"],
  [15, "$15.00"],
  [0.075, "$0.075"],
  [0.3, "$0.30"],
  [0.000012345, "$0.000012"],
  [0, "free"],
  [null, ""],
])("%d dollars are %s", (value, text) => expect(dollars(value)).toBe(text));
