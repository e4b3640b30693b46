import { describe, expect, it } from "vitest";
import { LocalError } from "../local/errors";
import type { LocalSampling } from "../local/types";
import { Anthropic } from "./anthropic";
import { type Around, chat, models, type Target } from "./calling";
import { OpenAI } from "./openai";
import type { Fields, Wire } from "./wire";

const KEY = "sk-secret-0123456789";
const HOST = "api.example.com";

type Given = Response | Error | ((options: RequestInit) => Promise<Response>);

/** Answers one call after the other with what is given. */
function around(...given: Given[]) {
  const asked: { url: string; options: RequestInit; body: Fields }[] = [];
  const slept: number[] = [];
  const parts: Around = {
    fetch: async (url, options = {}) => {
      asked.push({ url: String(url), options, body: JSON.parse(String(options.body ?? "{}")) });
      const next = given.shift();
      if (next === undefined) throw new Error("asked too often");
      if (next instanceof Error) throw next;
      return typeof next === "function" ? next(options) : next;
    },
    now: () => performance.now(),
    sleep: async (milliseconds) => void slept.push(milliseconds),
    patience: { first: 0.3, between: 0.2 },
  };
  return { parts, asked, slept };
}

const target = (wire: Wire = new OpenAI(false), baseUrl = `https://${HOST}/v1`): Target => ({
  baseUrl,
  key: KEY,
  wire,
});

const bytes = (text: string) => new TextEncoder().encode(text);
const STREAM = { headers: { "content-type": "text/event-stream" } };

function streamed(pieces: readonly (string | Uint8Array<ArrayBuffer>)[], end: "close" | "error" = "close"): Response {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(typeof piece === "string" ? bytes(piece) : piece);
      if (end === "close") controller.close();
      else controller.error(new TypeError("network error"));
    },
  });
  return new Response(body, STREAM);
}

/** Says this much, then `ping` again and again, until it is not listened to any more. */
const hanging =
  (said: string, ping = "") =>
  async (options: RequestInit) => {
    const body = new ReadableStream({
      start(controller) {
        if (said) controller.enqueue(bytes(said));
        const timer = setInterval(() => ping && controller.enqueue(bytes(ping)), 20);
        options.signal?.addEventListener("abort", () => {
          clearInterval(timer);
          controller.error(new Error("aborted"));
        });
      },
    });
    return new Response(body, STREAM);
  };

const told = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });

const open = (...values: unknown[]) =>
  values.map((value) => `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`).join("");
const delta = (content: string) => ({ choices: [{ delta: { content } }] });
const STOP = { choices: [{ delta: {}, finish_reason: "stop" }] };
const USAGE = { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3 } };
const OPENAI = open(
  { choices: [{ delta: { role: "assistant", content: "" } }] },
  delta("Grüß "),
  delta("dich, 🐎!"),
  STOP,
  USAGE,
  "[DONE]",
);
const named = (...events: Fields[]) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
const ANTHROPIC = named(
  { type: "message_start", message: { usage: { input_tokens: 4, cache_read_input_tokens: 3, output_tokens: 1 } } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "ping" },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "hm" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Grüß " } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "dich, 🐎!" } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } },
  { type: "message_stop" },
);

/** Up to the first word. */
const BEGUN: Record<string, string> = {
  OpenAI: open(delta("Grüß ")),
  Anthropic: ANTHROPIC.slice(0, ANTHROPIC.indexOf("\n\n", ANTHROPIC.indexOf("Grüß")) + 2),
};

async function ask(
  parts: Around,
  from: Target = target(),
  sampling: LocalSampling = {},
  signal = new AbortController().signal,
) {
  const pieces: string[] = [];
  const messages = [
    { role: "system" as const, content: "Be kind." },
    { role: "user" as const, content: "Hi" },
  ];
  const work = chat(from, { model: "m", messages, sampling }, (text) => pieces.push(text), signal, parts);
  return { answer: await work, pieces };
}

const failing = (work: Promise<unknown>) =>
  work.then(
    () => new LocalError("device_unloaded", "nothing failed"),
    (error: unknown) => error as LocalError,
  );

