import { describe, expect, it } from "vitest";
import { keepsFollowing } from "./follow";

const at = (top: number, height = 1_000, view = 400) => ({ top, height, view });

describe("keepsFollowing", () => {
  it("is released by the smallest move up, however near the end is", () => {
    expect(keepsFollowing(true, at(600), at(590))).toBe(false);
    expect(keepsFollowing(true, at(600), at(0))).toBe(false);
  });
  it("stays released while the reader goes down far from the end", () => {
    expect(keepsFollowing(false, at(100), at(300))).toBe(false);
  });
  it("is taken up again near the end, coming from above", () => {
    expect(keepsFollowing(false, at(500), at(560))).toBe(true);
  });
  it("is not taken up by standing still while text grows", () => {
    expect(keepsFollowing(false, at(580), at(580, 1_020))).toBe(false);
  });
  it("goes on when the content grows below the end", () => {
    expect(keepsFollowing(true, at(600), at(600, 2_000))).toBe(true);
  });
  it("is not released by content that shrinks or a window that grows", () => {
    expect(keepsFollowing(true, at(600), at(500, 940))).toBe(true);
    expect(keepsFollowing(true, at(600), at(400, 1_000, 600))).toBe(true);
  });
});
