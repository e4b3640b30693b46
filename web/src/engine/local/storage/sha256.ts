/** SHA-256 piece by piece (FIPS 180-4): WebCrypto wants all of it in memory at once. */

const K = constants();
const BLOCK = 64;

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
function constants(): Int32Array {
  const found = new Int32Array(64);
  let count = 0;
  for (let candidate = 2n; count < 64; candidate += 1n) {
    let prime = true;
    for (let divisor = 2n; divisor * divisor <= candidate; divisor += 1n)
      if (candidate % divisor === 0n) {
        prime = false;
        break;
      }
    if (prime) found[count++] = Number(BigInt.asIntN(32, root(candidate << 96n)));
  }
  return found;
}

/** The whole part of a cube root. */
function root(value: bigint): bigint {
  let low = 0n;
  let high = 1n << 64n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle * middle * middle <= value) low = middle;
    else high = middle;
  }
  return low;
}

/** A length in bytes as bits, in two words. */
export function bits(length: number): [high: number, low: number] {
  return [Math.floor(length / 0x20000000), (length * 8) % 0x100000000];
}

export class Sha256 {
  private readonly state = Int32Array.of(
    0x6a09e667,
    0xbb67ae85,
    0x3c6ef372,
    0xa54ff53a,
    0x510e527f,
    0x9b05688c,
    0x1f83d9ab,
    0x5be0cd19,
  );
  private readonly words = new Int32Array(64);
  private readonly rest = new Uint8Array(BLOCK);
  private held = 0;
  private length = 0;

  update(data: Uint8Array): this {
    this.length += data.length;
    let at = 0;
    if (this.held > 0) {
      at = Math.min(BLOCK - this.held, data.length);
      this.rest.set(data.subarray(0, at), this.held);
      this.held += at;
      if (this.held < BLOCK) return this;
      this.block(new DataView(this.rest.buffer), 0);
      this.held = 0;
    }
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (; at + BLOCK <= data.length; at += BLOCK) this.block(view, at);
    this.rest.set(data.subarray(at));
    this.held = data.length - at;
    return this;
  }

  /** The sum in hexadecimal. Nothing may be added after it. */
  hex(): string {
    const end = new Uint8Array(this.held < 56 ? BLOCK : 2 * BLOCK);
    end.set(this.rest.subarray(0, this.held));
    end[this.held] = 0x80;
    const view = new DataView(end.buffer);
    const [high, low] = bits(this.length);
    view.setUint32(end.length - 8, high);
    view.setUint32(end.length - 4, low);
    for (let at = 0; at < end.length; at += BLOCK) this.block(view, at);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  private block(view: DataView, at: number): void {
    const w = this.words;
    const h = this.state;
    for (let word = 0; word < 16; word++) w[word] = view.getInt32(at + 4 * word);
    for (let word = 16; word < 64; word++) {
      const x = w[word - 15] as number;
      const y = w[word - 2] as number;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[word] = ((w[word - 16] as number) + s0 + (w[word - 7] as number) + s1) | 0;
    }
    let a = h[0] as number;
    let b = h[1] as number;
    let c = h[2] as number;
    let d = h[3] as number;
    let e = h[4] as number;
    let f = h[5] as number;
    let g = h[6] as number;
    let i = h[7] as number;
    for (let round = 0; round < 64; round++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (i + s1 + ((e & f) ^ (~e & g)) + (K[round] as number) + (w[round] as number)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      i = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    h[0] = ((h[0] as number) + a) | 0;
    h[1] = ((h[1] as number) + b) | 0;
    h[2] = ((h[2] as number) + c) | 0;
    h[3] = ((h[3] as number) + d) | 0;
    h[4] = ((h[4] as number) + e) | 0;
    h[5] = ((h[5] as number) + f) | 0;
    h[6] = ((h[6] as number) + g) | 0;
    h[7] = ((h[7] as number) + i) | 0;
  }
}
