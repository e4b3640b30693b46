/**
 * The head of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): just enough to know how much
 * memory a context takes before anything is loaded. The file is not trusted: every length is checked against what there is.
 */
import { failure } from "./errors";

/** What a model's shape costs. `undefined` where the file does not say before its tokenizer. */
export interface Shape {
  architecture: string;
  contextLength?: number;
  layers?: number;
  /** Elements of the keys and of the values of one token in one layer, together. */
  cacheWidth?: number;
}

/** Bytes of the head that are read at most. */
export const HEAD = 256 * 1024;
const MAGIC = 0x46554747;
const PAIRS = 10_000;
const TEXT = 64 * 1024;
const FIXED: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const STRING = 8;
const ARRAY = 9;

class Cut extends Error {}

class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private take(length: number): number {
    if (length > this.bytes.length - this.at) throw new Cut();
    const place = this.at;
    this.at += length;
    return place;
  }

  u32 = (): number => this.view.getUint32(this.take(4), true);

  u64(): number {
    const value = this.view.getBigUint64(this.take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw failure("device_model_unreadable", "A length in the file is absurd.");
    return Number(value);
  }

  text(): string {
    const length = this.u64();
    if (length > TEXT) this.skip(length);
    const place = this.take(length);
    return new TextDecoder().decode(this.bytes.subarray(place, place + length));
  }

  skip(length: number): void {
    this.take(length);
  }

  /** A number or text; undefined for arrays, which are stepped over, and for kinds that do not matter here. */
  value(kind: number): number | string | undefined {
    if (kind === STRING) return this.text();
    if (kind === ARRAY) return this.array();
    if (kind === 4) return this.u32();
    if (kind === 5) return this.view.getInt32(this.take(4), true);
    if (kind === 10) return this.u64();
    const size = FIXED[kind];
    if (size === undefined)
      throw failure("device_model_unreadable", "The file holds a kind of value that GGUF does not know.");
    this.skip(size);
    return undefined;
  }

  private array(): undefined {
    const kind = this.u32();
    const length = this.u64();
    const size = FIXED[kind];
    if (size !== undefined) this.skip(length * size);
    else if (kind === STRING) for (let index = 0; index < length; index += 1) this.skip(this.u64());
    else throw failure("device_model_unreadable", "The file holds an array that GGUF does not know.");
    return undefined;
  }
}

function readPairs(reader: Reader): Map<string, number | string> {
  const known = new Map<string, number | string>();
  if (reader.u32() !== MAGIC) throw failure("device_model_unreadable", "The file is not a GGUF file.");
  const version = reader.u32();
  if (version < 2 || version > 3) throw failure("device_model_unreadable", `GGUF version ${version} is not known.`);
  reader.u64();
  const pairs = reader.u64();
  if (pairs > PAIRS) throw failure("device_model_unreadable", "The file has too many entries.");
  try {
    for (let index = 0; index < pairs; index += 1) {
      const key = reader.text();
      // The tokenizer is long and comes after what matters here.
      if (key.startsWith("tokenizer.")) break;
      const value = reader.value(reader.u32());
      if (value !== undefined) known.set(key, value);
    }
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
  }
  return known;
}

/** The shape of the model in `file`, its first part. Raises LocalError `device_model_unreadable`. */
export async function readShape(file: Blob): Promise<Shape> {
  const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  let known: Map<string, number | string>;
  try {
    known = readPairs(new Reader(bytes));
  } catch (error) {
    if (error instanceof Cut) throw failure("device_model_unreadable", "The file ends in its first bytes.");
    throw error;
  }
  const architecture = String(known.get("general.architecture") ?? "");
  const number = (name: string) => {
    const value = known.get(`${architecture}.${name}`);
    return typeof value === "number" && value > 0 ? value : undefined;
  };
  const heads = number("attention.head_count");
  const embedding = number("embedding_length");
  const perHead = heads && embedding ? embedding / heads : undefined;
  const keys = number("attention.key_length") ?? perHead;
  const values = number("attention.value_length") ?? perHead;
  const cached = number("attention.head_count_kv") ?? heads;
  return {
    architecture,
    contextLength: number("context_length"),
    layers: number("block_count"),
    cacheWidth: keys && values && cached ? (keys + values) * cached : undefined,
  };
}
