import { beforeEach, describe, expect, it } from "vitest";
import { Download, type Outside, type Sink, Stopped } from "./fetching";
import { Sha256 } from "./sha256";
import type { Offer, Progress, StoredModel } from "./types";

const MIB = 1024 * 1024;
const sum = (data: Uint8Array) => new Sha256().update(data).hex();
const content = (length: number) => {
  const data = new Uint8Array(length);
  for (let at = 0; at < length; at++) data[at] = (at * 31 + (at >> 9)) & 255;
  return data;
};

/** Storage in memory that holds to what the real one promises: bytes come in order, and sums are of what is there. */
class Memory implements Sink {
  files: Uint8Array[];
  finished: string | null = null;
  wanted = true;

  constructor(readonly model: StoredModel) {
    this.files = model.parts.map((part) => content(part.bytes).slice(0, part.stored));
  }

  async write(_: string, part: number, offset: number, data: ArrayBuffer): Promise<boolean> {
    const file = this.files[part] as Uint8Array;
    expect(offset).toBe(file.length);
    const longer = new Uint8Array(offset + data.byteLength);
    longer.set(file);
    longer.set(new Uint8Array(data), offset);
    this.files[part] = longer;
    return this.wanted;
  }
  async digest(_: string, part: number): Promise<string> {
    return sum(this.files[part] as Uint8Array);
  }
  async reset(_: string, part: number): Promise<void> {
    this.files[part] = new Uint8Array();
  }
  async finish(_: string, verified: string): Promise<void> {
    this.finished = verified;
  }
}

function model(sizes: number[], stored: number[] = [], known = true): StoredModel {
  const parts = sizes.map((bytes, number) => ({
    name: `m-${number}.gguf`,
    bytes,
    sha256: known ? sum(content(bytes)) : null,
    stored: stored[number] ?? 0,
    digest: null,
  }));
  const common = { key: "k", id: "m/x", name: "M", version: "v", context: null, builtIn: false };
  return { ...common, parts, wanted: true, whole: false, verified: null, problem: null };
}

/** A server of the model's files, whose answers `change` may spoil. */
class Place implements Outside {
  asked: string[] = [];
  slept: number[] = [];
  told: Progress[] = [];
  time = 0;
  up = true;
  known: Offer[] = [];
  change: (answer: Response, count: number, data: Uint8Array) => Response | Promise<Response> = (answer) => answer;

  constructor(readonly model: StoredModel) {}

  async fetch(url: string, init: RequestInit): Promise<Response> {
    const range = String((init.headers as Record<string, string>).Range);
    this.asked.push(`${url.split("/").pop()?.split("?")[0]} ${range}`);
    expect(url).toMatch(/^\/api\/device\/models\/m%2Fx\/files\/\d\?v=v$/);
    const [first, last] = range.replace("bytes=", "").split("-").map(Number) as [number, number];
    const whole = content(this.model.parts[Number(url.split("/").pop()?.[0])]?.bytes ?? 0);
    const data = whole.slice(first, last + 1);
    const headers = { "content-range": `bytes ${first}-${last}/${whole.length}`, "content-length": `${data.length}` };
    return this.change(new Response(data, { status: 206, headers }), this.asked.length, data);
  }
  offers = async () => this.known;
  online = () => this.up;
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.slept.push(ms);
    this.time += ms;
    signal.throwIfAborted();
  }
  now = () => {
    this.time += 100;
    return this.time;
  };
  random = () => 1;
  tell = (progress: Progress) => void this.told.push(progress);
}

let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});

function download(one: StoredModel) {
  const sink = new Memory(one);
  const place = new Place(one);
  return { sink, place, run: () => new Download(one, sink, place, stop.signal).run() };
}

const right = (sink: Memory) =>
  sink.files.every((file, number) => sum(file) === sum(content(sink.model.parts[number]?.bytes ?? 0)));

