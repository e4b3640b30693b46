import { expect, it } from "vitest";
import { Lru } from "./lru";
import { bits, Sha256 } from "./sha256";

async function sum(data: Uint8Array): Promise<string> {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>));
  return Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
const bytes = (length: number) => {
  const data = new Uint8Array(length);
  for (let at = 0; at < length; at++) data[at] = (at * 131 + (at >> 8)) & 255;
  return data;
};

it.each([0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1_000, 100_000])(
  "sums %d bytes as WebCrypto does",
  async (length) => {
    expect(new Sha256().update(bytes(length)).hex()).toBe(await sum(bytes(length)));
  },
);

it("gives the same sum however the bytes come, also out of the middle of a buffer", async () => {
  const data = bytes(10_000);
  const piecewise = new Sha256();
  for (let at = 0, step = 1; at < data.length; at += step, step = (step * 7 + 3) % 200) {
    if (step === 0) step = 1;
    piecewise.update(data.subarray(at, at + step));
  }
  expect(piecewise.hex()).toBe(await sum(data));
});

it("counts lengths of more than 32 bits of bits", () => {
  expect(bits(0x1fff_ffff)).toEqual([0, 0xffff_fff8]);
  expect(bits(0x2000_0001)).toEqual([1, 8]);
  expect(bits(3_000_000_001)).toEqual([5, (3_000_000_001 * 8) % 2 ** 32]);
});

it("forgets what was used least recently", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  expect(lru.get("a")).toBe(1);
  lru.set("c", 3);
  expect([lru.get("a"), lru.get("b"), lru.get("c")]).toEqual([1, undefined, 3]);
  lru.delete("a");
  expect(lru.get("a")).toBeUndefined();
});
