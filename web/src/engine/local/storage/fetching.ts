/** One download: range by range, block by block, tried again with pauses, and held against the sum that the server tells. */
import { LocalError } from "../errors";
import type { Verified } from "../files";
import { BLOCK, FIRST_RANGE, nextRange, nextSize, pause, type Range, Rate, TRIES, wrong } from "./plan";
import { type Offer, type Progress, type StoredModel, storedOf } from "./types";

/** Where the bytes go: the storage worker. */
export interface Sink {
  /** False when the download is not wanted any more. */
  write(key: string, part: number, offset: number, data: ArrayBuffer): Promise<boolean>;
  digest(key: string, part: number): Promise<string>;
  reset(key: string, part: number): Promise<void>;
  finish(key: string, verified: Verified): Promise<void>;
}

export interface Outside {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** What the server offers now; rejects when it cannot be asked. */
  offers(signal: AbortSignal): Promise<Offer[]>;
  online(): boolean;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  now(): number;
  random(): number;
  tell(progress: Progress): void;
}

/** Milliseconds without a byte after which an answer is given up. */
const SILENCE = 30_000;
/** Times that the server is asked for a sum that it does not know yet, and the milliseconds between. */
const ASKS = 20;
const ASK_EVERY = 1_000;

/** A failure after which the same may be tried again; `wish` is the server's in seconds. */
class Again extends Error {
  constructor(
    message: string,
    readonly wish: string | null = null,
  ) {
    super(message);
  }
}

export class Download {
  private readonly rate = new Rate();
  private stored: number;
  private size = FIRST_RANGE;
  private checking = false;

  constructor(
    private readonly model: StoredModel,
    private readonly sink: Sink,
    private readonly outside: Outside,
    private readonly signal: AbortSignal,
  ) {
    this.stored = storedOf(model);
  }

  /** Brings what is missing. True when the model is whole, false when it was paused. Rejects with LocalError. */
  async run(): Promise<boolean> {
    try {
      for (const number of this.model.parts.keys()) await this.part(number);
      const verified = await this.check();
      this.signal.throwIfAborted();
      await this.sink.finish(this.model.key, verified);
      return true;
    } catch (error) {
      if (this.signal.aborted) return false;
      throw error;
    }
  }

  private async part(number: number): Promise<void> {
    const part = this.model.parts[number];
    if (!part) return;
    let tries = 0;
    for (;;) {
      const range = nextRange(part.stored, part.bytes, this.size);
      if (!range) return;
      const before = part.stored;
      try {
        await this.bring(number, range);
        tries = 0;
      } catch (error) {
        this.signal.throwIfAborted();
        if (!(error instanceof Again)) throw error;
        tries = part.stored > before || !this.outside.online() ? 1 : tries + 1;
        if (tries >= TRIES)
          throw new LocalError(
            "device_download_failed",
            `The download stopped: ${error.message}. What came is kept.`,
            true,
          );
        this.size = FIRST_RANGE;
        this.tell(this.outside.online() ? `Trying again: ${error.message}` : "Waiting for the network");
        await this.outside.sleep(pause(tries, this.outside.random(), error.wish), this.signal);
      }
    }
  }

  /** Asks for a range and writes what comes of it. */
  private async bring(number: number, range: Range): Promise<void> {
    const part = this.model.parts[number] as StoredModel["parts"][number];
    const silence = new Silence(this.signal);
    try {
      const response = await this.ask(part.url ?? addressOf(this.model, number), range, silence.signal);
      const flaw = refusal(response) ?? wrong(range, part.bytes, response.status, (name) => response.headers.get(name));
      if (flaw !== null) throw new Again(flaw, response.headers.get("retry-after"));
      const whole = response.status === 200;
      const end = whole ? part.bytes : range.end;
      if (whole && range.start > 0) this.tell("The host sends the file from its beginning again");
      const begun = this.outside.now();
      await this.pour(number, response, whole ? range.start : 0, end, silence);
      if (part.stored < end) throw new Again("the connection ended early");
      this.size = nextSize(this.size, end - range.start, this.outside.now() - begun);
    } finally {
      silence.end();
    }
  }

  private async ask(url: string, range: Range, signal: AbortSignal): Promise<Response> {
    const headers = { Range: `bytes=${range.start}-${range.end - 1}` };
    try {
      // What is stored here must not lie in the browser's cache a second time.
      return await this.outside.fetch(url, { headers, signal, cache: "no-store", credentials: "same-origin" });
    } catch {
      throw new Again("the server cannot be reached");
    }
  }

  /** Writes the body, but for what is stored of it already, in blocks; the next one is read while the last is being written. */
  private async pour(number: number, response: Response, known: number, end: number, silence: Silence): Promise<void> {
    const part = this.model.parts[number] as StoredModel["parts"][number];
    const reader = response.body?.getReader();
    if (!reader) throw new Again("the answer is empty");
    let offset = part.stored;
    let skip = known;
    let writing: Promise<void> = Promise.resolve();
    const block = new Blocks(async (data) => {
      await writing;
      const at = offset;
      offset += data.byteLength;
      writing = this.write(number, at, data);
      // An error is told where it is awaited.
      writing.catch(() => undefined);
    });
    try {
      for (;;) {
        const { done, value } = await reader.read().catch(() => {
          throw new Again("the connection broke");
        });
        silence.heard();
        if (done) break;
        const fresh = value.subarray(Math.min(skip, value.byteLength));
        skip -= value.byteLength - fresh.byteLength;
        if (offset + block.held + fresh.byteLength > end) throw new Again("more came than was asked for");
        await block.add(fresh);
      }
    } finally {
      // What has come is kept, however it ended.
      await block.flush().catch(() => undefined);
      await reader.cancel().catch(() => undefined);
      await writing;
    }
  }

