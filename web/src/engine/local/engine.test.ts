// Two pages in one process: the locks are stand-ins for the browser's (tests/e2e has the real ones), all else is real.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Adapter } from "./adapters/adapter";
import { SharedEngine } from "./engine";
import { failure } from "./errors";
import type { Work } from "./protocol";
import { BROWSER, begunOf, FILE, STATS, spawning } from "./scripted";
import type { LocalAnswer } from "./types";

type Grant = () => unknown;

/** Exclusive locks with stealing, as https://www.w3.org/TR/web-locks/ has them. */
class Locks {
  private readonly held = new Map<string, { rob: () => void }>();
  private readonly waiting = new Map<string, (() => void)[]>();

  async request(name: string, options: LockOptions | Grant, callback?: Grant): Promise<unknown> {
    const grant = callback ?? (options as Grant);
    const { steal } = callback ? (options as LockOptions) : {};
    if (steal) this.held.get(name)?.rob();
    else if (this.held.has(name)) {
      await new Promise<void>((resolve) => this.waiting.set(name, [...(this.waiting.get(name) ?? []), resolve]));
    }
    const robbed = new Promise<never>((_resolve, reject) => {
      this.held.set(name, { rob: () => reject(new DOMException("stolen", "AbortError")) });
    });
    const mine = this.held.get(name);
    try {
      return await Promise.race([grant(), robbed]);
    } finally {
      if (this.held.get(name) === mine) {
        this.held.delete(name);
        this.waiting.get(name)?.shift()?.();
      }
    }
  }
}

const WORDS = "one two three four five six seven eight nine ten".split(" ").map((word) => `${word} `);

/** Counts to ten, one word every ten milliseconds; goes on from where a cut answer ends, which it says again like llama.cpp. */
class Counting implements Adapter {
  constructor(private readonly world: World) {}

  async load() {
    this.world.loads += 1;
    return { backend: "wasm" as const, threads: 1, context: 512 };
  }

  async generate(
    work: Work,
    listener: { text(text: string, tokens: number): void },
    signal: AbortSignal,
  ): Promise<LocalAnswer> {
    const { begun, words } = begunOf(work);
    if (begun) listener.text(begun, 1);
    this.world.asked.push(work);
    let text = "";
    for (const word of WORDS.slice(words)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (signal.aborted) break;
      if (this.world.fail(word)) throw failure("device_worker_lost", "it broke", true);
      const piece = text || begun ? word : word.trimStart();
      text += piece;
      listener.text(begun && text === piece ? ` ${piece}` : piece, 1);
    }
    return { text, stop: signal.aborted ? "aborted" : "stop", stats: STATS };
  }

  async unload() {
    // Nothing is held.
  }
}

class World {
  loads = 0;
  asked: Work[] = [];
  opened: string[] = [];
  fail: (word: string) => boolean = () => false;
  readonly locks = new Locks();
  private readonly engines: SharedEngine[] = [];

  readonly spawn = spawning(() => new Counting(this));

  tab(silence = 1_000): { engine: SharedEngine; channel: BroadcastChannel } {
    const channel = new BroadcastChannel("corral.device.test");
    const engine = new SharedEngine(
      {
        files: {
          open: async (id) => {
            this.opened.push(id);
            return [FILE];
          },
        },
        capabilities: async () => ({ ...BROWSER, threads: 1 }),
        spawn: this.spawn,
      },
      { locks: this.locks as unknown as LockManager, channel, silence },
    );
    this.engines.push(engine);
    return { engine, channel };
  }

  close() {
    for (const engine of this.engines) engine.close();
  }
}

const ASK = { model: "m", messages: [{ role: "user" as const, content: "Count" }] };
let world: World;

beforeEach(() => {
  vi.stubGlobal("navigator", {});
  world = new World();
});
afterEach(() => {
  world.close();
  vi.unstubAllGlobals();
});

async function said(engine: SharedEngine, when: (text: string) => void = () => undefined, signal?: AbortSignal) {
  let text = "";
  const answer = await engine.generate({ ...ASK, signal }, (piece) => {
    text += piece;
    when(text);
  });
  expect(answer.text).toBe(text);
  return answer;
}