describe.each<[string, Wire, string]>([
  ["OpenAI", new OpenAI(false), OPENAI],
  ["Anthropic", new Anthropic(), ANTHROPIC],
])("%s", (name, wire, stream) => {
  it("reads the same answer wherever its bytes are cut", async () => {
    const all = bytes(stream);
    for (let at = 1; at < all.length; at += 1) {
      const { parts } = around(streamed([all.slice(0, at), all.slice(at)]));
      const { answer, pieces } = await ask(parts, target(wire));
      expect(answer).toMatchObject({
        text: "Grüß dich, 🐎!",
        stop: "stop",
        stats: { promptTokens: 7, tokens: 3, backend: "provider" },
      });
      expect(pieces.join("")).toBe(answer.text);
    }
  });

  it("tells a stream that was cut from one that has ended", async () => {
    const cut = stream.slice(0, stream.indexOf("dich"));
    for (const end of ["close", "error"] as const) {
      const { parts, asked } = around(streamed([cut], end));
      const error = await failing(ask(parts, target(wire)));
      expect(error).toMatchObject({ code: "device_provider_failed" });
      expect(error.message).toContain("broke");
      expect(asked).toHaveLength(1);
    }
  });

  it("is stopped where it is", async () => {
    const stop = new AbortController();
    const { parts } = around(hanging(BEGUN[name] ?? ""));
    const asked = ask(parts, target(wire), {}, stop.signal);
    setTimeout(() => stop.abort(), 50);
    expect((await asked).answer).toMatchObject({ text: "Grüß ", stop: "aborted" });
  });
});

it("asks OpenAI's way, and sends nothing along but the key", async () => {
  const { parts, asked } = around(streamed([OPENAI]));
  const sampling = {
    temperature: 0.5,
    topP: 0.9,
    topK: 5,
    minP: 0.1,
    repeatPenalty: 1.1,
    seed: 3,
    maxTokens: 9,
    stop: ["END"],
  };
  await ask(parts, target(), sampling);
  expect(asked[0]?.url).toBe("https://api.example.com/v1/chat/completions");
  expect(asked[0]?.options).toMatchObject({
    credentials: "omit",
    referrerPolicy: "no-referrer",
    redirect: "error",
    cache: "no-store",
    mode: "cors",
    headers: { authorization: `Bearer ${KEY}` },
  });
  expect(asked[0]?.body).toEqual({
    model: "m",
    stream: true,
    stream_options: { include_usage: true },
    messages: [
      { role: "system", content: "Be kind." },
      { role: "user", content: "Hi" },
    ],
    temperature: 0.5,
    top_p: 0.9,
    top_k: 5,
    min_p: 0.1,
    repeat_penalty: 1.1,
    seed: 3,
    max_tokens: 9,
    stop: ["END"],
  });
  const itself = around(streamed([OPENAI]));
  await ask(itself.parts, target(new OpenAI(true)), { topK: 5, minP: 0.1, repeatPenalty: 1.1, maxTokens: 9 });
  expect(itself.asked[0]?.body).toMatchObject({ max_completion_tokens: 9 });
  expect(Object.keys(itself.asked[0]?.body ?? {})).not.toEqual(expect.arrayContaining(["top_k"]));
});

it("asks Anthropic's way", async () => {
  const { parts, asked } = around(streamed([ANTHROPIC]));
  await ask(parts, target(new Anthropic(), `https://${HOST}`), {
    temperature: 1.5,
    topP: 0.5,
    topK: 4,
    seed: 1,
    stop: [" ", "END"],
  });
  expect(asked[0]?.url).toBe("https://api.example.com/v1/messages");
  expect(asked[0]?.options.headers).toMatchObject({
    "x-api-key": KEY,
    "anthropic-version": "2023-06-01",
    "anthropic-dangerous-direct-browser-access": "true",
  });
  expect(asked[0]?.body).toEqual({
    model: "m",
    max_tokens: 4096,
    stream: true,
    system: "Be kind.",
    messages: [{ role: "user", content: "Hi" }],
    temperature: 1,
    top_k: 4,
    stop_sequences: ["END"],
  });
});

