import { expect, it } from "vitest";
import type { LogLine } from "../api/logs";
import { LogFeed, type LogSource, PAGE, searchFor } from "./logfeed";
import { NO_FILTER, NOTE } from "./logs";

function line(number: number): LogLine {
  const at = new Date(Date.UTC(2026, 0, 1) + number).toISOString();
  return { id: String(number), at, level: "info", source: "corral.test", message: `line ${number}` };
}

const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => line(from + index));

/** A server whose files hold the lines up to `end`, and whose answers wait until they are let go. */
class Server implements LogSource {
  connected = true;
  end = 0;
  asked: string[] = [];
  /** What was asked with them. */
  data: object[] = [];
  answers: (() => void)[] = [];
  private listener: (data: unknown) => void = () => undefined;
  private opener: () => void = () => undefined;
  request<T>(event: string, data: object = {}): Promise<T> {
    this.asked.push(event);
    this.data.push(data);
    if (event !== "logs:search") return Promise.resolve({} as T);
    return new Promise((resolve) => {
      this.answers.push(() => resolve({ lines: lines(Math.max(0, this.end - PAGE), this.end) } as T));
    });
  }
  on(_: string, listener: (data: unknown) => void) {
    this.listener = listener;
    return () => {
      this.listener = () => undefined;
    };
  }
  onOpen(opener: () => void) {
    this.opener = opener;
    opener();
    return () => undefined;
  }
  open() {
    this.opener();
  }
  send(sent: LogLine[], dropped = 0) {
    this.end = Math.max(this.end, ...sent.map(({ id }) => Number(id) + 1));
    this.listener({ lines: sent, dropped });
  }
  async answer() {
    await settle();
    this.answers.shift()?.();
    await settle();
  }
}

const settle = () => new Promise<void>((resolve) => setTimeout(resolve));
const now = (run: () => void) => run();

function ids(feed: LogFeed): string[] {
  const found: string[] = [];
  for (let number = feed.ring.first; number < feed.ring.end; number += 1) {
    const entry = feed.ring.at(number);
    if (entry) found.push(entry.line.level === NOTE ? entry.line.message : entry.line.id);
  }
  return found;
}

it("reads the newest lines first and puts what came meanwhile behind them, each once", async () => {
  const server = new Server();
  server.end = 5;
  const feed = new LogFeed(server, { capacity: 1_000, soon: now });
  feed.start();
  await settle();
  server.send(lines(5, 7));
  expect([feed.filled, ids(feed)]).toEqual([false, []]);
  await server.answer();
  expect([feed.filled, ids(feed)]).toEqual([true, ["0", "1", "2", "3", "4", "5", "6"]]);
  server.send(lines(7, 8));
  expect(ids(feed).at(-1)).toBe("7");
});

it("says how many lines the server left out", async () => {
  const server = new Server();
  const feed = new LogFeed(server, { capacity: 1_000, soon: now });
  feed.start();
  await server.answer();
  server.send(lines(0, 1), 1_234);
  expect(ids(feed)).toEqual(["0", "1,234 lines came too fast to be sent"]);
});

it("fills the gap of a lost connection, or says that there is one", async () => {
  const server = new Server();
  server.end = 3;
  const feed = new LogFeed(server, { capacity: 5_000, soon: now });
  feed.start();
  await server.answer();
  server.end = 6;
  server.open();
  await server.answer();
  expect(ids(feed)).toEqual(["0", "1", "2", "3", "4", "5"]);
  server.end = 2_000;
  server.open();
  await server.answer();
  expect(ids(feed)[6]).toMatch(/^Lines are missing here/);
  expect(ids(feed).slice(7)).toEqual(lines(1_500, 2_000).map(({ id }) => id));
});

it("follows one source alone, also after a loss of the connection", async () => {
  const server = new Server();
  const feed = new LogFeed(server, { source: "engine:a", capacity: 100, soon: now });
  feed.start();
  await server.answer();
  const from = (source: string, number: number) => ({ ...line(number), source });
  server.send([line(0), from("engine:a", 1), from("engine:ab", 2), from("engine:b", 3)]);
  expect(ids(feed)).toEqual(["1"]);
  server.open();
  await settle();
  expect(server.asked).toEqual(["logs:subscribe", "logs:search", "logs:subscribe", "logs:search"]);
  expect(server.data.slice(2)).toEqual([
    { level: "debug", sources: ["engine:a"] },
    { limit: PAGE, source: "engine:a" },
  ]);
});

it("holds lines back while paused", async () => {
  const server = new Server();
  const feed = new LogFeed(server, { capacity: 10, soon: now });
  feed.start();
  await server.answer();
  feed.pause(true);
  server.send(lines(0, 25));
  expect([feed.paused, feed.waiting, ids(feed)]).toEqual([true, 10, []]);
  feed.pause(false);
  expect([feed.paused, ids(feed)]).toEqual([false, lines(15, 25).map(({ id }) => id)]);
});

it("does not follow while the page is out of sight, and catches up after", async () => {
  const server = new Server();
  server.end = 2;
  const feed = new LogFeed(server, { capacity: 100, soon: now });
  feed.start();
  await server.answer();
  feed.hide(true);
  expect(server.asked.at(-1)).toBe("logs:unsubscribe");
  server.end = 4;
  feed.hide(false);
  await server.answer();
  expect(ids(feed)).toEqual(["0", "1", "2", "3"]);
  feed.stop();
  server.send(lines(4, 5));
  expect(ids(feed)).toHaveLength(4);
  expect(server.asked.at(-1)).toBe("logs:unsubscribe");
});

it("tells those who watch once for many batches", async () => {
  const server = new Server();
  const runs: (() => void)[] = [];
  const feed = new LogFeed(server, { capacity: 100, soon: (run) => runs.push(run) });
  let told = 0;
  feed.watch(() => {
    told += 1;
  });
  feed.start();
  await server.answer();
  for (let batch = 0; batch < 20; batch += 1) server.send(lines(batch, batch + 1));
  for (const run of runs.splice(0)) run();
  expect([told, feed.ring.end - feed.ring.first]).toEqual([1, 20]);
});

it("asks only with what is set", () => {
  expect(searchFor(NO_FILTER, null)).toEqual({ limit: PAGE });
  expect(searchFor({ level: "error", source: "engine:a", text: " x ", requestId: "r" }, "c")).toEqual({
    limit: PAGE,
    level: "error",
    source: "engine:a",
    text: "x",
    requestId: "r",
    before: "c",
  });
});