describe("one page", () => {
  it("loads when it is first asked, answers, and tells how it stands", async () => {
    const { engine } = world.tab();
    const kinds: string[] = [];
    engine.subscribe(({ kind }) => kinds.push(kind));
    const answer = await said(engine);
    expect(answer.text.trim()).toBe(WORDS.join("").trim());
    expect(kinds.filter((kind, index) => kind !== kinds[index - 1])).toEqual(["loading", "ready", "busy", "ready"]);
    await said(engine);
    expect(world.loads).toBe(1);
    await engine.load("other");
    expect(world.opened).toEqual(["m", "other"]);
  });

  it("goes on in a new worker where the first one broke, once", async () => {
    const { engine } = world.tab();
    let broken = 0;
    world.fail = (word) => word === "four " && ++broken === 1;
    const answer = await said(engine);
    expect(answer.text.trim()).toBe(WORDS.join("").trim());
    expect(world.loads).toBe(2);
    expect(world.asked.at(-1)?.messages.at(-1)).toEqual({ role: "assistant", content: "one two three" });
    world.fail = (word) => word === "five " || word === "seven ";
    await expect(said(engine)).rejects.toMatchObject({ code: "device_worker_lost", recoverable: true });
    world.fail = () => false;
    expect((await said(engine)).stop).toBe("stop");
  });

  it("does not go on with an answer in a form, but begins one again of which nothing was said", async () => {
    const { engine } = world.tab();
    let broken = 0;
    world.fail = (word) => word === "two " && ++broken === 1;
    const formed = engine.generate({ ...ASK, schema: {} }, () => undefined);
    await expect(formed).rejects.toMatchObject({ code: "device_worker_lost", recoverable: true });
    broken = 0;
    world.fail = (word) => word === "one " && ++broken === 1;
    await expect(engine.generate({ ...ASK, schema: {} }, () => undefined)).rejects.toMatchObject({
      code: "device_answer_invalid",
    });
  });

  it("stops when asked, at work and in the queue", async () => {
    const { engine } = world.tab();
    const [first, second] = [new AbortController(), new AbortController()];
    const answers = Promise.all([
      said(engine, (text) => text.includes("two") && second.abort(), first.signal),
      said(engine, undefined, second.signal),
    ]);
    const waiting = (await answers)[1];
    expect(waiting).toMatchObject({ text: "", stop: "aborted" });
    expect(world.asked).toHaveLength(1);
    const cut = await said(engine, (text) => text.includes("three") && first.abort(), first.signal);
    expect(cut.stop).toBe("aborted");
    expect(cut.text).not.toContain("six");
  });

  it("refuses what is too much, and unloading ends all", async () => {
    const { engine } = world.tab();
    const all = Promise.allSettled(Array.from({ length: 12 }, () => said(engine)));
    await vi.waitFor(() => expect(engine.state().kind).toBe("busy"));
    await engine.unload();
    const codes = (await all).map((result) => (result.status === "rejected" ? result.reason.code : "answered"));
    expect(codes.filter((code) => code === "device_queue_full").length).toBeGreaterThanOrEqual(3);
    expect(codes[0]).toBe("device_unloaded");
  });
});

describe("several pages", () => {
  it("share one model, and each hears its own answer only", async () => {
    const { engine: first } = world.tab();
    const { engine: second } = world.tab();
    const answers = await Promise.all([said(first), said(second)]);
    expect(answers.map(({ text }) => text.trim())).toEqual([WORDS.join("").trim(), WORDS.join("").trim()]);
    expect(world.loads).toBe(1);
    expect([first.state().leader, second.state().leader]).toEqual([true, false]);
    await vi.waitFor(() => expect(second.state()).toEqual({ kind: "ready", model: "m", leader: false }));
  });

  it("go on with an answer when the page that holds the model is closed", async () => {
    const { engine: first } = world.tab();
    const { engine: second } = world.tab();
    await first.load("m");
    const answer = await said(second, (text) => text.includes("four") && first.close());
    expect(answer.text.trim()).toBe(WORDS.join("").trim());
    expect(second.state()).toEqual({ kind: "ready", model: "m", leader: true });
    expect(world.loads).toBe(2);
  });

  it("stop an answer across pages", async () => {
    const { engine: first } = world.tab();
    const { engine: second } = world.tab();
    await first.load("m");
    const stop = new AbortController();
    const answer = await said(second, (text) => text.includes("two") && stop.abort(), stop.signal);
    expect(answer.stop).toBe("aborted");
    expect(first.state().kind).toBe("ready");
  });

  it("take the model from a page that does not answer any more", async () => {
    const { engine: first, channel } = world.tab();
    const { engine: second } = world.tab(60);
    await first.load("m");
    await vi.waitFor(() => expect(second.state().kind).toBe("ready"));
    channel.onmessage = null;
    expect((await said(second)).text.trim()).toBe(WORDS.join("").trim());
    expect(second.state().leader).toBe(true);
    await vi.waitFor(() => expect(first.state().leader).toBe(false));
  });
});
