import { describe, expect, it, vi } from "vitest";
import { ERRORS, type ErrorCode, type ErrorRow, PAGE_STEPS, type PageStep } from "../api/errors";
import { LocalError } from "./local/errors";
import { type Actions, failureOf, pauseOf, recover } from "./recovery";

const CODES = Object.keys(ERRORS) as ErrorCode[];
const rowOf = (code: ErrorCode): ErrorRow => ERRORS[code];
const fail = (code: ErrorCode, retryAfter?: number) => Object.assign(new Error(code), { code, retryAfter });

function clock() {
  const pauses: number[] = [];
  return {
    pauses,
    options: {
      sleep: async (milliseconds: number) => void pauses.push(milliseconds),
      random: () => 1,
    },
  };
}

/** Work that fails with `code` until it was done `times` times. */
const failing = (code: ErrorCode, times: number) => {
  let done = 0;
  return async () => {
    if (done++ < times) throw fail(code);
    return done;
  };
};

describe("recover", () => {
  it("gives back what works at once", async () => {
    expect(await recover(async () => 7)).toBe(7);
  });

  it.each(CODES.filter((code) => rowOf(code).recoverable))(
    "%s: takes the table's steps, in order, no more often",
    async (code) => {
      const { options } = clock();
      const order: PageStep[] = [];
      const actions: Actions = Object.fromEntries(PAGE_STEPS.map((name) => [name, () => true]));
      const work = recover(failing(code, 1_000), actions, { ...options, limit: 100, told: (name) => order.push(name) });
      await expect(work).rejects.toThrow(code);
      const steps = rowOf(code).steps.filter((step) => PAGE_STEPS.includes(step.strategy));
      expect(order).toEqual(steps.flatMap((step) => Array(step.tries ?? 1).fill(step.strategy)));
    },
  );

  it.each(CODES.filter((code) => !rowOf(code).recoverable))(
    "%s: tells at once what only a person can mend",
    async (code) => {
      const work = vi.fn(failing(code, 1_000));
      await expect(recover(work, {}, clock().options)).rejects.toThrow(code);
      expect(work).toHaveBeenCalledTimes(1);
    },
  );

  it("waits longer each time, up to the longest", async () => {
    const { options, pauses } = clock();
    await expect(recover(failing("unreachable", 9), {}, options)).rejects.toThrow("unreachable");
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
  });

  it("waits as long as it is told, and not at all when that is too long", async () => {
    const { options, pauses } = clock();
    let done = 0;
    const work = (retryAfter: number) => async () => {
      if (done++ === 0) throw fail("overloaded", retryAfter);
      return done;
    };
    expect(await recover(work(4), {}, options)).toBe(2);
    expect(pauses).toEqual([4_000]);
    done = 0;
    await expect(recover(work(3_600), {}, options)).rejects.toThrow("overloaded");
    expect(pauses).toEqual([4_000]);
  });

  it("passes over what cannot be done here, by its absence, its word or its failure", async () => {
    const taken: string[] = [];
    const actions: Actions = {
      restart_worker: () => {
        taken.push("restart_worker");
        return false;
      },
      other_backend: async () => {
        taken.push("other_backend");
        throw new Error("no");
      },
    };
    await expect(recover(failing("device_worker_lost", 9), actions, clock().options)).rejects.toThrow(
      "device_worker_lost",
    );
    expect(taken).toEqual(["restart_worker", "other_backend"]);
  });

  it("goes on where another place answers", async () => {
    let place = "device";
    const answer = await recover(
      async () => {
        if (place === "device") throw new LocalError("device_memory");
        return place;
      },
      {
        smaller_context: () => false,
        other_place: () => {
          place = "server";
          return true;
        },
      },
      clock().options,
    );
    expect(answer).toBe("server");
  });

  it("counts anew after progress, but never goes on for ever", async () => {
    const { options, pauses } = clock();
    const work = vi.fn(async (progress: () => void) => {
      progress();
      throw fail("device_download_failed");
    });
    await expect(recover(work, {}, { ...options, limit: 50 })).rejects.toThrow("device_download_failed");
    expect(work).toHaveBeenCalledTimes(51);
    expect(new Set(pauses)).toEqual(new Set([1_000]));
  });

  it("stops when it is given up, in the pause too", async () => {
    const control = new AbortController();
    const work = vi.fn(failing("unreachable", 9));
    const running = recover(work, {}, { signal: control.signal, random: () => 1 });
    await vi.waitFor(() => expect(work).toHaveBeenCalledTimes(1));
    control.abort();
    await expect(running).rejects.toThrow("unreachable");
    expect(work).toHaveBeenCalledTimes(1);
  });

  it("leaves alone what is not in the table", async () => {
    const work = vi.fn(async () => {
      throw new TypeError("bug");
    });
    await expect(recover(work, {}, clock().options)).rejects.toThrow("bug");
    expect(work).toHaveBeenCalledTimes(1);
    expect(failureOf({ code: "toString" })).toBeNull();
    expect(failureOf(null)).toBeNull();
  });

  it("spreads its pauses", () => {
    const step = { strategy: "retry", pause: 1_000, longest: 8_000 } as const;
    expect(pauseOf(step, 0, { code: "unreachable" }, 0)).toBe(500);
    expect(pauseOf(step, 9, { code: "unreachable" }, 1)).toBe(8_000);
  });
});
