import { expect, it } from "vitest";
import { failure, LocalError } from "../local/errors";
import type { Around } from "./calling";
import { Host } from "./host";
import { readOwnId } from "./ids";
import { modelsOf } from "./own";
import { type Port, RemoteEngine } from "./remote";
import type { OwnProvider, Report } from "./types";
import type { Vault } from "./vault";

const KEY = "sk-secret-0123456789";
const OURS = "https://corral.example";
const provider: OwnProvider = {
  id: "p1",
  name: "Mine",
  kind: "openai",
  baseUrl: "https://api.example.com/v1",
  models: ["org/model:free"],
  hint: "",
  keyed: true,
  addedAt: 1,
};
const SAID = 'data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

/** A vault with one provider, whose key is opened for its own address alone. */
const vault = {
  get: async (id: string) => {
    if (id !== provider.id) throw failure("device_key_missing");
    return provider;
  },
  open: async (_: string, baseUrl: string) => {
    if (!baseUrl.startsWith("https://api.example.com")) throw failure("device_key_unreadable");
    return KEY;
  },
} as unknown as Vault;

/** An engine whose workers are hosts in this thread; `asked` has the requests that went out, `ended` counts workers that did. */
function made(
  fetch: Around["fetch"] = async () => new Response(SAID, { headers: { "content-type": "text/event-stream" } }),
) {
  const asked: { url: string; headers: Record<string, string> }[] = [];
  const state = { ended: 0 };
  const around: Around = {
    fetch: (url, options) => {
      asked.push({ url: String(url), headers: options?.headers as Record<string, string> });
      return fetch(url, options);
    },
    now: () => performance.now(),
    sleep: async () => undefined,
    patience: { first: 20, between: 20 },
  };
  const spawn = (): Port => {
    const send = (report: Report) => void port.onmessage?.({ data: structuredClone(report) } as MessageEvent<Report>);
    const host = new Host({ vault, ours: OURS, around, send });
    const port: Port = {
      onmessage: null,
      onerror: null,
      postMessage: (command) => void host.take(structuredClone(command)),
      terminate: () => {
        state.ended += 1;
      },
    };
    return port;
  };
  return { engine: new RemoteEngine(spawn), asked, state };
}

const [model] = modelsOf([provider]);
const asking = (more: object = {}) => ({
  model: model?.id ?? "",
  messages: [{ role: "user" as const, content: "Hi" }],
  ...more,
});
const failing = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: unknown) => (error instanceof LocalError ? [error.code, error.param].filter(Boolean).join(" ") : error),
  );

it("finds provider and model in an id, whatever signs the model's name has", () => {
  expect(readOwnId(model?.id ?? "")).toEqual({ provider: "p1", model: "org/model:free" });
  expect(model).toMatchObject({ label: "org/model:free (own key)", host: "api.example.com" });
  for (const id of ["cria", "own:", "own:p1", "own:p1:", "own::m"]) expect(readOwnId(id)).toBeNull();
});

it("answers by a worker that ends with the answer", async () => {
  const { engine, asked, state } = made();
  const pieces: string[] = [];
  const answer = await engine.generate(asking(), (text) => pieces.push(text));
  expect([answer.text, answer.stop, pieces.join("")]).toEqual(["Hello", "stop", "Hello"]);
  expect(asked).toEqual([
    {
      url: "https://api.example.com/v1/chat/completions",
      headers: expect.objectContaining({ authorization: `Bearer ${KEY}` }),
    },
  ]);
  expect(state.ended).toBe(1);
});

it("asks one that is not saved with what was typed, and gives a kept key to its own address alone", async () => {
  const list = async () => new Response('{"data":[{"id":"m"}]}');
  const { engine, asked } = made(list);
  const kind = "openai" as const;
  expect(await engine.models({ kind, baseUrl: "https://other.example/v1", key: "typed-key" })).toEqual(["m"]);
  expect(await engine.models({ id: "p1", kind, baseUrl: "https://api.example.com/v2" })).toEqual(["m"]);
  expect(await failing(engine.models({ id: "p1", kind, baseUrl: "https://evil.example/v1" }))).toBe(
    "device_key_unreadable",
  );
  expect(await failing(engine.models({ kind, baseUrl: `${OURS}/v1`, key: "typed-key" }))).toBe(
    "device_request_invalid baseUrl",
  );
  expect(await failing(engine.models({ kind: "anthropic", baseUrl: "https://other.example" }))).toBe(
    "device_key_missing",
  );
  expect(asked.map(({ url, headers }) => [url, headers.authorization])).toEqual([
    ["https://other.example/v1/models", "Bearer typed-key"],
    ["https://api.example.com/v2/models", `Bearer ${KEY}`],
  ]);
});

it("is stopped, also before it has begun", async () => {
  const waiting: Around["fetch"] = (_, options) =>
    new Promise((_resolve, reject) => options?.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
  const { engine, state } = made(waiting);
  const stop = new AbortController();
  const answer = engine.generate(asking({ signal: stop.signal }), () => undefined);
  setTimeout(() => stop.abort(), 20);
  expect((await answer).stop).toBe("aborted");
  expect((await engine.generate(asking({ signal: AbortSignal.abort() }), () => undefined)).stop).toBe("aborted");
  expect(state.ended).toBe(2);
});

it("has four answers under way at most, and refuses what it cannot do", async () => {
  const { engine, state } = made(() => new Promise(() => undefined));
  const stop = new AbortController();
  const under = Array.from({ length: 4 }, () => engine.generate(asking({ signal: stop.signal }), () => undefined));
  expect(await failing(engine.generate(asking(), () => undefined))).toBe("device_queue_full");
  expect(state.ended).toBe(0);
  stop.abort();
  // What does not listen is ended all the same.
  expect((await Promise.all(under)).map(({ stop: how }) => how)).toEqual(Array(4).fill("aborted"));
  expect(state.ended).toBe(4);
  expect(await failing(engine.generate(asking({ schema: {} }), () => undefined))).toBe("device_schema_unsupported");
  expect(await failing(engine.generate(asking({ model: "own:gone:m" }), () => undefined))).toBe("device_key_missing");
  expect(await failing(engine.generate(asking({ sampling: { temperature: 9 } }), () => undefined))).toBe(
    "device_request_invalid sampling.temperature",
  );
});
