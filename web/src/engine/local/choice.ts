/** Where an answer should come from: a pure decision, with the reason in words for people. */
import type { Capabilities } from "./capabilities";
import { memoryBudget } from "./plan";
import type { Backend } from "./types";

/** A model that a provider runs, asked from this browser with a key of the person's own. */
export interface Remote {
  /** Who sees what is asked. */
  host: string;
}

export interface Circumstances {
  /** Null while they are not known. */
  capabilities: Capabilities | null;
  /** The model for this device; null where there is none. */
  model: { bytes: number; compiled?: boolean } | Remote | null;
  /** Whether the model is whole on this device. */
  stored: boolean;
  online: boolean;
  /** Whether this browser has any network; asked of providers only. */
  network: boolean;
  /** `busy`: others are being answered first; `starting`: its model is being loaded. */
  serverState: "ready" | "starting" | "busy" | "away";
  preference: "auto" | "server" | "device";
}

export interface Choice {
  place: "server" | "device";
  /** Of a device's answer. */
  backend?: Backend;
  /** The provider that answers, where it is one. */
  host?: string;
  /** A whole sentence. */
  reason: string;
  /** Whether it has to wait: nobody can answer now. */
  waits?: boolean;
}

/** Bytes up to which a model answers at a usable pace without a graphics card. */
const LIGHT = 2 * 1024 ** 3;

type Ability = { backend: Backend } | { host: string } | { hindrance: string };

/** How this device would run the model, or why it cannot. */
function ability({ capabilities, model, stored, network, preference }: Circumstances): Ability {
  if (!model) return { hindrance: "no model was chosen for this device" };
  if ("host" in model) {
    // What is said goes to somebody else, and costs: never by itself.
    if (preference !== "device") return { hindrance: "your own key is used only when you choose it" };
    return network ? { host: model.host } : { hindrance: `${model.host} cannot be reached without a connection` };
  }
  if (!stored) return { hindrance: "the model is not on this device yet" };
  if (!capabilities) return { hindrance: "this device was not looked at yet" };
  if (!capabilities.wasm || !capabilities.simd) return { hindrance: "this browser lacks WebAssembly with SIMD" };
  if (model.compiled) {
    const gpu = capabilities.webgpu === "ready" || capabilities.webgpu === "no-f16";
    return gpu ? { backend: "webgpu" } : { hindrance: "this model needs WebGPU, which this browser does not have" };
  }
  if (model.bytes > memoryBudget(capabilities))
    return { hindrance: "the model is larger than this browser's memory for it" };
  return { backend: capabilities.webgpu === "ready" ? "webgpu" : "wasm" };
}

/** Decides. With nobody to answer now it is the server, which the message then waits for. */
export function choose(circumstances: Circumstances): Choice {
  const { online, serverState, preference, model } = circumstances;
  const able = ability(circumstances);
  const reachable = online && serverState !== "away";
  const gone = online ? "The server is away" : "This device is offline";
  const here = (reason: string): Choice => ({
    place: "device",
    ...("backend" in able && { backend: able.backend }),
    reason,
  });
  if ("host" in able)
    return {
      place: "device",
      host: able.host,
      reason: `Your own key: the chat goes from this browser to ${able.host}.`,
    };
  const waiting = (reason: string): Choice => ({ place: "server", reason, waits: true });
  if ("hindrance" in able) {
    if (!reachable) return waiting(`${gone}, and ${able.hindrance}.`);
    if (preference === "device") return { place: "server", reason: `Not on this device: ${able.hindrance}.` };
    return { place: "server", reason: preference === "server" ? "You chose the server." : "The server is there." };
  }
  if (preference === "device") return here("You chose this device.");
  if (preference === "server") {
    return reachable ? { place: "server", reason: "You chose the server." } : waiting(`${gone}; you chose the server.`);
  }
  if (!reachable) return here(`${gone}.`);
  if (serverState === "busy") {
    const quick = able.backend === "webgpu" || (model && "bytes" in model ? model.bytes : 0) <= LIGHT;
    return quick
      ? here("The server is busy.")
      : { place: "server", reason: "The server is busy, but faster than this device." };
  }
  return {
    place: "server",
    reason: serverState === "starting" ? "The server is starting its model." : "The server is there.",
  };
}
