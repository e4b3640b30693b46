import type { Capabilities } from "../../engine/local/capabilities";
import { threadsFor } from "../../engine/local/plan";
import { storageLeft } from "../../engine/local/verdict";
import { bytes } from "../../ui/format";

/** `note`: it works with less; `missing`: something cannot work. */
export type Level = "ok" | "note" | "missing";

export interface Check {
  id: string;
  name: string;
  value: string;
  level: Level;
  /** What this costs and what would help; empty when all is well. */
  remedy: string;
}

const WEBGPU: Record<Capabilities["webgpu"], { value: string; level: Level; remedy: string }> = {
  ready: { value: "", level: "ok", remedy: "" },
  "no-f16": {
    value: "",
    level: "note",
    remedy: "The processor answers: the engine needs half-precision shaders, which this adapter does not have.",
  },
  software: {
    value: "Software adapter",
    level: "note",
    remedy:
      "It is the processor in disguise, so it is not used. Turn on hardware acceleration in the browser's settings.",
  },
  none: {
    value: "No adapter",
    level: "note",
    remedy:
      "The processor answers. A current Chrome, Edge, Safari or Firefox with hardware acceleration may find the graphics card.",
  },
};

function graphics({ webgpu, adapter }: Capabilities): Check[] {
  const state = WEBGPU[webgpu];
  const named = [adapter?.vendor, adapter?.architecture, adapter?.description].filter(Boolean).join(" ");
  const found: Check[] = [
    { id: "webgpu", name: "WebGPU adapter", ...state, value: state.value || named || "Adapter without a name" },
  ];
  if (!adapter) return found;
  const f16 = webgpu === "ready";
  // Of a software adapter it was not asked: it is not used either way.
  if (webgpu !== "software")
    found.push({ id: "f16", name: "shader-f16", value: f16 ? "Yes" : "No", level: f16 ? "ok" : "note", remedy: "" });
  const small = adapter.maxStorageBufferBindingSize < 512 * 1024 ** 2;
  found.push({
    id: "buffers",
    name: "Largest buffer",
    value: `${bytes(adapter.maxBufferSize)}, ${bytes(adapter.maxStorageBufferBindingSize)} for one shader`,
    level: small ? "note" : "ok",
    remedy: small ? "Models with very large layers may not run on the graphics card." : "",
  });
  return found;
}

const yes = (id: string, name: string, is: boolean, level: Level, remedy: string): Check => ({
  id,
  name,
  value: is ? "Yes" : "No",
  level: is ? "ok" : level,
  remedy: is ? "" : remedy,
});

function engine(seen: Capabilities): Check[] {
  const { isolated, threads, cores } = seen;
  return [
    yes(
      "wasm",
      "WebAssembly",
      seen.wasm,
      "missing",
      "Without it no model runs here. A policy of this browser may forbid it.",
    ),
    yes("simd", "WebAssembly SIMD", seen.simd, "missing", "Update the browser: every current one has it."),
    yes(
      "isolation",
      "Cross-origin isolation",
      isolated,
      "note",
      "The page came without COOP and COEP headers, so there are no threads. Reload once; else a proxy takes the headers away.",
    ),
    {
      id: "threads",
      name: "Threads",
      value: `${threads} of ${cores} ${cores === 1 ? "processor" : "processors"}`,
      level: threads > 1 || cores === 1 ? "ok" : "note",
      remedy: threads > 1 || cores === 1 ? "" : "Answers come several times slower. Isolation is what is missing.",
    },
    yes("jspi", "JSPI", seen.jspi, "note", "The compatibility build of the engine is used; it is a little slower."),
    yes("memory64", "MEMORY64", seen.memory64, "note", "Models are limited to 2 GB."),
  ];
}

function memory({ deviceMemoryGb, phone }: Capabilities, budget: number, measured: number | undefined): Check[] {
  const told = deviceMemoryGb === undefined ? "not told" : `about ${deviceMemoryGb} GB or more`;
  const found: Check[] = [
    { id: "memory", name: "Memory of the device", value: told, level: "ok", remedy: "" },
    {
      id: "budget",
      name: "Memory for a model",
      value: bytes(budget),
      level: budget < 1024 ** 3 ? "note" : "ok",
      remedy: budget < 1024 ** 3 ? "Only small models fit." : "",
    },
  ];
  if (phone || measured === undefined) {
    const why = phone ? "not tried on phones: it can end the page" : "could not be tried";
    found.push({ id: "reserve", name: "Largest WebAssembly memory", value: why, level: "ok", remedy: "" });
    return found;
  }
  const low = measured < 2 * 1024 ** 3;
  const remedy = low
    ? "The browser gave less than the engine may ask for. Close other tabs, or use a 64-bit browser."
    : "";
  found.push({
    id: "reserve",
    name: "Largest WebAssembly memory",
    value: bytes(measured),
    level: low ? "note" : "ok",
    remedy,
  });
  return found;
}

function storage(seen: Capabilities): Check[] {
  const left = storageLeft(seen);
  const scarce = left !== undefined && left < 1024 ** 3;
  return [
    yes(
      "opfs",
      "Private file system (OPFS)",
      seen.opfs,
      "missing",
      "Models cannot be kept. Leave the private window, or update the browser.",
    ),
    {
      id: "quota",
      name: "Storage left",
      value: left === undefined ? "not told" : `${bytes(left)} of ${bytes(seen.quotaBytes ?? 0)}`,
      level: scarce ? "note" : "ok",
      remedy: scarce ? "Make room on the disk, or remove models from this device." : "",
    },
    yes(
      "persisted",
      "Kept when space runs out",
      seen.persisted === true,
      "note",
      "The browser may delete models by itself when the disk is nearly full.",
    ),
    {
      id: "private",
      name: "Private window",
      value: seen.privateMode ? "Looks like one" : "No sign of one",
      level: seen.privateMode ? "note" : "ok",
      remedy: seen.privateMode ? "Models and chats of this device are gone when the window closes." : "",
    },
  ];
}

/** All that was looked at, in the order of the page. `budget` and `measured` in bytes. */
export function checksOf(seen: Capabilities, budget: number, measured: number | undefined): Check[] {
  return [...graphics(seen), ...engine(seen), ...memory(seen, budget, measured), ...storage(seen)];
}

/** What it comes to, in a sentence. */
export function summary({ wasm, simd, webgpu, threads: most }: Capabilities): string {
  if (!wasm || !simd) return "Models cannot run in this browser. Chats are answered by the server.";
  if (webgpu === "ready") return "Models run in this browser on the graphics card.";
  const threads = threadsFor(most);
  const how = threads > 1 ? `with ${threads} threads` : "with one thread, which is slow";
  return `Models run in this browser on the processor, ${how}.`;
}