describe("a download", () => {
  it("brings all parts by growing ranges, each byte once, and checks them", async () => {
    const { sink, place, run } = download(model([5 * MIB + 7, 1_000]));
    expect(await run()).toBe(true);
    expect(right(sink)).toBe(true);
    expect(sink.finished).toBe("sha256");
    expect(place.asked).toEqual([
      `0 bytes=0-${MIB - 1}`,
      `0 bytes=${MIB}-${3 * MIB - 1}`,
      `0 bytes=${3 * MIB}-${5 * MIB + 6}`,
      "1 bytes=0-999",
    ]);
    expect(place.told.at(-1)).toMatchObject({ stored: 5 * MIB + 1_007, checking: true });
  });

  it("goes on where it was", async () => {
    const { sink, place, run } = download(model([3 * MIB, 500], [2 * MIB + 5, 0]));
    expect(await run()).toBe(true);
    expect(right(sink)).toBe(true);
    expect(place.asked[0]).toBe(`0 bytes=${2 * MIB + 5}-${3 * MIB - 1}`);
  });

  it("asks nothing for what is here, and checks it all the same", async () => {
    const { sink, place, run } = download(model([700], [700]));
    expect(await run()).toBe(true);
    expect([place.asked, sink.finished]).toEqual([[], "sha256"]);
  });

  it("keeps what came of an answer that breaks off, and asks for the rest after a pause", async () => {
    const { sink, place, run } = download(model([1_000]));
    place.change = (answer, count, data) =>
      count > 2 ? answer : new Response(data.slice(0, 300), { status: 206, headers: answer.headers });
    expect(await run()).toBe(true);
    expect(place.asked).toEqual(["0 bytes=0-999", "0 bytes=300-999", "0 bytes=600-999"]);
    expect(place.slept).toEqual([1_000, 1_000]);
    expect(right(sink)).toBe(true);
  });

  it.each([0, 500, 70_000])("goes on at byte %d where the host knows no ranges and sends all of it", async (stored) => {
    const { sink, place, run } = download(model([100_000], [stored]));
    place.change = () => new Response(content(100_000), { status: 200, headers: { "content-length": "100000" } });
    expect(await run()).toBe(true);
    expect(place.asked).toHaveLength(1);
    expect(right(sink)).toBe(true);
    expect(place.told.some(({ waiting }) => waiting?.includes("from its beginning"))).toBe(stored > 0);
  });

  it.each([
    ["another range", { "content-range": "bytes 0-9/1000" }, 206],
    ["another size", { "content-range": "bytes 0-999/1001" }, 206],
    ["too much to do", {}, 503],
    ["too many requests", {}, 429],
  ])("writes nothing of an answer that is wrong (%s), and tries again", async (_, headers, status) => {
    const { sink, place, run } = download(model([1_000]));
    place.change = (answer, count) => (count > 1 ? answer : new Response(answer.body, { status, headers }));
    expect(await run()).toBe(true);
    expect(place.asked).toEqual(["0 bytes=0-999", "0 bytes=0-999"]);
    expect(right(sink)).toBe(true);
  });

  it("never writes more than it asked for", async () => {
    const { sink, place, run } = download(model([1_000]));
    place.change = (answer, count, data) =>
      count > 1
        ? answer
        : new Response(Uint8Array.from([...data, 1]), {
            status: 206,
            headers: { "content-range": "bytes 0-999/1000" },
          });
    expect(await run()).toBe(true);
    expect(right(sink)).toBe(true);
  });

  it("fails after eight tries without a byte, keeping what came", async () => {
    const { sink, place, run } = download(model([2_000], [500]));
    place.change = () => {
      throw new TypeError("Failed to fetch");
    };
    await expect(run()).rejects.toMatchObject({ code: "device_download_failed", recoverable: true });
    expect(place.asked).toHaveLength(8);
    expect(place.slept).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(sink.files[0]).toHaveLength(500);
  });

  it("waits for the network as long as it is away", async () => {
    const { place, run } = download(model([1_000]));
    place.up = false;
    place.change = (answer, count) => {
      if (count > 20) return answer;
      throw new TypeError("Failed to fetch");
    };
    expect(await run()).toBe(true);
    expect(place.told.some(({ waiting }) => waiting === "Waiting for the network")).toBe(true);
  });

  it.each([
    [410, "device_version_gone"],
    [412, "device_version_gone"],
    [403, "device_forbidden"],
    [404, "device_model_unknown"],
    [400, "device_download_failed"],
  ])("does not try again what cannot get better (%d)", async (status, code) => {
    const { place, run } = download(model([1_000]));
    place.change = () => new Response(null, { status });
    await expect(run()).rejects.toMatchObject({ code });
    expect(place.asked).toHaveLength(1);
  });

  it("is paused in the middle and keeps what came", async () => {
    const { sink, place, run } = download(model([5 * MIB]));
    place.change = (answer, count) => {
      if (count === 2) stop.abort();
      return answer;
    };
    expect(await run()).toBe(false);
    expect(sink.finished).toBeNull();
    expect(sink.files[0]?.length).toBeGreaterThanOrEqual(MIB);
  });

  it("stops when another tab does not want it any more", async () => {
    const { sink, run } = download(model([5 * MIB]));
    sink.wanted = false;
    await expect(run()).rejects.toBeInstanceOf(Stopped);
  });
});

describe("what came", () => {
  it("is fetched once more when its sum is wrong, then refused", async () => {
    const spoiled = (answer: Response, data: Uint8Array) => {
      data[5] = (data[5] ?? 0) ^ 1;
      return new Response(data as Uint8Array<ArrayBuffer>, { status: 206, headers: answer.headers });
    };
    const once = download(model([1_000]));
    once.place.change = (answer, count, data) => (count === 1 ? spoiled(answer, data) : answer);
    expect(await once.run()).toBe(true);
    expect(right(once.sink)).toBe(true);

    const always = download(model([1_000]));
    always.place.change = (answer, _, data) => spoiled(answer, data);
    await expect(always.run()).rejects.toMatchObject({ code: "device_download_corrupt" });
    expect(always.place.asked).toHaveLength(2);
    expect(always.sink.files[0]).toHaveLength(0);
    expect(always.sink.finished).toBeNull();
  });

  it("is held against a sum that the server tells only later", async () => {
    const { sink, place, run } = download(model([1_000], [], false));
    let asks = 0;
    place.offers = async () => {
      asks += 1;
      const parts = [{ name: "m-0.gguf", bytes: 1_000, sha256: asks > 3 ? "f".repeat(64) : null }];
      return [{ ...place.model, parts, bytes: 1_000, reason: null }];
    };
    await expect(run()).rejects.toMatchObject({ code: "device_download_corrupt" });
    expect(asks).toBe(4);
    expect(sink.finished).toBeNull();
  });

  it("counts as checked by its size only when the server tells no sum", async () => {
    const { sink, run } = download(model([1_000], [], false));
    expect(await run()).toBe(true);
    expect(sink.finished).toBe("size");
  });
});