  private async write(number: number, offset: number, data: ArrayBuffer): Promise<void> {
    const part = this.model.parts[number] as StoredModel["parts"][number];
    const length = data.byteLength;
    const wanted = await this.sink.write(this.model.key, number, offset, data);
    part.stored = offset + length;
    this.stored += length;
    this.rate.add(length, this.outside.now());
    this.tell();
    if (!wanted) throw new Stopped();
  }

  /** Holds all parts against the sums that the server tells. */
  private async check(): Promise<Verified> {
    this.checking = true;
    this.tell();
    const announced = await this.announced();
    for (const [number, part] of this.model.parts.entries()) {
      const expected = announced?.[number] ?? null;
      let digest = await this.sink.digest(this.model.key, number);
      if (expected === null || digest === expected) continue;
      // Once more from the beginning: which of its bytes are wrong nobody knows.
      await this.sink.reset(this.model.key, number);
      this.stored -= part.stored;
      part.stored = 0;
      this.checking = false;
      await this.part(number);
      this.checking = true;
      digest = await this.sink.digest(this.model.key, number);
      if (digest === expected) continue;
      await this.sink.reset(this.model.key, number);
      throw new LocalError(
        "device_download_corrupt",
        `${part.name} came twice with another checksum than the server tells, so it was thrown away. Something between here and the server changes it.`,
        true,
      );
    }
    return announced ? "sha256" : "size";
  }

  /** The sums of all parts; null when the server does not know them in time. */
  private async announced(): Promise<string[] | null> {
    let parts: readonly { sha256: string | null }[] = this.model.parts;
    for (let asked = 0; ; asked++) {
      const sums = parts.map((part) => part.sha256).filter((one) => one !== null);
      if (sums.length === this.model.parts.length) return sums;
      if (asked === ASKS) return null;
      if (asked > 0) await this.outside.sleep(ASK_EVERY, this.signal);
      const offers = await this.outside.offers(this.signal).catch(() => []);
      this.signal.throwIfAborted();
      // Another version's sums say nothing about what came, all of which is of this one.
      parts = offers.find(({ id, version }) => id === this.model.id && version === this.model.version)?.parts ?? parts;
    }
  }

  private tell(waiting?: string): void {
    const { key, id } = this.model;
    const rate = this.rate.at(this.outside.now());
    this.outside.tell({ key, id, stored: this.stored, rate, checking: this.checking, waiting });
  }
}

/** The download was paused or removed, here or in another tab. */
export class Stopped extends Error {}

/** Why an answer is none; what cannot get better by trying again is thrown. */
function refusal(response: Response): string | null {
  const { status } = response;
  if (status === 200 || status === 206) return null;
  if (status === 410 || status === 412) throw gone();
  if (status === 401 || status === 403)
    throw new LocalError("device_forbidden", "The server does not let this account have the model's files.", false);
  if (status === 404)
    throw new LocalError("device_model_unknown", "The server does not have this model for browsers any more.", false);
  if (status < 500 && status !== 408 && status !== 416 && status !== 429)
    throw new LocalError("device_download_failed", `The server refused the download (${status}).`, false);
  return `the server answered ${status}`;
}

const gone = () =>
  new LocalError(
    "device_version_gone",
    "The model has changed on the server. Its new version can be downloaded.",
    true,
  );

/** Where the server has a part. */
export function addressOf(model: { id: string; version: string }, part: number): string {
  return `/api/device/models/${encodeURIComponent(model.id)}/files/${part}?v=${model.version}`;
}

/** Gathers pieces of any size into blocks. */
class Blocks {
  private data = new Uint8Array(BLOCK);
  held = 0;

  constructor(private readonly put: (data: ArrayBuffer) => Promise<void>) {}

  async add(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.byteLength; ) {
      const count = Math.min(piece.byteLength - at, BLOCK - this.held);
      this.data.set(piece.subarray(at, at + count), this.held);
      this.held += count;
      at += count;
      if (this.held === BLOCK) await this.flush();
    }
  }

  async flush(): Promise<void> {
    if (this.held === 0) return;
    const { buffer } = this.held === BLOCK ? this.data : this.data.slice(0, this.held);
    this.data = new Uint8Array(BLOCK);
    this.held = 0;
    await this.put(buffer);
  }
}

/** Aborts when nothing is heard for too long, or when the download is stopped. */
class Silence {
  private readonly own = new AbortController();
  private timer: ReturnType<typeof setTimeout>;
  private readonly stop = () => this.own.abort();

  constructor(private readonly outer: AbortSignal) {
    this.timer = setTimeout(this.stop, SILENCE);
    if (outer.aborted) this.stop();
    outer.addEventListener("abort", this.stop);
  }

  get signal(): AbortSignal {
    return this.own.signal;
  }

  heard(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.stop, SILENCE);
  }

  end(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener("abort", this.stop);
    // Whatever is left of the answer is not wanted.
    this.own.abort();
  }
}
