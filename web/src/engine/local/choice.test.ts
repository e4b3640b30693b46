import { expect, it } from "vitest";
import type { Capabilities } from "./capabilities";
import { type Circumstances, choose } from "./choice";

const PLAIN: Capabilities = {
  webgpu: "none",
  isolated: true,
  threads: 4,
  cores: 4,
  wasm: true,
  simd: true,
  jspi: true,
  memory64: true,
  opfs: true,
  deviceMemoryGb: 8,
  phone: false,
  privateMode: false,
};
const BASE: Circumstances = {
  capabilities: PLAIN,
  model: { bytes: 500e6 },
  stored: true,
  online: true,
  network: true,
  serverState: "ready",
  preference: "auto",
};
const GPU = { ...PLAIN, webgpu: "ready" as const };

it.each<[string, Partial<Circumstances>, ReturnType<typeof choose>]>([
  ["the server by itself", {}, { place: "server", reason: "The server is there." }],
  [
    "the server while it starts",
    { serverState: "starting" },
    { place: "server", reason: "The server is starting its model." },
  ],
  [
    "the device when busy",
    { serverState: "busy" },
    { place: "device", backend: "wasm", reason: "The server is busy." },
  ],
  [
    "the server when busy and the model is heavy here",
    { serverState: "busy", model: { bytes: 3e9 } },
    { place: "server", reason: "The server is busy, but faster than this device." },
  ],
  [
    "the device when busy, heavy, with a graphics card",
    { serverState: "busy", model: { bytes: 3e9 }, capabilities: GPU },
    { place: "device", backend: "webgpu", reason: "The server is busy." },
  ],
  ["the device offline", { online: false }, { place: "device", backend: "wasm", reason: "This device is offline." }],
  [
    "the device when away",
    { serverState: "away" },
    { place: "device", backend: "wasm", reason: "The server is away." },
  ],
  [
    "nobody",
    { online: false, stored: false },
    { place: "server", reason: "This device is offline, and the model is not on this device yet.", waits: true },
  ],
  [
    "the chosen device",
    { preference: "device" },
    { place: "device", backend: "wasm", reason: "You chose this device." },
  ],
  [
    "the chosen device that cannot",
    { preference: "device", capabilities: { ...PLAIN, simd: false } },
    { place: "server", reason: "Not on this device: this browser lacks WebAssembly with SIMD." },
  ],
  [
    "a model beyond the memory",
    { preference: "device", model: { bytes: 5e9 } },
    { place: "server", reason: "Not on this device: the model is larger than this browser's memory for it." },
  ],
  [
    "a provider that was chosen",
    {
      preference: "device",
      model: { host: "api.example.com" },
      stored: false,
      capabilities: null,
      serverState: "away",
    },
    {
      place: "device",
      host: "api.example.com",
      reason: "Your own key: the chat goes from this browser to api.example.com.",
    },
  ],
  [
    "no provider by itself",
    { model: { host: "api.example.com" }, serverState: "busy" },
    { place: "server", reason: "The server is there." },
  ],
  [
    "no provider without a network",
    { preference: "device", model: { host: "api.example.com" }, online: false, network: false },
    {
      place: "server",
      reason: "This device is offline, and api.example.com cannot be reached without a connection.",
      waits: true,
    },
  ],
  [
    "a compiled model without a graphics card",
    { preference: "device", model: { bytes: 5e8, compiled: true } },
    { place: "server", reason: "Not on this device: this model needs WebGPU, which this browser does not have." },
  ],
  [
    "a compiled model without f16",
    { preference: "device", model: { bytes: 5e8, compiled: true }, capabilities: { ...PLAIN, webgpu: "no-f16" } },
    { place: "device", backend: "webgpu", reason: "You chose this device." },
  ],
  [
    "the chosen server",
    { preference: "server", serverState: "busy" },
    { place: "server", reason: "You chose the server." },
  ],
  [
    "the chosen server, away",
    { preference: "server", serverState: "away" },
    { place: "server", reason: "The server is away; you chose the server.", waits: true },
  ],
  [
    "no model for the device",
    { model: null, stored: false, preference: "device" },
    { place: "server", reason: "Not on this device: no model was chosen for this device." },
  ],
  [
    "a device not looked at",
    { capabilities: null, preference: "device" },
    { place: "server", reason: "Not on this device: this device was not looked at yet." },
  ],
])("%s", (_name, change, choice) => {
  expect(choose({ ...BASE, ...change })).toEqual(choice);
});
