/** Which WebAssembly proposals this browser knows, asked with the smallest module that uses each. */

const HEAD = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** (func (result v128) (i8x16.splat (i32.const 0))) */
const SIMD = [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 8, 1, 6, 0, 0x41, 0, 0xfd, 15, 0x0b];
/** (memory 1 1 shared) */
const SHARED = [5, 4, 1, 3, 1, 1];
/** (memory i64 1) */
const MEMORY64 = [5, 3, 1, 4, 1];

function knows(sections: readonly number[]): boolean {
  try {
    return typeof WebAssembly !== "undefined" && WebAssembly.validate(new Uint8Array([...HEAD, ...sections]));
  } catch {
    return false;
  }
}

export interface WasmFeatures {
  /** Whether a module may be compiled at all; a policy of the page can forbid it. */
  wasm: boolean;
  simd: boolean;
  /** Shared memory, which threads need beside an isolated page. */
  shared: boolean;
  /** Memories beyond 4 GiB. */
  memory64: boolean;
  /** JavaScript promise integration: a module may wait for a promise. */
  jspi: boolean;
}

/** Compiles nothing larger than twenty bytes. */
export function wasmFeatures(): WasmFeatures {
  return {
    wasm: compiles(),
    simd: knows(SIMD),
    shared: knows(SHARED),
    memory64: knows(MEMORY64),
    jspi: typeof WebAssembly !== "undefined" && "Suspending" in WebAssembly,
  };
}

function compiles(): boolean {
  try {
    return new WebAssembly.Module(new Uint8Array(HEAD)) instanceof WebAssembly.Module;
  } catch {
    return false;
  }
}
