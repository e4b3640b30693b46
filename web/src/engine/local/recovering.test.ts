// Every failure of a model in the browser that the page can do something about, provoked in the adapter; all else is real.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { LocalCode } from "../../api/errors";
import type { Adapter } from "./adapters/adapter";
import type { Capabilities } from "./capabilities";
import { failure } from "./errors";
import { Inference } from "./inference";
import type { Plan } from "./plan";
import type { Source, Work } from "./protocol";
import { BROWSER, begunOf, FILE, STATS, spawning } from "./scripted";
import type { LocalAnswer } from "./types";

const WORDS = ["one ", "two ", "three ", "four "];

/** Fails as it is told: `loading` and `saying` give the code of the next failure. */
class Failing {
  readonly plans: Plan[] = [];
  readonly asked: Work[] = [];
  loading: (plan: Plan) => LocalCode | null = () => null;
  saying: (word: string) => LocalCode | null = () => null;

  private adapter(): Adapter {
    let backend: Plan["backend"] = "wasm";
    return {
      load: async (_source: Source, plan: Plan) => {
        this.plans.push(plan);
        backend = plan.backend;
        const code = this.loading(plan);
        if (code) throw failure(code);
        return { backend: plan.backend, threads: 1, context: plan.context };
      },
      generate: async (work, listener): Promise<LocalAnswer> => {
        this.asked.push(work);
        const { begun, words } = begunOf(work);
        let text = begun;
        if (begun) listener.text(begun, 1);
        for (const word of WORDS.slice(words)) {
          const code = this.saying(word);
          if (code) throw failure(code);
          const piece = text && !text.endsWith(" ") ? ` ${word}` : word;
          text += piece;
          listener.text(piece, 1);
        }
        return { text, stop: "stop", stats: { ...STATS, backend } };
      },
      unload: async () => undefined,
    };
  }

  engine(webgpu: Capabilities["webgpu"] = "ready"): Inference {
    const capabilities = { ...BROWSER, webgpu, threads: 1 };
    const files = { open: async () => [FILE] };
    return new Inference(
      { files, capabilities: async () => capabilities, spawn: spawning(() => this.adapter()) },
      () => undefined,
    );
  }

  get backends(): string[] {
    return this.plans.map(({ backend }) => backend);
  }
}

async function ask(engine: Inference): Promise<string> {
  let text = "";
  const work: Work = { messages: [{ role: "user", content: "Count" }], sampling: {} };
  const ear = {
    text: (piece: string) => {
      text += piece;
    },
  };
  await engine.generate("m", work, ear, new AbortController().signal);
  return text.trim();
}

beforeEach(() => void vi.stubGlobal("navigator", {}));
afterEach(() => void vi.unstubAllGlobals());

const times = (count: number, code: LocalCode) => {
  let left = count;
  return () => (left-- > 0 ? code : null);
};
const ALL = WORDS.join("").trim();

describe("a model that cannot be loaded", () => {
  it.each([
    "device_gpu_lost",
    "device_load_failed",
    "device_load_timeout",
    "device_memory",
    "device_worker_lost",
  ] as const)("%s: the processor takes the place of the graphics card", async (code) => {
    const world = new Failing();
    world.loading = ({ backend }) => (backend === "webgpu" ? code : null);
    expect(await ask(world.engine())).toBe(ALL);
    expect(world.backends).toEqual(["webgpu", "wasm"]);
  });

  it("device_memory: is loaded with less context, twice, and then it is told", async () => {
    const world = new Failing();
    world.loading = times(2, "device_memory");
    expect(await ask(world.engine("none"))).toBe(ALL);
    expect(world.plans.map(({ context }) => context)).toEqual([4096, 2048, 1024]);
    const hopeless = new Failing();
    hopeless.loading = () => "device_memory";
    await expect(ask(hopeless.engine("none"))).rejects.toMatchObject({ code: "device_memory" });
    expect(hopeless.plans).toHaveLength(3);
  });

  it.each(["device_load_failed", "device_model_unreadable"] as const)(
    "%s: is told at once where there is nothing else to try",
    async (code) => {
      const world = new Failing();
      world.loading = () => code;
      await expect(ask(world.engine("none"))).rejects.toMatchObject({ code });
      expect(world.plans).toHaveLength(1);
    },
  );
});

describe("an answer that breaks off", () => {
  it.each(["device_worker_lost", "device_stalled", "device_generation_failed"] as const)(
    "%s: goes on in a new worker, then on the processor, and then it is told",
    async (code) => {
      const world = new Failing();
      const cut = times(2, code);
      world.saying = (word) => (word === "three " ? cut() : null);
      expect(await ask(world.engine())).toBe(ALL);
      expect(world.backends).toEqual(["webgpu", "webgpu", "wasm"]);
      expect(world.asked.at(-1)?.messages.at(-1)).toEqual({ role: "assistant", content: "one two" });
      const hopeless = new Failing();
      hopeless.saying = () => code;
      await expect(ask(hopeless.engine())).rejects.toMatchObject({ code });
      expect(hopeless.backends).toEqual(["webgpu", "webgpu", "wasm"]);
    },
  );

  it("device_gpu_lost: goes on with the processor", async () => {
    const world = new Failing();
    const cut = times(1, "device_gpu_lost");
    world.saying = (word) => (word === "two " ? cut() : null);
    expect(await ask(world.engine())).toBe(ALL);
    expect(world.backends).toEqual(["webgpu", "wasm"]);
  });

  it("device_memory: goes on with less context", async () => {
    const world = new Failing();
    const cut = times(1, "device_memory");
    world.saying = (word) => (word === "two " ? cut() : null);
    expect(await ask(world.engine("none"))).toBe(ALL);
    expect(world.plans.map(({ context }) => context)).toEqual([4096, 2048]);
  });

  it.each(["device_context_exceeded", "device_schema_unsupported"] as const)("%s: is told at once", async (code) => {
    const world = new Failing();
    world.saying = () => code;
    await expect(ask(world.engine())).rejects.toMatchObject({ code });
    expect(world.plans).toHaveLength(1);
  });
});
