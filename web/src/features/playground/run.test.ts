import { afterEach, expect, test, vi } from "vitest";
import { rate, spans } from "./figures";
import { MOST_EVENTS, perform, type Run } from "./run";

afterEach(() => vi.unstubAllGlobals());

const BUILT = { path: "/v1/chat/completions", headers: {}, body: "{}", problems: {} };

/** Answers the next request with `response`; the last state of the run after it. */
async function sent(response: Response | Error, control = new AbortController()): Promise<Run> {
  vi.stubGlobal("fetch", () => (response instanceof Error ? Promise.reject(response) : Promise.resolve(response)));
  let last: (() => Run) | null = null;
  await perform(BUILT, "openai_chat", control.signal, (look) => {
    last = look;
  });
  return (last as unknown as () => Run)();
}

function streamed(pieces: readonly string[], end: (control: ReadableStreamDefaultController) => void): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(control) {
      for (const piece of pieces) control.enqueue(encoder.encode(piece));
      end(control);
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream", "x-corral-provider": "one" } });
}
const chunk = (content: string) => `data: {"choices":[{"index":0,"delta":{"content":"${content}"}}]}\n\n`;
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}\n\n';
const close = (control: ReadableStreamDefaultController) => control.close();

test("a stream is told event by event, with its times", async () => {
  const pieces = [": hello\n\n", chunk("a").slice(0, 9), chunk("a").slice(9) + chunk("b"), USAGE, "data: [DONE]\n\n"];
  const run = await sent(streamed(pieces, close));
  expect([run.state, run.status, run.problem]).toEqual(["done", 200, null]);
  expect(run.answer).toMatchObject({ text: "ab", completionTokens: 3 });
  expect(run.events.map(({ kind }) => kind)).toEqual(["comment", "event", "event", "event", "event"]);
  expect(run.contentAt).toBe(run.events[1]?.at);
  expect(run.raw()).toBe(pieces.join(""));
  expect(run.bytes).toBe(pieces.join("").length);
  const times = run.events.map(({ at }) => at);
  expect(times).toEqual([...times].sort((one, other) => one - other));
});

test("a stream without its end is broken", async () => {
  const run = await sent(streamed([chunk("a")], close));
  expect([run.state, run.problem]).toEqual(["failed", "The stream broke off before its end."]);
  expect(run.answer.text).toBe("a");
});

test("an error that ends a stream is the reason", async () => {
  const run = await sent(streamed([chunk("a"), 'data: {"error":{"message":"gone"}}\n\n'], close));
  expect([run.state, run.problem, run.answer.error]).toEqual(["failed", null, "gone"]);
});

test("a refusal has its words", async () => {
  const run = await sent(new Response('{"error":{"message":"no such model"}}', { status: 404 }));
  expect([run.state, run.status, run.answer.error]).toEqual(["failed", 404, "no such model"]);
});

test("no server is told plainly", async () => {
  const run = await sent(new TypeError("Failed to fetch"));
  expect([run.state, run.status, run.problem]).toEqual(["failed", null, "The server cannot be reached."]);
});

test("what was stopped keeps what came", async () => {
  const control = new AbortController();
  const response = streamed([chunk("a")], (stream) => {
    setTimeout(() => {
      control.abort();
      stream.error(new DOMException("aborted", "AbortError"));
    }, 10);
  });
  const run = await sent(response, control);
  expect([run.state, run.answer.text, run.problem]).toEqual(["stopped", "a", null]);
});

test("of very many events the first are kept, the answer is whole", async () => {
  const run = await sent(streamed([chunk("a").repeat(MOST_EVENTS + 5), "data: [DONE]\n\n"], close));
  expect(run.events).toHaveLength(MOST_EVENTS);
  expect(run.dropped).toBe(6);
  expect(run.answer.text).toHaveLength(MOST_EVENTS + 5);
  expect(run.state).toBe("done");
});

test("speed and spans come from the times", () => {
  const answer = { completionTokens: 11 };
  const run = { answer, headersAt: 100, contentAt: 200, endAt: 1_200, events: [{}] } as unknown as Run;
  expect(rate(run)).toBe(10);
  expect(rate({ ...run, endAt: 250 })).toBeNull();
  expect(spans(run).map(({ text }) => text)).toEqual(["0.10 s", "0.10 s", "1.00 s"]);
  expect(spans({ ...run, headersAt: null })).toEqual([]);
});