describe("what goes wrong", () => {
  const repeats = `Incorrect API key provided: ${KEY}.`;
  it.each<[number, unknown, string]>([
    [401, { error: { message: repeats } }, "device_key_refused"],
    [403, { error: { message: repeats } }, "device_key_refused"],
    [400, { error: { message: "Incorrect API key provided: sk***89" } }, "device_key_refused"],
    [402, {}, "device_provider_credit"],
    [
      429,
      { error: { code: "insufficient_quota", message: "You exceeded your current quota" } },
      "device_provider_credit",
    ],
    [
      400,
      { type: "error", error: { type: "invalid_request_error", message: "Your credit balance is too low" } },
      "device_provider_credit",
    ],
    [400, { error: { code: "context_length_exceeded", message: "too many" } }, "device_context_exceeded"],
    [400, { type: "error", error: { message: "prompt is too long: 9 tokens > 8 maximum" } }, "device_context_exceeded"],
    [400, { error: { message: `Unsupported parameter with ${KEY}` } }, "device_provider_refused"],
    [404, "<html>not here</html>", "device_provider_refused"],
    [422, { error: "just words" }, "device_provider_refused"],
  ])("status %i with %j is %s", async (status, body, code) => {
    const { parts, asked } = around(told(status, body));
    const error = await failing(ask(parts));
    expect(error).toMatchObject({ name: "LocalError", code });
    expect(error.message).not.toContain(KEY);
    expect(asked).toHaveLength(1);
  });

  it("tries once more when the provider is busy or broken, after the pause that it asks for", async () => {
    const first = around(told(429, {}, { "retry-after": "3" }), streamed([OPENAI]));
    expect((await ask(first.parts)).answer.text).toContain("🐎");
    expect(first.slept).toEqual([3_000]);
    const second = around(told(500, "oops"), told(529, {}));
    expect(await failing(ask(second.parts))).toMatchObject({ code: "device_provider_failed" });
    expect([second.asked.length, second.slept]).toEqual([2, [1_000]]);
    const long = around(told(429, {}, { "retry-after": "3600" }));
    expect((await failing(ask(long.parts))).message).toContain("3600 s");
  });

  it("asks without the usage where that is not known", async () => {
    const { parts, asked } = around(
      told(400, { error: { message: "unknown field: stream_options" } }),
      streamed([OPENAI]),
    );
    await ask(parts);
    expect([asked.length, asked[1]?.body.stream_options]).toEqual([2, undefined]);
  });

  it("does not try again once something was said", async () => {
    const { parts, asked } = around(
      streamed([open(delta("Gr"), { error: { message: "Overloaded", type: "server_error" } })]),
    );
    expect(await failing(ask(parts))).toMatchObject({ code: "device_provider_failed" });
    expect(asked).toHaveLength(1);
  });

  it("knows that there was no way, which may be the provider's own rule", async () => {
    expect(await failing(ask(around(new TypeError("Failed to fetch")).parts))).toMatchObject({
      code: "device_provider_unreachable",
    });
  });

  const silent = (options: RequestInit) =>
    new Promise<Response>((_, reject) => options.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
  it.each<[string, Given]>([
    ["no head", silent],
    ["a head alone", hanging("")],
    ["a beginning alone", hanging(open(delta("Gr")))],
    ["pings alone", hanging("", ": ping\n\n")],
  ])("does not wait for ever: %s", async (_, given) => {
    expect(await failing(ask(around(given).parts))).toMatchObject({ code: "device_provider_timeout" });
  });

  it.each<[string, Given]>([
    ["garbage", streamed(["data: {nonsense\n\n"])],
    ["a list", streamed(["data: [1]\n\n"])],
    [
      "a line without end",
      streamed([
        "data: ",
        ..."x"
          .repeat(22)
          .split("")
          .map(() => "y".repeat(50_000)),
      ]),
    ],
    ["nothing", streamed([])],
    ["nothing said", streamed([open(STOP, "[DONE]")])],
    [
      "only thinking",
      streamed([open({ choices: [{ delta: { reasoning_content: "hm" }, finish_reason: "length" }] }, "[DONE]")]),
    ],
    ["a page", told(200, "<html>Sign in</html>", { "content-type": "text/html" })],
    ["an error with a good status", told(200, { error: { message: "no" } }, { "content-type": "application/json" })],
  ])("refuses %s", async (_, given) => {
    const error = await failing(ask(around(given).parts));
    expect(error).toMatchObject({ code: "device_provider_failed" });
    expect(error.message).toContain(HOST);
  });

  it("cuts an answer that has no end", async () => {
    const { parts } = around(hanging(open(...Array.from({ length: 30 }, () => delta("x".repeat(10_000))))));
    const { answer } = await ask(parts);
    expect([answer.text.length, answer.stop]).toEqual([200_000, "length"]);
  });
});

it("lists models, in whichever of the forms", async () => {
  const signal = new AbortController().signal;
  const list = (given: Given) => models(target(), signal, around(given).parts);
  expect(await list(told(200, { data: [{ id: "b" }, { id: "a" }, { id: "b" }, { no: 1 }] }))).toEqual(["a", "b"]);
  expect(await list(told(200, [{ id: "a" }]))).toEqual(["a"]);
  for (const body of ["<html>", "{}", "7"])
    expect(await failing(list(told(200, body)))).toMatchObject({ code: "device_provider_failed" });
});
